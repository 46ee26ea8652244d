"""Options of `ase.biased-md`. Light: imports no ASE."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pal_core.options import Interface
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from pal_ase.options import LangevinOptions
from pal_ase.schema import LABEL, SAMPLE
from pal_ase.variable_options import VariableOptions

__all__ = [
    "BiasedOptions",
    "HillVariableOptions",
    "MetadynamicsOptions",
    "RestraintOptions",
    "UncertaintyOptions",
]

ELECTRONVOLT: dict[str, Any] = {"unit": "eV"}
ENERGY_WITH_FORCES = ("energy", "forces")
"""Fields whose covariance over the committee is half the gradient of the energy's variance, with a minus sign."""


class RestraintOptions(VariableOptions):
    """Options of a harmonic restraint, fixed or moving."""

    at: float = Field(description="where the restraint holds the variable", json_schema_extra={"unit": "Å or degrees"})
    stiffness: PositiveFloat = Field(
        description="k of the energy k (s - at)^2 / 2", json_schema_extra={"unit": "eV/Å^2 or eV/rad^2"}
    )
    only: Literal["above", "below"] | None = Field(
        None, description="a wall: acts only where the variable is above, or below, `at`"
    )
    to: float | None = Field(
        None, description="where a moving restraint goes from `at`", json_schema_extra={"unit": "Å or degrees"}
    )
    over: PositiveInt | None = Field(None, description="steps that a moving restraint takes; then it stays")

    @model_validator(mode="after")
    def _moves_or_not(self) -> RestraintOptions:
        if (self.to is None) != (self.over is None):
            raise ValueError("a moving restraint needs both `to` and `over`")
        return self


class HillVariableOptions(VariableOptions):
    """Options of a variable along which metadynamics puts its hills."""

    width: PositiveFloat = Field(description="standard deviation of a hill", json_schema_extra={"unit": "Å or degrees"})


class MetadynamicsOptions(BaseModel):
    """Options of metadynamics."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    variables: Annotated[tuple[HillVariableOptions, ...], Field(min_length=1)] = Field(
        description="what the hills are put along: tables of a variable and the hills' `width`"
    )
    height: PositiveFloat = Field(
        description="height of a hill; of the first one, if well-tempered", json_schema_extra=ELECTRONVOLT
    )
    every: PositiveInt = Field(100, description="steps between two hills")
    bias_factor: float | None = Field(
        None,
        gt=1,
        description="well-tempered metadynamics with this bias factor; left out: all hills are of one height",
    )


class UncertaintyOptions(BaseModel):
    """Options of the bias to where the committee disagrees."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    depth: PositiveFloat = Field(
        description="A of the energy -A (1 - exp(-var(E) / (N B^2))) with N atoms: what disagreement gains at most",
        json_schema_extra=ELECTRONVOLT,
    )
    width: PositiveFloat = Field(
        description="B: standard deviation of the predicted energy, per root of the number of atoms, beyond which the "
        "bias levels off",
        json_schema_extra=ELECTRONVOLT,
    )


class BiasedOptions(LangevinOptions):
    """Options of `ase.biased-md`."""

    restraints: tuple[RestraintOptions, ...] = Field(
        (),
        description="harmonic restraints, fixed or moving: tables of a variable, `at`, `stiffness`, and `only`, or "
        "`to` and `over`",
    )
    metadynamics: MetadynamicsOptions | None = Field(
        None,
        description="Gaussian hills where the walker has been: table of `variables`, `height`, `every` and "
        "`bias_factor`",
    )
    uncertainty: UncertaintyOptions | None = Field(
        None, description="bias to where the committee disagrees: table of `depth` and `width`"
    )
    plumed: Path | None = Field(
        None,
        description="input of PLUMED, one action a line; `{walker}` in it stands for the walker's number and "
        "`{directory}` for a folder of its own",
    )

    @model_validator(mode="after")
    def _some_bias(self) -> BiasedOptions:
        if not self.restraints and self.metadynamics is None and self.uncertainty is None and self.plumed is None:
            raise ValueError("found no bias, expected restraints, metadynamics, uncertainty or plumed")
        if self.plumed is not None and not self.plumed.is_file():
            raise ValueError(f"there is no file {self.plumed}")
        return self

    def variables(self) -> list[tuple[str, VariableOptions]]:
        """Every variable, with the key that it stands under."""
        hills = self.metadynamics.variables if self.metadynamics else ()
        return [
            *((f"restraints[{k}]", r) for k, r in enumerate(self.restraints)),
            *((f"metadynamics.variables[{k}]", v) for k, v in enumerate(hills)),
        ]

    def interface(self) -> Interface:
        """Reads predicted energy and forces, and their covariance for the bias to uncertainty; gives structures."""
        pairs = (ENERGY_WITH_FORCES,) if self.uncertainty is not None else ()
        return Interface(consumes=LABEL, produces=SAMPLE, covariances=pairs)
