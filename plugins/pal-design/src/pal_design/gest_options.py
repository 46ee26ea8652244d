"""Options of generators of other libraries. Light."""

from __future__ import annotations

from typing import Any

from pal_core.options import KernelOptions
from pydantic import Field, PositiveInt

__all__ = ["GestOptions"]


class GestOptions(KernelOptions):
    """A generator of another library, and how it is built."""

    generator: str = Field(
        "libensemble.gen_classes:UniformSample", description='class of a gest-api generator, "module:Class"'
    )
    arguments: dict[str, Any] = Field({}, description="arguments of the class besides vocs")
    seed_argument: str | None = Field(
        None, description='argument of the class that takes a seed, such as "random_seed"; left out: it takes none'
    )
    batch: PositiveInt | None = Field(
        None,
        description="designs asked for in a turn; left out: the generator decides",
        json_schema_extra={"unit": "designs"},
    )
    label: bool = Field(False, description="want labels of all designs, whatever the selection says; else it decides")
    turns: PositiveInt | None = Field(
        None, description="turns after which a walker ends; left out: never", json_schema_extra={"unit": "turns"}
    )
