"""What pal-xtb offers. Light."""

from __future__ import annotations

from pal_core.hookspecs import hookimpl
from pal_core.spec import KernelSpec, Role

__all__ = ["pal_kernels"]


@hookimpl
def pal_kernels() -> list[KernelSpec]:
    """The three oracles."""
    options = "pal_xtb.options:TbliteOptions"
    return [
        KernelSpec("xtb.gfn2", Role.ORACLE, "pal_xtb.oracle:Gfn2", options, "GFN2-xTB in process (tblite)"),
        KernelSpec("xtb.gfn1", Role.ORACLE, "pal_xtb.oracle:Gfn1", options, "GFN1-xTB in process (tblite)"),
        KernelSpec(
            "xtb.binary",
            Role.ORACLE,
            "pal_xtb.binary:XtbProgram",
            "pal_xtb.options:BinaryOptions",
            "GFN1- or GFN2-xTB by the xtb program",
        ),
    ]
