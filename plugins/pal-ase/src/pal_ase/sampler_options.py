"""Options of `ase.sampler`. Light: imports no ASE."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from pal_ase.label_options import CalculatorOptions
from pal_ase.options import KELVIN, WalkerOptions

__all__ = ["FragmentsOptions", "ModesOptions", "SamplerOptions", "TransferOptions"]

ANGSTROM: dict[str, Any] = {"unit": "Å"}


class _Way(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: NonNegativeFloat = Field(1.0, description="share of the samples, relative to the other ways")


class ModesOptions(_Way):
    """Options of displacements along normal modes."""

    temperature: PositiveFloat = Field(300.0, description="temperature of the distribution", json_schema_extra=KELVIN)
    quantum: bool = Field(False, description="of a quantum oscillator, zero-point motion included; otherwise classical")
    lowest: PositiveFloat = Field(
        100.0,
        description="softer modes, and those of negative curvature, are displaced as if they had this wave number",
        json_schema_extra={"unit": "1/cm"},
    )
    hessian: Path | None = Field(
        None,
        description="NumPy file with second derivatives, shape (3N, 3N), or (structures, 3N, 3N)",
        json_schema_extra={"unit": "eV/Å^2"},
    )
    reference: CalculatorOptions | None = Field(
        None, description="options of `ase.calculator`: a cheap calculator for the second derivatives"
    )

    @model_validator(mode="after")
    def _one_source(self) -> ModesOptions:
        if (self.hessian is None) == (self.reference is None):
            raise ValueError("modes need second derivatives: either hessian or reference")
        if self.hessian is not None and not self.hessian.is_file():
            raise ValueError(f"there is no file {self.hessian}")
        return self


class FragmentsOptions(_Way):
    """Options of random placements of two fragments."""

    first: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] | None = Field(
        None, description="atoms of the fragment that stays; left out: the two molecules of the structure"
    )
    distance: tuple[PositiveFloat, PositiveFloat] = Field(
        (1.5, 4.0),
        description="smallest and largest distance of the atoms nearest to each other",
        json_schema_extra=ANGSTROM,
    )

    @model_validator(mode="after")
    def _rising(self) -> FragmentsOptions:
        if self.distance[0] > self.distance[1]:
            raise ValueError(f"distance = {list(self.distance)}: the first number must not be above the second")
        return self


class TransferOptions(_Way):
    """Options of scans of an atom between donor and acceptor."""

    atoms: tuple[tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt], ...] = Field(
        (), description="[donor, hydrogen, acceptor], one or several; left out: the structure's own `transfer`"
    )
    shares: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] = Field(
        (1.0, 1.0, 1.0), description="relative numbers of starts, ends and points between"
    )
    clearance: NonNegativeFloat = Field(
        0.8, description="smallest distance of the transferred atom to any other", json_schema_extra=ANGSTROM
    )

    @model_validator(mode="after")
    def _possible(self) -> TransferOptions:
        for triple in self.atoms:
            if len(set(triple)) < len(triple):
                raise ValueError(f"an atom occurs twice in {list(triple)}, expected donor, hydrogen and acceptor")
        if not sum(self.shares):
            raise ValueError("shares are all zero")
        return self


class SamplerOptions(WalkerOptions):
    """Options of `ase.sampler`."""

    structure: Path = Field(description="file with one or many start structures, dealt to the walkers")
    samples: PositiveInt | None = Field(None, description="samples of a job; left out: the first one never ends")
    modes: ModesOptions | None = Field(
        None,
        description="normal modes: table of `weight`, `temperature`, `quantum`, `lowest`, and `hessian` or `reference`",
    )
    fragments: FragmentsOptions | None = Field(
        None, description="placements of two fragments: table of `weight`, `first`, `distance`"
    )
    transfer: TransferOptions | None = Field(
        None, description="an atom between donor and acceptor: table of `weight`, `atoms`, `shares`, `clearance`"
    )

    @model_validator(mode="after")
    def _some_way(self) -> SamplerOptions:
        if not sum(way.weight for way in self.ways().values()):
            raise ValueError("found no way of sampling with a weight, expected modes, fragments or transfer")
        if self.samples is None and self.jobs not in (1, "endless"):
            raise ValueError(f"jobs = {self.jobs!r} needs samples: without, a walker stays with its first structure")
        return self

    def ways(self) -> dict[str, _Way]:
        """The ways of sampling that are asked for, by name."""
        found = {"modes": self.modes, "fragments": self.fragments, "transfer": self.transfer}
        return {name: way for name, way in found.items() if way is not None}
