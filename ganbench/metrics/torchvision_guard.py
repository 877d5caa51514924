"""torch-fidelity, which imports torchvision: a CUDA build of it beside a CPU build of torch needs a hand first."""

from __future__ import annotations

import importlib
import sys
from functools import lru_cache
from types import ModuleType

import torch

MISSING = "operator torchvision::nms does not exist"
NMS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@lru_cache(maxsize=1)
def import_torch_fidelity() -> ModuleType:
    """The module torch_fidelity.

    The registries' torchvision is a CUDA build: its operators do not load beside a CPU torch, and its import ends when
    it describes the first of them. Only then they are declared, without an implementation that nothing here calls.
    """
    guarded_import("torchvision")
    return importlib.import_module("torch_fidelity")


def part(name: str) -> ModuleType:
    """A module inside torch_fidelity."""
    return importlib.import_module(f"{import_torch_fidelity().__name__}.{name}")


def guarded_import(name: str) -> ModuleType:
    """A module of torchvision, imported again with its operators declared where they are missing."""
    try:
        return importlib.import_module(name)
    except RuntimeError as error:
        if MISSING not in str(error):
            raise
    for half_imported in [module for module in sys.modules if module.split(".")[0] == name]:
        del sys.modules[half_imported]
    operators().define(f"nms{NMS}")
    operators().define(f"qnms{NMS}")
    return importlib.import_module(name)


@lru_cache(maxsize=1)
def operators() -> torch.library.Library:
    """The declarations, kept for the life of the process: they go with the object that made them."""
    return torch.library.Library("torchvision", "FRAGMENT")
