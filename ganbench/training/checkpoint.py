"""A checkpoint of one ensemble: one safetensors file, written whole or not at all. Randomness needs none of it."""

from __future__ import annotations

import hashlib
import json
import math
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ganbench.folders import write_file


class CheckpointError(ValueError):
    """A checkpoint that cannot be used: which and why."""


@dataclass(frozen=True)
class Checkpoint:
    """Iterations finished, seconds trained, what the caller keeps (JSON) and all arrays."""

    iteration: int
    seconds: float
    kept: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def write(self, path: Path) -> None:
        """Replaces the checkpoint at a path. Raises OSError that names it."""
        arrays = {k: np.ascontiguousarray(v) for k, v in self.arrays.items()}
        about = json.dumps({"iteration": self.iteration, "seconds": self.seconds, "kept": self.kept})
        packed = save(arrays, metadata={"ganbench": about, "sha256": _digest(about, arrays)})
        write_file(path, packed)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """The checkpoint at a path. Raises CheckpointError for a damaged one, FileNotFoundError where there is none."""
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # a pipe would hold up its reader for ever
                raise CheckpointError(f"{path}: the checkpoint is no plain file")
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata()
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
            about = metadata["ganbench"]
            if metadata["sha256"] != _digest(about, arrays):
                raise CheckpointError(f"{path}: the checkpoint is damaged")
            found = cls(**json.loads(about), arrays=arrays)
            if type(found.iteration) is not int or found.iteration < 0 or not isinstance(found.kept, dict):
                raise ValueError("no number of iterations, or nothing kept")
            if not isinstance(found.seconds, float | int) or not 0 <= found.seconds < math.inf:
                raise ValueError("no seconds")
            return found
        except (CheckpointError, FileNotFoundError):
            raise
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{path}: the checkpoint is damaged ({error})") from error


def _digest(about: str, arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(about.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
