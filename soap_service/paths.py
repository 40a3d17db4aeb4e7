"""Where the files beside the package are: in a checkout, or under the prefix of an installation."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOTS = (Path(__file__).resolve().parent.parent, Path(sys.prefix) / "share" / "createvouchers")


def _beside(*parts: str) -> Path:
    for root in _ROOTS:
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise FileNotFoundError(f"{'/'.join(parts)} is neither beside the package nor under {_ROOTS[1]}")


def wsdl_file() -> Path:
    """The contract, kept by hand."""
    return _beside("wsdl", "createvouchers.wsdl")


def schema_directory() -> Path:
    """The Alembic directory: env.py and versions/."""
    return _beside("schema", "env.py").parent
