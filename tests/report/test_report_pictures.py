"""Pictures show the replicas that they name, at the same latents over training, in safe files of equal bytes."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from studies import Study

from ganbench.report.pictures import enlarged, final_costs, grid, median_and_worst, spread_over, write_pictures
from ganbench.report.tables import write_report
from ganbench.store import StoreError, load_results


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "tiny")


OVERVIEW = "ring8-overview-f704da.png"
"""Its last six digits are the first of the SHA-256 of "ring8"."""


def flat_images(level: float, n: int = 16, shape: tuple[int, int, int] = (1, 8, 8)) -> np.ndarray:
    """Images of one level each."""
    return np.full((n, *shape), level, dtype=np.float32)


def draw(study: Study) -> dict[str, Path]:
    written = write_pictures(study.folder, load_results(study.folder))
    return {path.name: path for path in written}


def add(study: Study, label: str, seed: int, kid: float, level: float = 0.0, **changes: object) -> None:
    arrays = {"snapshot/10": flat_images(-1.0), "snapshot/20": flat_images(level)}
    study.add(label, seed, {"kid": kid}, rank_by="kid", arrays=arrays, **changes)  # type: ignore[arg-type]  # of a test


def tiles(path: Path, rows: int) -> np.ndarray:
    """Grey levels (rows, 16) in the middle of a picture's tiles of 32 pixels, which stand at its right end."""
    picture = np.asarray(Image.open(path).convert("L"))
    height, width = picture.shape
    assert height == 2 + 34 * rows
    return picture[2 + 16 :: 34, width - 16 * 34 + 16 :: 34][:rows, :16]


def test_each_cell_has_a_picture_of_its_median_and_worst_replica_and_each_target_an_overview(study: Study):
    for seed in range(3):
        add(study, "em", seed, 0.1 * seed)
        add(study, "oracle", seed, 0.01)
    assert set(draw(study)) == {
        *(f"ring8-{label}-{label[:6]}-{which}.png" for label in ("em", "oracle") for which in ("median", "worst")),
        OVERVIEW,
    }
    assert {path.parent for path in draw(study).values()} == {study.folder / "pictures"}


def test_the_rows_of_a_picture_are_the_iterations_of_the_replica_it_names(study: Study):
    for seed, (kid, level) in enumerate(((0.3, 1.0), (0.1, -0.5), (0.2, 0.5))):
        add(study, "em", seed, kid, level)
    drawn = draw(study)
    assert (tiles(drawn["ring8-em-em-median.png"], 2) == np.array([[0], [191]])).all()  # 191 is (.5 + 1) 127.5
    assert (tiles(drawn["ring8-em-em-worst.png"], 2) == np.array([[0], [255]])).all()


def test_the_columns_of_a_picture_are_the_first_sixteen_latents(study: Study):
    levels = np.linspace(-1, 1, 18, dtype=np.float32)
    samples = np.broadcast_to(levels[:, None, None, None], (18, 1, 8, 8))
    study.add("em", 0, {"kid": 0.1}, rank_by="kid", arrays={"snapshot/5": samples})
    expected = np.rint((levels[:16] + 1) * 127.5)
    assert (tiles(draw(study)["ring8-em-em-median.png"], 1) == expected).all()


def test_the_overview_has_a_row_of_final_samples_of_each_median_best_first(study: Study):
    for seed in range(3):
        add(study, "minimax", seed, 0.5, 1.0)
        add(study, "em", seed, 0.1 * seed, 0.5 if seed == 1 else -1.0)
    assert (tiles(draw(study)[OVERVIEW], 2) == np.array([[191], [255]])).all()


@pytest.mark.parametrize(
    ("kids", "chosen"),
    [
        ([0.3, 0.1, 0.2], (2, 0)),
        ([0.4, 0.1, 0.2, 0.3], (2, 0)),  # the better of the middle two
        ([0.1, math.nan, 0.2], (2, 1)),
        ([0.5, 0.5, 0.5], (1, 0)),
        ([0.5], (0, 0)),
    ],
)
def test_replicas_are_ordered_by_value_then_by_seed(study: Study, kids: list[float], chosen: tuple[int, int]):
    for seed, kid in enumerate(kids):
        study.add("em", seed, {"kid": kid}, rank_by="kid")
    cell = load_results(study.folder)
    found = median_and_worst(cell, final_costs(cell, "kid"))
    assert (found["median"], found["worst"]) == tuple(f"{seed + 1:016x}" for seed in chosen)


def test_a_diverged_replica_is_the_worst_whatever_it_had_reached(study: Study):
    add(study, "em", 0, 0.9, -0.5)
    add(study, "em", 1, 0.1, 1.0, status="diverged")
    assert (tiles(draw(study)["ring8-em-em-worst.png"], 2)[1] == 255).all()


def test_where_more_is_better_the_worst_has_least(study: Study):
    for seed, (value, level) in enumerate(((0.9, 1.0), (0.2, -1.0), (0.8, 0.5))):
        add(study, "em", seed, value, level, direction="higher")
    assert (tiles(draw(study)["ring8-em-em-worst.png"], 2)[1] == 0).all()


def test_targets_whose_long_labels_begin_alike_have_an_overview_each(study: Study):
    for name in ("x", "y"):
        target = f"images[path=/a/long/way/to/the/images/of/a/person/{name}.npz]"
        add(study, "em", 0, 0.1, target_label=target, cell_id=f"{name}-cell")
    assert sum("overview" in name for name in draw(study)) == 2


def test_points_have_no_picture(study: Study):
    study.add("em", 0, {"w1": 0.1}, arrays={"snapshot/10": np.zeros((500, 2), dtype=np.float32)})
    assert draw(study) == {}
    assert not (study.folder / "pictures").exists()


def test_a_cell_whose_arrays_were_left_behind_has_no_picture_and_the_others_do(study: Study):
    add(study, "em", 0, 0.1)
    add(study, "minimax", 0, 0.2)
    (study.folder / f"{1:016x}.safetensors").unlink()
    assert set(draw(study)) == {*(f"ring8-minimax-minima-{w}.png" for w in ("median", "worst")), OVERVIEW}


def test_a_replica_that_was_moved_away_is_in_no_picture_though_it_was_measured_later(study: Study):
    for seed in range(2):
        add(study, "em", seed, 0.1 + seed, 1.0 - 2 * seed)
        study.measure_later(seed, "kid", 0.2, n=5000)
    for file in study.folder.glob(f"{2:016x}.*"):
        file.unlink()
    assert (tiles(draw(study)["ring8-em-em-worst.png"], 2)[1] == 255).all()


def test_altered_arrays_are_refused_with_their_name(study: Study):
    add(study, "em", 0, 0.1)
    arrays = study.folder / f"{1:016x}.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"\x01")
    with pytest.raises(StoreError, match=f"{1:016x}.safetensors"):
        draw(study)


def test_a_cell_that_an_error_ended_has_no_picture(study: Study):
    add(study, "em", 0, 0.1)
    study.add("minimax", 0, status="failed", rank_by="kid")
    assert all("minimax" not in name for name in draw(study))


def test_a_file_s_name_is_safe_whatever_the_label(study: Study):
    add(study, "em[path=../../x,y=|é:*]", 0, 0.1, cell_id="../../../")
    for name, path in draw(study).items():
        assert re.fullmatch(r"[A-Za-z0-9.=,_-]+\.png", name)
        assert path.parent == study.folder / "pictures"


def test_pictures_of_equal_results_are_equal_files_without_metadata(study: Study):
    add(study, "em", 0, 0.1)
    first = {name: path.read_bytes() for name, path in draw(study).items()}
    assert first == {name: path.read_bytes() for name, path in draw(study).items()}
    assert all(Image.open(io.BytesIO(content)).info == {} for content in first.values())


def test_a_parent_of_several_suites_has_the_pictures_beside_each_suite_s_replicas(study: Study):
    add(study, "em", 0, 0.1)
    written = write_pictures(study.folder.parent, load_results(study.folder.parent))
    assert {path.parent for path in written} == {study.folder / "pictures"}


def test_the_report_names_tables_and_then_pictures(study: Study):
    add(study, "em", 0, 0.1)
    markdown, csv, page, *pictures = write_report(study.folder)
    assert (markdown.name, csv.name, page.name) == ("tables.md", "tables.csv", "report.html")
    assert len(pictures) == 3
    assert all(path.is_file() for path in pictures)


def test_one_channel_is_grey_and_three_are_coloured():
    colours = np.stack([flat_images(level, shape=(8, 8, 1))[..., 0] for level in (1.0, -1.0, 0.0)], axis=1)
    assert grid([("1", flat_images(0.3))]).mode == "L"
    picture = grid([("1", colours)])
    assert picture.mode == "RGB"
    assert picture.getpixel((picture.width - 18, 18)) == (255, 0, 128)


def test_what_is_not_finite_is_magenta_on_grey():
    samples = flat_images(0.3)
    samples[-1] = math.nan
    picture = grid([("1", samples)])
    assert picture.getpixel((picture.width - 18, 18)) == (255, 0, 255)
    assert picture.getpixel((picture.width - 18 - 34, 18)) == (166, 166, 166)


@pytest.mark.parametrize(("side", "shown"), [(8, 32), (28, 56), (32, 32), (64, 64)])
def test_small_images_are_enlarged_by_a_whole_factor_without_smoothing(side: int, shown: int):
    image = np.random.default_rng(0).uniform(-1, 1, (1, 1, side, side))
    large = enlarged(image)
    assert large.shape == (1, shown, shown, 3)
    factor = shown // side
    for dy in range(factor):
        for dx in range(factor):
            assert (large[:, dy::factor, dx::factor, 0] == np.rint((image[:, 0] + 1) * 127.5)).all()


def test_at_most_ten_iterations_are_shown_the_first_and_the_last_among_them():
    assert spread_over([10, 20, 30], 10) == [10, 20, 30]
    shown = spread_over(list(range(0, 2300, 100)), 10)
    assert (len(shown), shown[0], shown[-1]) == (10, 0, 2200)
    assert shown == sorted(set(shown))


def test_the_iteration_is_written_at_the_left_of_its_row():
    picture = np.asarray(grid([("MMMM", flat_images(0.0)), ("", flat_images(0.0))]))
    margin = picture.shape[1] - 16 * 34
    assert (picture[:36, :margin] < 128).any()  # dark letters
    assert (picture[36:, :margin] == 255).all()
    assert (picture[:, 0] == 255).all()  # no letter is cut
