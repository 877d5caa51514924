"""`new`: a file with an objective of one's own, which runs and passes `check` as it is."""

from __future__ import annotations

import datetime
import importlib.util
import keyword
import re
import shlex
from pathlib import Path

import click

from ganbench.cli.errors import BadInput
from ganbench.registry import shown

NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
LONGEST = 40

TEXT = '''\
"""{name}: replace field, losses and what is said of them by your own."""

from dataclasses import dataclass

import torch.nn.functional as F
from ganbench.fields import Swept, ranged
from ganbench.objectives.contract import Objective, mean


@dataclass(frozen=True)
class {title}(Objective):
    """The non-saturating game, where generated samples weigh `fake` times as much to D as real ones."""

    source = "authors {year}, arXiv:0000.00000, equation 1"
    formula = "D: max E log D(x) + fake E log(1 - D(G(z)));  G: max E log D(G(z))"
    year = {year}

    # set as {title}[fake=2]; Swept: replicas of different values train side by side
    fake: Swept = ranged(1.0, above=0)

    # what D descends, one number: real samples b.x of weights b.w, latents b.z of weights b.r; D gives logits
    def d_loss(self, G, D, b, /):
        return -mean(b.w, F.logsigmoid(D(b.x))) - self.fake * mean(b.r, F.logsigmoid(-D(G(b.z))))

    # what G descends
    def g_loss(self, G, D, b, /):
        return -mean(b.r, F.logsigmoid(D(G(b.z))))
'''
TAKEN = ("F", "Objective", "Swept")
"""Names that the file needs itself."""


@click.group()
def new() -> None:
    """Write a file to start from."""


@new.command()
@click.argument("name")
def objective(name: str) -> None:
    """Write an objective NAME as a Python file in the working directory, to be changed into your own."""
    words = re.split("[-_]", name)
    file, title = Path(f"{'_'.join(words)}.py"), "".join(word.capitalize() for word in words)
    if not NAME.fullmatch(name) or len(name) > LONGEST or keyword.iskeyword(file.stem) or title in TAKEN:
        raise BadInput(f'NAME: found "{shown(name)}"; expected words of a-z and 0-9, such as "least-squares"')
    if file.exists():
        raise BadInput(f"{file}: is there already; take another name or remove it")
    if importlib.util.find_spec(file.stem):
        raise BadInput(f"{file}: would hide the module {file.stem} from Python; take another name")
    text = TEXT.format(name=name, title=title, file=file, year=datetime.date.today().year)
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise BadInput(f"{file}: cannot be written ({error.strerror}); go to another folder") from None
    spec = shlex.quote(f"{file}:{title}")
    click.echo(f"wrote {file}; then:")
    click.echo(f"  ganbench check {spec}")
    click.echo(f"  ganbench run --suite toy2d -o {spec}")
