"""Content -> HTML: one file with styles, scripts and data inside, whose policy lets nothing else run or load.

Every text goes through jinja2's escaping. Data stand in blocks that are no scripts, as JSON without a single `<`; the
two scripts that may run are named in the policy by their SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
from functools import lru_cache
from typing import Any

import jinja2
from markupsafe import Markup

HERE = "ganbench.report.page"


def render(content: dict[str, Any]) -> str:
    """The page of a report's content, see `content`; the same content gives the same bytes."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["json_block"] = json_block
    environment.lstrip_blocks = True
    scripts = {"plotly": plotly_script(), "page": _text("page.js")}
    allowed = " ".join(f"'sha256-{_digest(text)}'" for text in scripts.values())
    policy = f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"
    inside = {name: Markup(text) for name, text in scripts.items()}
    return environment.get_template("page.html").render(
        **content, style=Markup(_text("page.css")), scripts=inside, policy=policy
    )


def json_block(value: Any) -> Markup:
    """A value as JSON that can close no element: every <, > and & is written as an escape, and NaN is refused."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@lru_cache(maxsize=1)
def plotly_script() -> str:
    """plotly.js as the plotly package ships it, 5 MB."""
    text = importlib.resources.files("plotly").joinpath("package_data/plotly.min.js").read_text(encoding="utf-8")
    assert "</script" not in text.lower(), "it would close its own element"
    return text


def _text(name: str) -> str:
    return importlib.resources.files(HERE).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
