"""Options that name a variable of a geometry, a distance for example. Light: imports no ASE."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, model_validator

__all__ = ["KINDS", "VariableOptions"]

Group = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
Two = tuple[NonNegativeInt, NonNegativeInt]
Three = tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt]
Four = tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt, NonNegativeInt]

KINDS = ("distance", "angle", "dihedral", "difference", "coordination")
"""Of these keys exactly one is given."""


class VariableOptions(BaseModel):
    """One variable of a geometry. Atoms are counted from 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    distance: Two | None = Field(None, description="[i, j]: distance of two atoms in Å")
    angle: Three | None = Field(None, description="[i, j, k]: angle at atom j in degrees")
    dihedral: Four | None = Field(None, description="[i, j, k, l]: dihedral angle about j-k in degrees")
    difference: Four | None = Field(
        None, description="[i, j, k, l]: distance i-j less distance k-l in Å, as for an atom that is transferred"
    )
    coordination: tuple[Group, Group] | None = Field(
        None, description="[[i, …], [j, …]]: number of neighbours, the sum of 1 / (1 + (r_ij / radius)^6) over pairs"
    )
    radius: PositiveFloat | None = Field(
        None, description="distance that counts as half a neighbour, for coordination", json_schema_extra={"unit": "Å"}
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> VariableOptions:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"found {' and '.join(given) or 'no variable'}, expected one of {', '.join(KINDS)}")
        if (given[0] == "coordination") != (self.radius is not None):
            raise ValueError("radius belongs to coordination, and coordination needs it")
        if given[0] in ("distance", "angle", "dihedral") and len(set(self.indices)) < len(self.indices):
            raise ValueError(f"an atom occurs twice in {given[0]} = {list(self.indices)}")
        return self

    @property
    def kind(self) -> str:
        """Which of the keys is given."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def indices(self) -> tuple[int, ...]:
        """All atoms of the variable."""
        value = getattr(self, self.kind)
        return (*value[0], *value[1]) if self.kind == "coordination" else tuple(value)
