"""What pal-schnet offers. Light."""

from __future__ import annotations

from pal_core.hookspecs import hookimpl
from pal_core.spec import KernelSpec, Role

__all__ = ["pal_kernels"]


@hookimpl
def pal_kernels() -> list[KernelSpec]:
    """The committee member."""
    return [
        KernelSpec(
            name="schnet.committee",
            role=Role.MODEL,
            target="pal_schnet.model:SchnetCommittee",
            options="pal_schnet.options:SchnetOptions",
            summary="SchNet: energies, forces and stress of molecules and crystals",
            capabilities=frozenset({"snapshot", "use"}),
        )
    ]
