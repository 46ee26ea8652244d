"""What pal-turbomole offers. Light."""

from __future__ import annotations

from pal_core.hookspecs import hookimpl
from pal_core.spec import KernelSpec, Role

__all__ = ["pal_kernels"]


@hookimpl
def pal_kernels() -> list[KernelSpec]:
    """The two oracles."""
    return [
        KernelSpec(
            "turbomole.dft",
            Role.ORACLE,
            "pal_turbomole.oracle:Dft",
            "pal_turbomole.options:DftOptions",
            "DFT or Hartree-Fock energies and forces by Turbomole",
        ),
        KernelSpec(
            "turbomole.tddft",
            Role.ORACLE,
            "pal_turbomole.tddft:Tddft",
            "pal_turbomole.options:TddftOptions",
            "Excited states by Turbomole (TDDFT, TDA), with forces",
        ),
    ]
