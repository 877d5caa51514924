"""How long and how much memory 10,000 stored replicas take, from files as the store writes them; fails above a limit.

    OMP_NUM_THREADS=1 python suites/peers/ten_thousand.py [FOLDER]

Four targets, ten objectives with 240 seeds and two baselines with 50, 125 rows each. They are made once, in a minute,
and kept in FOLDER. Limits are on the processor's seconds, which a busy machine lengthens less than the clock's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parents[2] / "tests"
GANBENCH = [sys.executable, "-m", "ganbench"]
READ = "import sys, time; from ganbench import load_results; began = time.process_time(); load_results(sys.argv[1])"
SECONDS, MEMORY_MB = 20.0, 2000.0


def made(folder: Path) -> Path:
    """The folder of the replicas, written where it is not there yet."""
    sys.path.insert(0, str(TESTS))
    from many_replicas import settle, write_many

    if not (folder / "runs").exists():  # the record is written last
        print(f"writing {write_many(folder, seeds=240, baseline_seeds=50):,} replicas to {folder}", flush=True)
        settle(folder)
    return folder


def measured(name: str, command: list[str], limit_s: float = SECONDS, own: bool = False) -> bool:
    """Prints what a command took, or with `own` says that it took, and returns whether that is within limits."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began
    cpu_s = float(printed) if own and not status else used.ru_utime + used.ru_stime
    memory_mb = used.ru_maxrss / 1000
    good = not status and cpu_s <= limit_s and memory_mb <= MEMORY_MB
    said = "ok" if good else f"exit {os.waitstatus_to_exitcode(status)}" if status else f"over {limit_s:g} s or 2 GB"
    print(f"{name:<28}{cpu_s:>9.2f} s{wall_s:>9.2f} s{memory_mb:>9.0f} MB  {said}", flush=True)
    return good


def main() -> None:
    folder = made(Path(sys.argv[1] if len(sys.argv) > 1 else "build/ten-thousand/many"))
    read = [sys.executable, "-c", f"{READ}; print(time.process_time() - began)", str(folder)]
    page = folder.parent / "report"
    print(f"{'':<28}{'processor':>11}{'clock':>11}{'memory':>12}")
    for derived in folder.rglob("compacted.arrow"):
        derived.unlink()
    good = [measured("first read, which compacts", read, 60, own=True), measured("read", read, 3, own=True)]
    good += [
        measured(
            f"report --format {form}", [*GANBENCH, "report", str(folder), "--format", form, "-o", f"{page}.{form}"]
        )
        for form in ("html", "text", "markdown", "csv", "latex", "parquet")
    ]
    print(f"{'':<28}page of {Path(f'{page}.html').stat().st_size / 1e6:.1f} MB")
    good.append(measured("compare with itself", [*GANBENCH, "compare", str(folder), str(folder)]))
    good += [measured(name, [*GANBENCH, name], 0.3) for name in ("--help", "list")]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
