"""Two small tables of a suite's folder that its next run needs: costs of iterations, and widths that memory allowed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from ganbench.store.container import StoreError, write_whole

COSTS, WIDTHS = "costs.json", "widths.json"


def read_costs(folder: Path | str) -> dict[str, float]:
    """Key -> seconds per iteration and replica; empty where nothing was measured. Raises StoreError."""
    return _read(Path(folder) / COSTS, "measures anew, and its counts are other cells")


def keep_costs(folder: Path | str, costs: Mapping[str, float]) -> dict[str, float]:
    """The table with what it lacked; what it has stays, since counts were made from it. Raises StoreError."""
    kept = read_costs(folder)
    return _keep(Path(folder) / COSTS, kept, {**costs, **kept})


def read_widths(folder: Path | str) -> dict[str, int]:
    """Key -> replicas per ensemble where more did not fit into memory; empty where all fitted. Raises StoreError."""
    found = _read(Path(folder) / WIDTHS, "tries the suite's width again", whole=True)
    return {key: int(width) for key, width in found.items()}


def keep_widths(folder: Path | str, widths: Mapping[str, int]) -> dict[str, int]:
    """The table with these widths; of two for one key the narrower stays. Raises StoreError."""
    kept = read_widths(folder)
    return _keep(Path(folder) / WIDTHS, kept, {**kept, **{k: min(w, kept.get(k, w)) for k, w in widths.items()}})


def _keep(path: Path, kept: Mapping[str, float], table: dict) -> dict:
    if table != kept:
        write_whole(path, json.dumps(table, indent=1, sort_keys=True).encode())
    return table


def _read(path: Path, then: str, whole: bool = False) -> dict[str, float]:
    remedy = f"remove it; the next run {then}"
    try:
        table = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from None
    except ValueError:
        raise StoreError(path, "no JSON", remedy) from None
    if not isinstance(table, dict):
        raise StoreError(path, "no JSON object", remedy)
    for key, number in table.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < math.inf:
            raise StoreError(path, f"{key!r} is {number!r}, expected a number above 0", remedy)
        if whole and (number < 2 or number != int(number)):
            raise StoreError(path, f"{key!r} is {number!r}, expected a whole number of at least 2", remedy)
    return {key: float(number) for key, number in table.items()}
