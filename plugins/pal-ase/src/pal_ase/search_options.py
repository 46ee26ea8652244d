"""Options of the walkers that search for minima and saddle points. Light: imports neither ASE nor greenlet."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from pal_ase.options import Jobs, WalkerOptions

__all__ = ["OptimizeOptions", "TsSearchOptions"]

FORCE: dict[str, Any] = {"unit": "eV/Å"}
LENGTH: dict[str, Any] = {"unit": "Å"}
_JOBS = (
    'jobs after which a walker ends; "list": when every structure of the list has been taken once; "endless": never, '
    "the list begins anew"
)


class _SearchOptions(WalkerOptions):
    jobs: Jobs = Field("list", description=_JOBS)
    give_up_after: NonNegativeInt = Field(
        100,
        description="resets of a job, without a newer model in between, after which it is given up and the next one "
        "begins; 0: never",
    )


class OptimizeOptions(_SearchOptions):
    """Options of `ase.optimize`."""

    optimizer: Literal["BFGS", "BFGSLineSearch", "FIRE", "FIRE2", "GPMin", "LBFGS", "LBFGSLineSearch", "MDMin"] = Field(
        "BFGS", description="ASE's optimiser"
    )
    fmax: PositiveFloat = Field(0.02, description="largest force on an atom at the minimum", json_schema_extra=FORCE)
    steps: PositiveInt = Field(500, description="largest number of steps")
    verify: bool = Field(True, description="send the minimum to the oracle, whatever its uncertainty")


class TsSearchOptions(_SearchOptions):
    """Options of `ase.ts-search`."""

    structure: Path = Field(description="file with one or many start structures, dealt to the walkers")
    pairs: bool = Field(
        False, description="the file holds reactant, product, reactant, product, … and not guesses of transition states"
    )
    product: Path | None = Field(
        None, description="file of products; the structures of the other file are then reactants, in the same order"
    )
    images: PositiveInt = Field(7, description="images of the band between reactant and product")
    band_method: Literal["aseneb", "improvedtangent", "eb", "spline", "string"] = Field(
        "improvedtangent", description="ASE's kind of band"
    )
    band_optimizer: Literal["BFGS", "FIRE", "LBFGS", "MDMin"] = Field(
        "FIRE", description="ASE's optimiser for the band; BFGS takes fewer steps where the path is smooth"
    )
    band_fmax: PositiveFloat = Field(
        0.2,
        description="largest force along the band; the highest image is then the guess of a transition state",
        json_schema_extra=FORCE,
    )
    band_steps: NonNegativeInt = Field(300, description="largest number of steps of the band")
    spring: PositiveFloat = Field(1.0, description="force constant of the band", json_schema_extra={"unit": "eV/Å²"})
    climb: bool = Field(True, description="the highest image climbs")
    relax_ends: bool = Field(True, description="minimise reactant and product first")
    method: Literal["eigenvector", "sella", "dimer"] = Field(
        "eigenvector",
        description="search from the guess: following a mode with second derivatives of every step, by Sella (extra "
        "`ts`), or by ASE's dimer",
    )
    fmax: PositiveFloat = Field(
        0.01, description="largest force on an atom at saddle points and minima", json_schema_extra=FORCE
    )
    steps: PositiveInt = Field(200, description="largest number of steps of each search")
    longest: PositiveFloat = Field(
        0.2, description="longest move of an atom in one step towards the saddle point", json_schema_extra=LENGTH
    )
    displacement: PositiveFloat = Field(
        0.01, description="displacement for second derivatives", json_schema_extra=LENGTH
    )
    renew: PositiveInt = Field(
        1,
        description="steps of the eigenvector method after which second derivatives are computed anew; between, they "
        "are updated from the forces",
    )
    imaginary: NonNegativeFloat = Field(
        50.0,
        description="imaginary frequencies below are taken for noise; one beyond makes a transition state",
        json_schema_extra={"unit": "cm^-1"},
    )
    irc_step: PositiveFloat = Field(
        0.1, description="step along the reaction coordinate", json_schema_extra={"unit": "Å u^1/2"}
    )
    path: NonNegativeInt = Field(
        6, description="geometries of the path that go to the oracle beside the transition state"
    )
    confirm: NonNegativeFloat = Field(
        0.02,
        description="the search is repeated until a newer model puts the transition state at the same energy within "
        "this; 0: the first one counts",
        json_schema_extra={"unit": "eV"},
    )
    newer: PositiveInt = Field(
        10,
        description="versions (publications of weights) by which that model must be newer: time to learn the labels",
    )
    wait: PositiveFloat = Field(
        7200.0,
        description="how long a walker looks around the path for a newer model before it takes what it has",
        json_schema_extra={"unit": "s"},
    )

    @field_validator("product")
    @classmethod
    def _product_is_there(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError(f"there is no file {path}")
        return path

    @model_validator(mode="after")
    def _one_source_of_products(self) -> TsSearchOptions:
        if self.pairs and self.product is not None:
            raise ValueError("products come from the same file (pairs) or from another one (product), not both")
        return self
