"""Options of the oracle and the label checks. Light: imports no ASE."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pal_core.options import Interface, KernelOptions
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from pal_ase.schema import LABEL, SAMPLE, label_schema
from pal_ase.targets import check_target

__all__ = ["CalculatorOptions", "ConsistentOptions", "FiniteOptions", "PlausibleOptions"]

FORCE: dict[str, Any] = {"unit": "eV/Å"}


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


class FiniteOptions(KernelOptions):
    """Options of `ase.finite`."""

    def interface(self) -> Interface:
        """Reads all labels there are; asks for energy and forces."""
        return Interface(learns=LABEL)


class PlausibleOptions(KernelOptions):
    """Options of `ase.plausible`."""

    max_force: NonNegativeFloat = Field(
        50.0, description="largest force on an atom; 0: no limit", json_schema_extra=FORCE
    )
    net_force: NonNegativeFloat = Field(
        0.02,
        description="largest sum of all forces per atom; 0: no limit, e.g. in external fields",
        json_schema_extra=FORCE,
    )
    zeroed: bool = Field(
        True, description="refuse labels in which some atoms have no force at all and others have, as with fixed atoms"
    )

    def interface(self) -> Interface:
        """Reads forces."""
        return Interface(consumes=SAMPLE.pick(["numbers"]), learns=LABEL.pick(["forces"]))


class ConsistentOptions(KernelOptions):
    """Options of `ase.consistent`."""

    reach: PositiveFloat = Field(
        0.25, description="labels are compared when no atom is further apart than this", json_schema_extra={"unit": "Å"}
    )
    tolerance: PositiveFloat = Field(
        0.1, description="allowed difference beyond the bounds that forces set", json_schema_extra={"unit": "eV"}
    )
    memory: PositiveInt = Field(256, description="latest labels of each composition that are kept for comparison")

    def interface(self) -> Interface:
        """Reads structures, energy and forces."""
        return Interface(consumes=SAMPLE, learns=LABEL)
