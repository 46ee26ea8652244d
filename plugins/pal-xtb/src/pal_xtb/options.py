"""Options of the xTB oracles. Light."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

from pal_core.options import Interface, KernelOptions
from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from pal_ase.schema import SAMPLE, label_schema

__all__ = ["BinaryOptions", "Solvent", "TbliteOptions", "XtbOptions"]

# Solvents with ALPB parameters for both methods in tblite as well as in xtb 6.5.1.
Solvent = Literal[
    "acetone",
    "acetonitrile",
    "aniline",
    "benzaldehyde",
    "benzene",
    "ch2cl2",
    "chcl3",
    "cs2",
    "dioxane",
    "dmf",
    "dmso",
    "ether",
    "ethylacetate",
    "furane",
    "hexadecane",
    "hexane",
    "methanol",
    "nitromethane",
    "octanol",
    "phenol",
    "thf",
    "toluene",
    "water",
    "woctanol",
]


class XtbOptions(KernelOptions):
    """What both implementations understand."""

    electronic_temperature: PositiveFloat = Field(
        300.0, description="temperature of the Fermi smearing", json_schema_extra={"unit": "K"}
    )
    accuracy: float = Field(
        1.0, ge=1e-4, le=1000, description="scales every numerical threshold; smaller is more accurate"
    )
    max_iterations: PositiveInt = Field(250, description="SCF iterations before the label counts as unconverged")
    solvent: Solvent | None = Field(None, description="implicit solvent (ALPB); left out: gas phase")
    closest: PositiveFloat = Field(
        0.1, description="refuse samples with two atoms closer than this", json_schema_extra={"unit": "Å"}
    )

    def interface(self) -> Interface:
        """Samples of pal-ase in, energy and forces out."""
        return Interface(consumes=SAMPLE, produces=label_schema())


class TbliteOptions(XtbOptions):
    """Options of `xtb.gfn1` and `xtb.gfn2`."""

    stress: bool = Field(
        False,
        description="label the stress too; then every sample must be periodic",
        json_schema_extra={"unit": "eV/Å³"},
    )

    def interface(self) -> Interface:
        """Samples of pal-ase in; energy, forces and, where asked for, stress out."""
        return Interface(consumes=SAMPLE, produces=label_schema(self.stress))


class BinaryOptions(XtbOptions):
    """Options of `xtb.binary`."""

    method: Literal["gfn1", "gfn2"] = Field("gfn2", description="parametrisation")
    program: str = Field("xtb", description="name on PATH, or absolute path, of the xtb program")
    threads: PositiveInt = Field(1, description="OpenMP threads of each xtb process")

    @field_validator("program")
    @classmethod
    def _name_or_absolute(cls, program: str) -> str:
        if not program or ("/" in program and not PurePath(program).is_absolute()):
            raise ValueError(f"a name on PATH or an absolute path is wanted, found {program!r}")
        return program
