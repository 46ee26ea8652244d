"""Options of particle swarms, whatever they search. Light."""

from __future__ import annotations

from pal_core.options import KernelOptions
from pydantic import Field, FiniteFloat, NonNegativeFloat, NonNegativeInt, PositiveInt
from pydantic.config import JsonDict

__all__ = ["SwarmOptions"]

_TURNS: JsonDict = {"unit": "turns"}


class SwarmOptions(KernelOptions):
    """How a swarm moves, and when it asks for labels. Lengths are shares of the parameters' ranges."""

    particles: int = Field(20, ge=2, description="particles of a swarm; one walker is one swarm")
    neighbours: PositiveInt = Field(
        4, description="particles on either side, on a ring, whose best place attracts; for one objective"
    )
    inertia: NonNegativeFloat = Field(0.7298, description="share of its velocity that a particle keeps in a turn")
    own: NonNegativeFloat = Field(1.4962, description="largest pull to a particle's own best place")
    others: NonNegativeFloat = Field(1.4962, description="largest pull to the best place of others")
    mutation: float = Field(0.05, ge=0, le=1, description="share of the particles that a turn displaces at random")
    penalty: FiniteFloat = Field(
        0.0,
        description="standard deviations by which predictions are taken for worse than their mean; negative: for "
        "better, which explores",
    )
    patience: NonNegativeInt = Field(
        5,
        description="untrusted predictions in a row after which a particle goes back to its best place",
        json_schema_extra=_TURNS,
    )
    recall: PositiveInt = Field(
        10,
        description="turns after which remembered places are predicted anew if the committee has learned since",
        json_schema_extra=_TURNS,
    )
    stall: PositiveInt = Field(
        20,
        description="turns without a better design after which the best ones are verified and a new swarm sets out",
        json_schema_extra=_TURNS,
    )
    longest: PositiveInt = Field(150, description="turns after which that happens anyway", json_schema_extra=_TURNS)
    verify: PositiveInt = Field(1, description="designs that are verified then: they want labels, however certain")
    apart: NonNegativeFloat = Field(
        0.02,
        description="least distance of a design to verify from those verified before: root mean square over the "
        "parameters, as shares of their ranges",
    )
    elite: NonNegativeInt = Field(
        2,
        description="designs from which particles of the new swarm set out: of a front; with one objective the best",
    )
    turns: PositiveInt | None = Field(
        None, description="turns after which a walker ends; left out: never", json_schema_extra=_TURNS
    )
