"""The page in a real browser: it loads from disk without a network, its parts move, and names stay text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, Page, browser
from small_runs import ran
from studies import Study

from ganbench.pipeline import Run
from ganbench.report.page.write import page_of

HOSTILE = "em[x='</script><img src=x onerror=alert(1)><b>']"

__all__ = ["ran"]  # a fixture

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: install the package chromium"),
]


def a_study(folder: Path) -> Study:
    """Three objectives, one of a hostile name, and true samples, with clouds at two iterations."""
    study, rng = Study(folder), np.random.default_rng(0)
    for seed in range(8):
        for label, value in (("non-saturating", 0.4), (HOSTILE, 0.1), ("minimax", 0.2), ("oracle", 0.05)):
            clouds = {f"snapshot/{i}": rng.normal(size=(50, 2)).astype(np.float32) + i for i in (1, 2)}
            study.add(label, seed, {"w1": value + seed / 50, "modes_covered": 8.0 - seed}, arrays=clouds)
    study.add("minimax", 8, status="diverged", arrays={"snapshot/1": np.full((50, 2), np.nan, np.float32)})
    study.add("minimax", 9, status="failed")
    return study


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    path = page_of(a_study(tmp_path_factory.mktemp("results") / "tiny").folder)
    with browser() as opened:
        opened.open(path)
        yield opened


def draw_all(page: Page) -> int:
    """Scrolls every figure into view and waits until it is drawn; their number."""
    figures = page.run("document.querySelectorAll('.plot .canvas').length")
    for i in range(figures):
        page.run(f"document.querySelectorAll('.plot .canvas')[{i}].scrollIntoView()")
        page.until(f"document.querySelectorAll('.plot .canvas')[{i}].querySelector('.main-svg') !== null")
    return figures


def test_every_figure_is_drawn_without_an_error_or_a_request_to_a_network(page: Page):
    assert draw_all(page) == 3  # seeds, pairs, divergences
    assert page.errors == []
    assert page.requests
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_the_page_of_a_real_run_is_drawn_without_an_error_or_a_request_to_a_network(ran: Run):
    with browser() as opened:
        opened.open(page_of(ran.folder))
        assert draw_all(opened) >= 6
        assert opened.errors == []
        assert [url for url in opened.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def heading_of(column: str) -> str:
    """The first heading on the page that begins with the name of a column, in JavaScript."""
    return f"[...document.querySelectorAll('table th')].find(h => h.textContent.startsWith('{column}'))"


def test_a_heading_sorts_its_table_and_a_second_click_turns_it(page: Page):
    heading = heading_of("objective")
    column = f"[...{heading}.closest('table').tBodies[0].rows].map(r => r.cells[{heading}.cellIndex].textContent)"
    page.run(f"{heading}.querySelector('button').click()")
    rising = page.run(column)
    assert rising == sorted(rising)
    assert page.run(f"{heading}.getAttribute('aria-sort')") == "ascending"
    page.run(f"{heading}.querySelector('button').click()")
    assert page.run(column) == rising[::-1]


def test_numbers_sort_as_numbers(page: Page):
    heading = heading_of("w1")
    cells = f"[...{heading}.closest('table').tBodies[0].rows].map(r => r.cells[{heading}.cellIndex].textContent)"
    page.run(f"{heading}.querySelector('button').click()")
    values = page.run(f"{cells}.map(parseFloat)")
    assert len(values) == 4
    assert values == sorted(values)


def test_the_slider_goes_through_training(page: Page):
    drawn = "document.querySelectorAll('#clouds-t0 canvas')[2].toDataURL()"
    move = (
        "(i => {const s = document.querySelector('#clouds-t0 input'); s.value = i;"
        " s.dispatchEvent(new Event('input')); return document.querySelector('#clouds-t0 output').textContent})"
    )
    assert page.run(f"{move}(0)") == "1"
    first = page.run(drawn)
    assert page.run(f"{move}(1)") == "2"
    assert page.run(drawn) != first


def test_a_hostile_name_stays_text(page: Page):
    draw_all(page)
    assert page.run("[...document.querySelectorAll('table td')].some(c => c.textContent.includes('<img src=x'))")
    assert page.run("document.querySelectorAll('img[src=x]').length") == 0
    assert page.run("document.querySelectorAll('.canvas b, td b').length") == 0
    shown = "[...document.querySelectorAll('.canvas text')].some(t => t.textContent.includes('onerror=alert'))"
    assert page.run(shown)


def test_the_page_s_policy_refuses_a_script_that_is_not_its_own(page: Page):
    refused = (
        "new Promise(done => {document.addEventListener('securitypolicyviolation', e => done(e.effectiveDirective),"
        " {once: true}); const s = document.createElement('script'); s.textContent = 'window.mine = 1';"
        " document.body.append(s)})"
    )
    assert page.run(refused).startswith("script-src")
    assert page.run("window.mine") is None
    page.errors.clear()


def test_the_slider_and_the_headings_can_be_reached_by_keyboard(page: Page):
    reachable = "[...document.querySelectorAll('th button, .clouds input, .wide')].every(e => e.tabIndex >= 0)"
    assert page.run(reachable)


def test_figures_are_drawn_anew_for_paper_and_back_again(page: Page):
    draw_all(page)
    svgs = "[...document.querySelectorAll('.plot .canvas .main-svg:first-child')]"
    widths = f"Math.max(...{svgs}.map(s => s.getBoundingClientRect().width))"
    inks = f"{svgs}.map(s => getComputedStyle(s.querySelector('.xtick text, .ytick text')).fill)"
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    page.until(f"{inks}.every(c => c === 'rgb(230, 233, 238)')")
    page.run("window.dispatchEvent(new Event('beforeprint'))")
    page.until(f"{inks}.every(c => c === 'rgb(0, 0, 0)') && {widths} <= 960")
    page.run("window.dispatchEvent(new Event('afterprint'))")
    page.until(f"{inks}.every(c => c === 'rgb(230, 233, 238)') && {widths} > 960")
    page.call("Emulation.setEmulatedMedia", features=[])
    page.until(f"{inks}.every(c => c === 'rgb(29, 36, 48)')")


def test_the_page_is_no_wider_than_a_phone(page: Page):
    page.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    draw_all(page)
    width = page.run("document.documentElement.scrollWidth")
    page.call("Emulation.clearDeviceMetricsOverride")
    assert width <= 390
