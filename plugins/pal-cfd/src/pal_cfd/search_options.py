"""Options of the searches among channels. Light."""

from __future__ import annotations

from typing import Annotated, Literal

from pal_core.options import Interface
from pydantic import Field, PositiveFloat, model_validator

from pal_cfd.channel_options import ChannelOptions
from pal_cfd.schema import LABEL
from pal_design.gest_options import GestOptions
from pal_design.random_options import EvenlyOptions
from pal_design.swarm_options import SwarmOptions

__all__ = ["ChannelGestOptions", "ChannelRandomOptions", "ChannelSwarmOptions", "GoalOptions"]

Objective = Literal["heat", "performance", "pareto"]
Objectives = Annotated[tuple[Objective, ...], Field(min_length=1)]


class GoalOptions(ChannelOptions):
    """Geometry, and what is searched for."""

    objective: Objective | Objectives = Field(
        "performance",
        description='"heat": large St where Cf is at most `largest_cf`; "performance": large St / Cf^(1/3), '
        'the heat that a given pumping power transfers; "pareto": the front of large St and small Cf; '
        "several are dealt out to the walkers in turn",
    )
    largest_cf: PositiveFloat | None = Field(None, description="largest Cf that a design may have; left out: any")

    @model_validator(mode="after")
    def _bounded(self) -> GoalOptions:
        if "heat" in self.objectives and self.largest_cf is None:
            raise ValueError('objective = "heat" wants largest_cf: without a limit, the most blocked channel would win')
        return self

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """One or several."""
        return (self.objective,) if isinstance(self.objective, str) else self.objective

    def interface(self) -> Interface:
        """Reads Cf and St, gives a mask and the design that it was drawn from."""
        return Interface(LABEL.pick(["cf", "st"]), self.sample)


class ChannelSwarmOptions(SwarmOptions, GoalOptions):
    """Options of `cfd.swarm`."""


class ChannelRandomOptions(EvenlyOptions, ChannelOptions):
    """Options of `cfd.random`."""

    def interface(self) -> Interface:
        """Reads nothing, gives a mask and the design that it was drawn from."""
        return Interface(produces=self.sample)


class ChannelGestOptions(GestOptions, GoalOptions):
    """Options of `cfd.gest`."""
