"""What pal-cfd offers. Light."""

from __future__ import annotations

from pal_core.hookspecs import hookimpl
from pal_core.spec import KernelSpec, Role

__all__ = ["pal_kernels"]


@hookimpl
def pal_kernels() -> list[KernelSpec]:
    """The flow solvers."""
    return [
        KernelSpec(
            "cfd.embedded",
            Role.ORACLE,
            "pal_cfd.embedded:Embedded",
            "pal_cfd.embedded_options:EmbeddedOptions",
            "laminar channel flow with heat transfer by finite elements, in process",
        ),
        KernelSpec(
            "cfd.openfoam",
            Role.ORACLE,
            "pal_cfd.openfoam:OpenFoam",
            "pal_cfd.openfoam_options:OpenFoamOptions",
            "the same, steady, by OpenFOAM's programs",
        ),
    ]
