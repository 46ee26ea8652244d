"""Options of the searches in a box of numbers. Light."""

from __future__ import annotations

from typing import Any

from pal_core.data import Field as Column
from pal_core.data import Schema
from pal_core.options import Interface, KernelOptions
from pydantic import Field, FiniteFloat, model_validator

from pal_design.gest_options import GestOptions
from pal_design.random_options import EvenlyOptions
from pal_design.swarm_options import SwarmOptions

__all__ = ["BoxOptions", "GestBoxOptions", "RandomBoxOptions", "SwarmBoxOptions"]

Numbers = tuple[FiniteFloat, ...]
_UNITS: dict[str, Any] = {"unit": "those of the parameters"}


class BoxOptions(KernelOptions):
    """What is searched, and what for."""

    field: str = Field("x", description="field of the samples that holds a design's parameters, float64")
    lower: Numbers = Field(
        (0.0, 0.0), min_length=1, description="least value of each parameter", json_schema_extra=_UNITS
    )
    upper: Numbers = Field(
        (1.0, 1.0), min_length=1, description="greatest value of each parameter", json_schema_extra=_UNITS
    )
    minimise: tuple[str, ...] = Field((), description="predicted fields of one number that are to be small")
    maximise: tuple[str, ...] = Field((), description="predicted fields of one number that are to be large")
    at_most: dict[str, FiniteFloat] = Field({}, description="largest values of predicted fields")
    at_least: dict[str, FiniteFloat] = Field({}, description="smallest values of predicted fields")

    @model_validator(mode="after")
    def _a_box(self) -> BoxOptions:
        if len(self.lower) != len(self.upper):
            raise ValueError(f"lower has {len(self.lower)} numbers, upper has {len(self.upper)}")
        if any(a >= b for a, b in zip(self.lower, self.upper, strict=True)):
            raise ValueError(f"lower = {self.lower} is not below upper = {self.upper} everywhere")
        twice = set(self.minimise) & set(self.maximise)
        if twice:
            raise ValueError(f"to be small and large at once: {', '.join(sorted(twice))}")
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        """Predicted fields that are read."""
        return tuple(dict.fromkeys((*self.minimise, *self.maximise, *self.at_most, *self.at_least)))

    def interface(self) -> Interface:
        """Reads the predicted numbers, gives a vector."""
        predicted = Schema(Column(name, "float64", ()) for name in self.fields)
        return Interface(predicted, Schema([Column(self.field, "float64", (len(self.lower),))]))


class GoalOptions(BoxOptions):
    """A box with something to search for."""

    @model_validator(mode="after")
    def _a_goal(self) -> GoalOptions:
        if not (self.minimise or self.maximise):
            raise ValueError("nothing to search for: name predicted fields in minimise or maximise")
        return self


class SwarmBoxOptions(SwarmOptions, GoalOptions):
    """Options of `design.swarm`."""


class RandomBoxOptions(EvenlyOptions, BoxOptions):
    """Options of `design.random`."""


class GestBoxOptions(GestOptions, GoalOptions):
    """Options of `design.gest`."""
