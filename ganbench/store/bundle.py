"""Many results in one small file, without curves and arrays: what ships with the package for others to compare with."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ganbench.store.container import (
    REMAKE,
    ROW_SCHEMA,
    SCHEMA,
    DamagedError,
    Parsed,
    StoreError,
    open_result,
    rows_of,
    sealed,
    unsealed,
    write_whole,
)
from ganbench.store.replicas import BUNDLE, result_files
from ganbench.store.validation import check_payload, parsed

PACKAGE = Path(__file__).parents[1]


def write_bundle(folder: Path | str, destination: Path | str) -> Path:
    """The path of the bundle of a suite's folder, written into another folder: every replica with its final rows.

    The machine's own name is left out. Raises StoreError.
    """
    results = [open_result(path) for path in result_files(folder)]
    if not results:
        raise StoreError(
            Path(folder), "no stored replica here", "give a suite's folder that `ganbench run` has written"
        )
    texts, tables = [], []
    for result in results:
        payload = {**result.payload, "info": {k: v for k, v in result.payload["info"].items() if k != "machine"}}
        rows = result.table()
        tables.append(rows.filter(pc.field("final")))
        # the JSON stands beside each row, where compression makes nothing of it
        texts += [json.dumps(payload)] * max(1, len(tables[-1]))
        if not len(tables[-1]):
            tables[-1] = pa.Table.from_pylist([{}], schema=ROW_SCHEMA)  # a replica that has none must not vanish
    table = pa.concat_tables(tables).append_column("replica", pa.array(texts))
    path = Path(destination) / BUNDLE
    write_whole(path, sealed({"schema": SCHEMA, "bundle": len(results)}, table))
    return path


def read_bundle(path: Path | str) -> list[Parsed]:
    """The results of a bundle. Raises StoreError for one that is corrupt or of a newer schema."""
    path = Path(path)
    payload, content = unsealed(path)
    if "bundle" not in payload:
        raise DamagedError(path, "no bundle of results", REMAKE)
    rows, texts = rows_of(path, content, beside="replica")
    assert texts is not None, "asked for"
    found = []
    for number, text in enumerate(texts.dictionary.to_pylist()):
        try:
            replica = parsed(text)
            check_payload(replica)
        except ValueError as error:
            raise DamagedError(path, f"no bundle of results ({error})", REMAKE) from None
        own = rows.filter(pc.equal(texts.indices, number))
        own = own.filter(pc.is_valid(own["metric"]))
        found.append(Parsed(path, replica, b"", rows=own))
    return found


def reference(suite: str) -> Path:
    """The folder of the results that ship with the package for a shipped suite. Raises StoreError where there are none.

    In a checkout they lie beside the package, in `results/reference/`.
    """
    folders = (PACKAGE / "reference", PACKAGE.parent / "results" / "reference")
    shipped = next((f for f in folders if f.is_dir()), folders[0])
    names = sorted(file.parent.name for file in shipped.glob(f"*/{BUNDLE}"))
    if suite not in names:
        there = f"there are some for {', '.join(names)}" if names else "none ship at all"
        raise StoreError(
            shipped / suite,
            f'no reference results ship for the suite "{suite}"',
            f"{there}; or give a folder of results",
        )
    return shipped / suite
