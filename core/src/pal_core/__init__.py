"""PAL: parallel active learning with kernels from plugins and a controller over MPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "run"]

if TYPE_CHECKING:
    from pal_core.api import run


def __getattr__(name: str) -> Any:
    if name == "run":
        from pal_core.api import run

        return run
    raise AttributeError(f"module 'pal_core' has no attribute {name!r}")
