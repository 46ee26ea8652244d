"""Options of `cfd.embedded`. Light."""

from __future__ import annotations

from typing import Literal

from pal_core.options import Interface
from pydantic import Field, NonNegativeInt, PositiveFloat

from pal_cfd.channel_options import FlowOptions
from pal_cfd.schema import LABEL

__all__ = ["EmbeddedOptions"]


class EmbeddedOptions(FlowOptions):
    """How exactly the embedded solver works."""

    source: Literal["design", "mask"] = Field(
        "design",
        description='"design": the mesh fits the exact outlines, and the mask must be theirs; "mask": the mesh fits '
        "outlines drawn around the mask's cells, whatever the design",
    )
    tolerance: PositiveFloat = Field(
        0.01, description="the mesh is refined until cf and st change by less than this part of themselves"
    )
    refinements: NonNegativeInt = Field(
        4, description="refinements, each by 1.4, before the label counts as unconverged"
    )
    fineness: PositiveFloat = Field(1.0, description="edges of the first mesh are shorter by this factor")
    stability: bool = Field(True, description="look for growing disturbances of steady flow; false: label it as it is")
    longest: PositiveFloat = Field(
        200.0,
        description="time after which averages of unsteady flow must have settled",
        json_schema_extra={"unit": "half heights / bulk velocity"},
    )

    def interface(self) -> Interface:
        """Masks and designs in; cf, st and whether they are averages out."""
        return Interface(consumes=self.sample, produces=LABEL)
