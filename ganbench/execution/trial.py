"""Whether a function can be compiled here, tried in the way in which training compiles its steps.

Started as `python -m ganbench.execution.trial DEVICE` with an empty cache: {"seconds": ...} or {"error": ...} as JSON
on its last line.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch


def attempt(device: str) -> dict[str, Any]:
    """Seconds of compiling and running one line, or why that failed."""
    from ganbench.training.compilation import compiled

    began = time.perf_counter()
    v = torch.linspace(-1, 1, 64, device=device).reshape(8, 8)
    try:
        with torch.no_grad():
            found = compiled(lambda v: torch.tanh(v) @ v + 1, (v,))(v)
    except Exception as error:  # a compiler can fail in any way, and each is a finding
        return {"error": f"{type(error).__name__}: {str(error).strip()[-1500:]}"}
    if not torch.allclose(found, torch.tanh(v) @ v + 1, atol=1e-4):
        return {"error": "the compiled function gives other numbers than the same one uncompiled"}
    return {"seconds": time.perf_counter() - began}


def main() -> None:
    from ganbench.training.device import prepare_process

    prepare_process(1)
    print(f"\n{json.dumps(attempt(sys.argv[1]))}", flush=True)


if __name__ == "__main__":
    main()
