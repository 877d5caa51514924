"""Most memory that a process holds while it trains; its interpreter and torch are in it."""

from __future__ import annotations

from .ensembles import training


class Training:
    params = ([8, 128],)
    param_names = ("replicas",)
    timeout = 300.0

    def peakmem_eager_wasserstein_gp(self, replicas: int) -> None:
        training("wasserstein-gp", "eager", replicas).advance(32)
