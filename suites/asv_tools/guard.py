"""Fails where a commit is slower than another, by asv and measured twice: `make bench-continuous`.

python suites/asv_tools/guard.py BASE HEAD [--bench REGEX] [--factor 1.10] [--rounds 2] [--config asv.conf.json]

Both commits lie side by side and run the benchmarks of HEAD in this interpreter's environment, in turn, the order
changing from round to round. A benchmark is suspected where HEAD's quickest sample takes more than `factor` times
BASE's: what else a machine does only adds time, so that the quickest is the nearest to the code's own. It is slower
where that recurs when the suspected ones alone are measured anew, in twice as many rounds.

`asv continuous --interleave-rounds` installs each commit with all that it needs, some gigabytes of torch, and judges
once: of a hundred benchmarks on a shared machine some are always slower. Where the two commits need different versions
of a library, use it. What benchmarks track, such as quality, is told where it changed and not judged.

Exit codes: 0 nothing is slower, 1 something is, 2 it could not be measured.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from running import asv, commit_of, name_machine

from ganbench.report.asv_results import read_asv

MACHINE = "guard"


@dataclass(frozen=True)
class Pair:
    """Two commits of the project of a configuration of asv, with a folder to measure them in."""

    config: Path
    base: str
    head: str
    place: Path

    def check_out(self) -> None:
        """Writes both trees, and the configuration that measures them with the benchmarks of the head."""
        for commit in (self.base, self.head):
            packed = subprocess.run(
                ["git", "archive", "--format=tar", commit], cwd=self.config.parent, capture_output=True, check=True
            )
            with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
                archive.extractall(self.place / commit, filter="data")

    def measure(self, kind: str, rounds: int, bench: Sequence[str]) -> pd.DataFrame:
        """What asv finds, see `read_asv`. Raises ValueError where it finds nothing of one of both."""
        conf = json.loads(self.config.read_text(encoding="utf-8"))
        conf |= {
            "repo": str(self.config.parent),
            "branches": ["HEAD"],  # a clone need not have the branch that the configuration names
            "benchmark_dir": str(self.place / self.head / conf["benchmark_dir"]),
            "results_dir": str(self.place / kind),
        }
        conf |= {name: str(self.place / name) for name in ("env_dir", "html_dir")}
        written = self.place / f"{kind}.json"
        written.write_text(json.dumps(conf), encoding="utf-8")
        name_machine(MACHINE, self.config.parent)
        chosen = [argument for regex in bench for argument in ("--bench", regex)]
        for number in range(rounds):
            for commit in (self.base, self.head) if number % 2 == 0 else (self.head, self.base):
                # asv takes the first for its benchmarks and leaves the second to the processes that these start
                tree = {name: str(self.place / commit) for name in ("ASV_PYTHONPATH", "PYTHONPATH")}
                options = [
                    "--machine",
                    MACHINE,
                    "--set-commit-hash",
                    commit,
                    "--append-samples",
                    "-a",
                    "rounds=1",
                    "-e",
                ]
                environment = ["--config", str(written), "-E", f"existing:{sys.executable}"]
                asv("run", *environment, *options, *chosen, cwd=self.place, changed=tree)
        found = read_asv(self.place / kind)
        for commit in (self.base, self.head):
            if not (found.commit == commit).any():
                raise ValueError(f"asv has measured nothing of {commit[:8]}; what it printed above says why")
        return found


def compared(found: pd.DataFrame, base: str, head: str) -> pd.DataFrame:
    """One row per benchmark and parameters of the base: name, kind, before, after and their ratio.

    Of times the quickest sample counts, of everything else the value. After is NaN where the head has none: both run
    the head's benchmarks, so there it failed, or took longer than asv allows.
    """
    quickest = [
        min(samples) if kind == "time" and samples else value
        for kind, samples, value in zip(found.kind, found.samples, found.value, strict=True)
    ]
    each = list(zip(found.benchmark, found.parameters, strict=True))
    table = found.assign(name=[name_of(*e) for e in each], pattern=[pattern_of(*e) for e in each], quickest=quickest)
    before, after = (table[table.commit == commit].set_index("name") for commit in (base, head))
    before = before[before.quickest.notna()]
    after = after.quickest.reindex(before.index)
    about = {name: before[name] for name in ("kind", "unit", "pattern")}
    return pd.DataFrame({**about, "before": before.quickest, "after": after, "ratio": after / before.quickest})


def name_of(benchmark: str, parameters: dict[str, str]) -> str:
    """A benchmark with its parameters."""
    return f"{benchmark}({', '.join(f'{k}={v}' for k, v in parameters.items())})" if parameters else benchmark


def pattern_of(benchmark: str, parameters: dict[str, str]) -> str:
    """What chooses it alone; asv puts words between quotation marks."""
    inside = ", ".join(f"'?{re.escape(value)}'?" for value in parameters.values())
    return f"^{re.escape(benchmark)}\\({inside}\\)$" if parameters else f"^{re.escape(benchmark)}$"


def slower(table: pd.DataFrame, factor: float) -> pd.DataFrame:
    """The rows of `compared` whose time grew by more than a factor."""
    return table[(table.kind == "time") & (table.ratio > factor)]


def say(what: str, rows: pd.DataFrame) -> None:
    for name, row in rows.iterrows():
        print(f"{what}: {name}  {row.before:.4g} → {row.after:.4g} {row.unit}, {row.ratio:.2f} times")


def judge(pair: Pair, bench: Sequence[str], factor: float, rounds: int) -> int:
    """Measures and prints; 1 where something is slower, 2 where something could not be measured, else 0."""
    pair.check_out()
    first = compared(pair.measure("first", rounds, bench), pair.base, pair.head)
    suspected = slower(first, factor)
    say("suspected", suspected)
    changed = first[(first.kind != "time") & first.ratio.notna() & ~first.ratio.between(1 / factor, factor)]
    say("changed, not judged", changed)
    failed, confirmed = list(first.index[first.ratio.isna()]), suspected.iloc[:0]
    if len(suspected):
        again = compared(pair.measure("again", 2 * rounds, list(suspected.pattern)), pair.base, pair.head)
        confirmed = slower(again, factor)
        failed += sorted(set(suspected.index) - set(again.index[again.ratio.notna()]))
        say("SLOWER", confirmed)
    for name in failed:
        print(f"FAILED: {name} at the second commit, or beyond its time limit")
    print(f"{len(first)} compared, {len(suspected)} suspected, {len(confirmed)} slower by more than {factor:g} times")
    return 1 if len(confirmed) else 2 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("head")
    parser.add_argument("--bench", action="append", metavar="REGEX", help="all that are timed or tracked by default")
    parser.add_argument("--factor", type=float, default=1.10)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--config", type=Path, default=Path("asv.conf.json"))
    asked = parser.parse_args()
    config = asked.config.resolve()
    try:
        with tempfile.TemporaryDirectory() as place:
            base, head = (commit_of(name, config.parent) for name in (asked.base, asked.head))
            if base == head:
                raise ValueError(f'"{asked.base}" and "{asked.head}" are one commit; name two')
            pair = Pair(config, base, head, Path(place))
            return judge(pair, asked.bench or ["time_", "timeraw_", "track_"], asked.factor, asked.rounds)
    except (OSError, ValueError) as error:
        print(f"could not measure: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
