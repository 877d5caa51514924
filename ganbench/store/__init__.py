"""The store: immutable files of results, and the tidy table that is read from them. Needs no torch."""

from ganbench.store.aside import set_aside, sound
from ganbench.store.bundle import reference, write_bundle
from ganbench.store.container import SCHEMA, DamagedError, Row, StoreError
from ganbench.store.frame import load_results, open_results
from ganbench.store.kept import keep_costs, keep_widths, read_costs, read_widths
from ganbench.store.merging import merge
from ganbench.store.records import missing, read_records, write_record
from ganbench.store.replicas import (
    ReplicaResult,
    check_writable,
    read,
    read_arrays,
    remove_leftovers,
    result_path,
    stored,
    write,
    write_measurements,
)
from ganbench.store.upkeep import Compaction

__all__ = [
    "SCHEMA",
    "Compaction",
    "DamagedError",
    "ReplicaResult",
    "Row",
    "StoreError",
    "check_writable",
    "keep_costs",
    "keep_widths",
    "load_results",
    "merge",
    "missing",
    "open_results",
    "read",
    "read_arrays",
    "read_costs",
    "read_records",
    "read_widths",
    "reference",
    "remove_leftovers",
    "result_path",
    "set_aside",
    "sound",
    "stored",
    "write",
    "write_bundle",
    "write_measurements",
    "write_record",
]
