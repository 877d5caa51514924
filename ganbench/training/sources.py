"""The package's own text, as this process has imported it: what keeps machine code names it by these sources.

It imports nothing, so that a worker can read them before the libraries that take seconds.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def digest_of(package: Path = PACKAGE) -> str:
    """A digest of a package's whole text; "" where it cannot be read, as while somebody installs another version."""
    digests = hashlib.sha256()
    try:
        for path in sorted((*package.rglob("*.py"), *package.rglob("*.cpp"))):
            digests.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes())
    except OSError:
        return ""
    return digests.hexdigest()


AT_FIRST = digest_of()


def unchanged() -> str:
    """The digest of what this process has imported; "" where somebody has changed the sources since it began.

    It may have imported some of them before the change and some after.
    """
    return AT_FIRST if digest_of() == AT_FIRST else ""
