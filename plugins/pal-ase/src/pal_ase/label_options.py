"""Options of the oracle. Light: imports no ASE."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pal_core.options import Interface, KernelOptions
from pydantic import Field, field_validator

from pal_ase.schema import SAMPLE, label_schema
from pal_ase.targets import check_target

__all__ = ["CalculatorOptions"]


class CalculatorOptions(KernelOptions):
    """Options of `ase.calculator`."""

    # A path, so that a file's name is taken relative to the settings file.
    calculator: Path = Field(
        description='ASE calculator as "module:Class" or "file.py:Class", e.g. "ase.calculators.emt:EMT"'
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the calculator")
    charge_parameter: str = Field("", description="the calculator's keyword for the total charge, e.g. `charge`")
    multiplicity_parameter: str = Field("", description="the calculator's keyword for 2S + 1, e.g. `multiplicity`")
    reads_info: bool = Field(
        False, description="the calculator takes charge and multiplicity from `atoms.info` by itself"
    )
    energy: Literal["consistent", "plain"] = Field(
        "consistent",
        description="with electronic smearing: the free energy, which the forces belong to, or the calculator's plain "
        "energy",
    )
    stress: bool = Field(False, description="label the stress as well (periodic systems)")
    elements: tuple[str, ...] = Field((), description="elements that the calculator knows; empty: not checked")

    @field_validator("calculator")
    @classmethod
    def _well_formed(cls, target: Path) -> Path:
        return check_target(target, "Class")

    def interface(self) -> Interface:
        """Reads structures, gives energy, forces and, where asked for, stress."""
        return Interface(consumes=SAMPLE, produces=label_schema(self.stress))
