"""What the channel is and how it is run: options that all kernels of channel flow share. Light.

Lengths are in half heights of the empty channel.
"""

from __future__ import annotations

from typing import Literal

from pal_core.data import Schema
from pal_core.options import KernelOptions
from pydantic import Field, JsonValue, NonNegativeInt, PositiveFloat, model_validator

from pal_cfd.schema import sample_schema

__all__ = ["ChannelOptions", "FlowOptions", "ShapeKind"]

ShapeKind = Literal["ellipse", "rectangle"]
_LENGTH: dict[str, JsonValue] = {"unit": "half heights"}


class ChannelOptions(KernelOptions):
    """Geometry: one period of a channel of height 2 with promoters and shaped walls.

    The design has ``x, y, half length, half width, angle`` of each promoter, then the control heights of the lower
    wall, then those of the upper one: ``5 promoters + 2 wall_points`` numbers.
    """

    length: PositiveFloat = Field(4.0, description="streamwise period", json_schema_extra=_LENGTH)
    rows: int = Field(64, ge=8, description="cells of the mask across the channel")
    columns: int = Field(128, ge=8, description="cells of the mask along the channel")
    promoters: NonNegativeInt = Field(2, description="number of eddy promoters")
    shape: ShapeKind = Field("ellipse", description='shape of the promoters: "ellipse" or "rectangle"')
    smallest: PositiveFloat = Field(0.1, description="least half length and half width", json_schema_extra=_LENGTH)
    largest: PositiveFloat = Field(0.4, description="greatest half length and half width", json_schema_extra=_LENGTH)
    gap: PositiveFloat = Field(
        0.1, description="least distance of promoters from walls and from each other", json_schema_extra=_LENGTH
    )
    wall_points: NonNegativeInt = Field(0, description="control points of each wall's Bezier curve; 0: flat walls")
    wall_height: float = Field(
        0.5, gt=0, lt=1, description="greatest height of a control point over its wall", json_schema_extra=_LENGTH
    )

    @property
    def parameters(self) -> int:
        """Length of the design."""
        return 5 * self.promoters + 2 * self.wall_points

    @property
    def sample(self) -> Schema:
        """Schema of the samples."""
        return sample_schema(self.rows, self.columns, self.parameters)

    @model_validator(mode="after")
    def _fits(self) -> ChannelOptions:
        if self.smallest > self.largest:
            raise ValueError(f"smallest = {self.smallest} is greater than largest = {self.largest}")
        if 2 * (self.smallest + self.gap) >= min(2.0, self.length):
            raise ValueError(f"a promoter of smallest = {self.smallest} does not fit into the channel with its gap")
        return self


class FlowOptions(ChannelOptions):
    """Geometry and operating point. The mass flux is fixed, which fixes Re_Dh whatever the geometry."""

    reynolds: PositiveFloat = Field(400.0, description="Reynolds number u_b D_h / nu of bulk velocity and 4 delta_eff")
    prandtl: PositiveFloat = Field(1.0, description="Prandtl number")
    heating: Literal["temperatures", "flux"] = Field(
        "temperatures",
        description='"temperatures": lower wall at 0, upper at 1; "flux": the same constant heat flux into both',
    )
