"""What pal-pyscf offers. Light."""

from __future__ import annotations

from pal_core.hookspecs import hookimpl
from pal_core.spec import KernelSpec, Role

__all__ = ["pal_kernels"]


@hookimpl
def pal_kernels() -> list[KernelSpec]:
    """The two oracles."""
    return [
        KernelSpec(
            "pyscf.dft",
            Role.ORACLE,
            "pal_pyscf.oracle:Dft",
            "pal_pyscf.options:DftOptions",
            "Hartree-Fock and DFT: energy and forces",
        ),
        KernelSpec(
            "pyscf.tddft",
            Role.ORACLE,
            "pal_pyscf.oracle:Tddft",
            "pal_pyscf.options:TddftOptions",
            "excited states by TDDFT or TDA: energies, forces, oscillator strengths, transition dipoles",
        ),
    ]
