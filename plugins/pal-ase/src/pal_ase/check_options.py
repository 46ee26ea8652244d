"""Options of the label checks. Light: imports no ASE."""

from __future__ import annotations

from typing import Any, Literal

from pal_core.options import Interface, KernelOptions
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pal_ase.schema import LABEL, SAMPLE

__all__ = [
    "BalancedOptions",
    "ConsistentOptions",
    "FiniteOptions",
    "FreshOptions",
    "LevelOptions",
    "PlausibleOptions",
    "TrustworthyOptions",
]

FORCE: dict[str, Any] = {"unit": "eV/Å"}


class FiniteOptions(KernelOptions):
    """Options of `ase.finite`."""

    def interface(self) -> Interface:
        """Reads all labels there are; asks for energy and forces."""
        return Interface(learns=LABEL)


class PlausibleOptions(KernelOptions):
    """Options of `ase.plausible`."""

    max_force: NonNegativeFloat = Field(
        100.0, description="largest force on an atom; 0: no limit", json_schema_extra=FORCE
    )
    net_force: NonNegativeFloat = Field(
        0.02,
        description="largest sum of all forces per atom; 0: no limit, e.g. in external fields",
        json_schema_extra=FORCE,
    )
    net_torque: NonNegativeFloat = Field(
        0.02,
        description="largest sum of all torques per atom and radius of gyration, without periodicity; 0: no limit",
        json_schema_extra=FORCE,
    )
    zeroed: bool = Field(
        True,
        description="refuse forces exactly zero on some atoms, as with fixed ones, or on all of a molecule",
    )
    bonds: bool = Field(True, description="refuse forces that bonds can't have: of wrong sign, or far too weak")

    def interface(self) -> Interface:
        """Reads structures, energy and forces."""
        return Interface(consumes=SAMPLE, learns=LABEL)


class BalancedOptions(KernelOptions):
    """Options of `ase.balanced`."""

    factor: float = Field(30.0, gt=1, description="net force or torque that is allowed, over the usual one")
    noise: NonNegativeFloat = Field(
        2e-5, description="net force and torque per atom that are always allowed", json_schema_extra=FORCE
    )

    def interface(self) -> Interface:
        """Reads structures and forces."""
        return Interface(consumes=SAMPLE, learns=LABEL.pick(["forces"]))


class FreshOptions(KernelOptions):
    """Options of `ase.fresh`."""

    duplicates: bool = Field(True, description="refuse a geometry that has been labelled before")
    memory: PositiveInt = Field(20000, description="latest labels that are compared with")

    def interface(self) -> Interface:
        """Reads structures and forces."""
        return Interface(consumes=SAMPLE, learns=LABEL.pick(["forces"]))


class LevelOptions(KernelOptions):
    """Options of `ase.level`."""

    band: PositiveFloat = Field(
        1.0,
        description="energies may always be so far from the median, per atom, and 5 eV in any case",
        json_schema_extra={"unit": "eV"},
    )

    def interface(self) -> Interface:
        """Reads structures, energy and forces."""
        return Interface(consumes=SAMPLE, learns=LABEL)


class ConsistentOptions(KernelOptions):
    """Options of `ase.consistent`."""

    reach: PositiveFloat = Field(
        0.6,
        description="labels whose structures, laid upon each other, differ by more (root mean square) aren't compared",
        json_schema_extra={"unit": "Å"},
    )
    contradiction: PositiveFloat = Field(
        0.35, description="largest contradiction to the neighbours, as a share of what their curvature could do"
    )
    tolerance: PositiveFloat = Field(
        0.02, description="noise of the energies that is no contradiction", json_schema_extra={"unit": "eV"}
    )
    memory: PositiveInt = Field(256, description="latest labels of each composition that are kept for comparison")

    def interface(self) -> Interface:
        """Reads structures, energy and forces."""
        return Interface(consumes=SAMPLE, learns=LABEL)


class TrustworthyOptions(KernelOptions):
    """Options of `ase.trustworthy`: those of every check in it."""

    without: tuple[Literal["finite", "plausible", "balanced", "fresh", "level", "consistent"], ...] = Field(
        (), description="checks that are left out"
    )
    finite: FiniteOptions = Field(FiniteOptions(), description="options of `ase.finite`")
    plausible: PlausibleOptions = Field(PlausibleOptions(), description="options of `ase.plausible`")
    balanced: BalancedOptions = Field(BalancedOptions(), description="options of `ase.balanced`")
    fresh: FreshOptions = Field(FreshOptions(), description="options of `ase.fresh`")
    level: LevelOptions = Field(LevelOptions(), description="options of `ase.level`")
    consistent: ConsistentOptions = Field(ConsistentOptions(), description="options of `ase.consistent`")

    def interface(self) -> Interface:
        """Reads structures, energy and forces."""
        return Interface(consumes=SAMPLE, learns=LABEL)
