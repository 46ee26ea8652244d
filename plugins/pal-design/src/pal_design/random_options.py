"""Options of random designs, whatever they are of. Light."""

from __future__ import annotations

from pal_core.options import KernelOptions
from pydantic import Field, PositiveInt

__all__ = ["EvenlyOptions"]


class EvenlyOptions(KernelOptions):
    """How designs are drawn."""

    points: PositiveInt = Field(
        16,
        description="points of a Latin hypercube; the next ones are of another",
        json_schema_extra={"unit": "designs"},
    )
    label: bool = Field(False, description="want labels of all designs, whatever the selection says; else it decides")
    turns: PositiveInt | None = Field(
        None, description="designs after which a walker ends; left out: never", json_schema_extra={"unit": "designs"}
    )
