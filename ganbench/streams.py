"""Keyed, stateless randomness: (replica seed, stream name, block) -> values.

No generator state is ever saved: resuming needs only the iteration number. A stream does not depend on the objective,
the other replicas or how an ensemble was split, so one seed gives every objective the same data and latents.
Counter-based generator: Philox-4x64-10, Salmon et al. 2011, as NumPy implements it.
"""

from __future__ import annotations

import hashlib

import numpy as np

STEPS_PER_BLOCK = 32
"""Gradient steps drawn at once: a draw per step would cost more than the step in small ensembles."""


def generator(seed: int, stream: str, block: int = 0) -> np.random.Generator:
    """A fresh generator, the same for the same key on every machine."""
    key = hashlib.blake2b(f"{stream}/{block}/{seed}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Standard normal draws, float32."""
    return rng.standard_normal(shape, dtype=np.float32)


def uniform(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Uniform draws on [0, 1), float32."""
    return rng.random(shape, dtype=np.float32)
