"""What pal-cfd offers. Light."""

from __future__ import annotations

from pal_core.hookspecs import hookimpl
from pal_core.spec import KernelSpec

__all__ = ["pal_kernels"]


@hookimpl
def pal_kernels() -> list[KernelSpec]:
    """Nothing yet but geometries."""
    return []
