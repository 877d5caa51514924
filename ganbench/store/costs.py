"""The cost table of a suite's folder: what an iteration was measured to take, so that seconds become a count once."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from ganbench.store.container import StoreError, write_whole

NAME = "costs.json"


def read_costs(folder: Path | str) -> dict[str, float]:
    """Key -> seconds per iteration and replica; empty where nothing was measured. Raises StoreError."""
    path = Path(folder) / NAME
    try:
        costs = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from None
    except ValueError:
        raise _unusable(path, "no JSON") from None
    if not isinstance(costs, dict):
        raise _unusable(path, "no JSON object")
    for key, seconds in costs.items():
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
            raise _unusable(path, f"{key!r} is {seconds!r}, expected seconds above 0")
    return {key: float(seconds) for key, seconds in costs.items()}


def keep_costs(folder: Path | str, costs: Mapping[str, float]) -> dict[str, float]:
    """The table with what it lacked; what it has stays, since counts were made from it. Raises StoreError."""
    kept = read_costs(folder)
    table = {**costs, **kept}
    if table != kept:
        write_whole(Path(folder) / NAME, json.dumps(table, indent=1, sort_keys=True).encode())
    return table


def _unusable(path: Path, found: str) -> StoreError:
    return StoreError(path, found, "remove it; the next run measures anew, and its counts are other cells")
