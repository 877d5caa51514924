"""What a finding is: a classic result of the field as data, for the theory suite and its figures."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ganbench.theory.law import Law


class Finding:
    """The laws of one theme on the subjects that show it, and the arrays that its figure draws.

    A subclass is a frozen dataclass where it has fields; its docstring says what each array holds, with shape and unit.
    """

    source: ClassVar[str]
    target: ClassVar[str] = "gaussian1d"
    """The target on which it is shown."""
    laws: ClassVar[tuple[Law, ...]]
    subjects: ClassVar[tuple[str, ...]]
    """Specs of the objectives on which the laws are measured, such as "minimax + r1[weight=.3]"."""

    def arrays(self, seed: int) -> dict[str, np.ndarray]:
        """The figure's data: name -> numbers, deterministic in the seed."""
        raise NotImplementedError  # the contract: every finding states it
