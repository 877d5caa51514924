"""One iteration recorded as a CUDA graph: its draws and steps are launched together, and the host waits for nothing.

An iteration of small networks is a hundred short kernels, and launching them one by one takes longer than they do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganbench.training.compilation import Leaves

WARM_UPS = 3
"""Iterations before recording, in which libraries make their plans and take their memory."""

Iteration = Callable[[Leaves, Tensor], tuple[Leaves, list[Tensor]]]
"""State and number of finished iterations, an int64 tensor of shape () -> the state after one more, and what it saw."""


class Recording:
    """An iteration that can be repeated; between `load` and `state` the state lies in tensors of its own."""

    def __init__(self, iteration: Iteration, state: Leaves):
        self._state = [leaf.clone() for leaf in state]
        self._finished = torch.zeros((), dtype=torch.int64, device=state[0].device)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                iteration(self._state, self._finished)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            after, self.seen = iteration(self._state, self._finished)
            for own, new in zip(self._state, after, strict=True):
                own.copy_(new)
            self._finished += 1

    def load(self, state: Leaves, finished: int) -> None:
        """Begins from a state after so many iterations."""
        for own, given in zip(self._state, state, strict=True):
            own.copy_(given)
        self._finished.fill_(finished)

    def repeat(self, iterations: int) -> None:
        """Asks the device for so many more iterations; returns before they are done."""
        for _ in range(iterations):
            self._graph.replay()

    def state(self) -> list[Tensor]:
        """The state now, in new tensors."""
        return [own.clone() for own in self._state]
