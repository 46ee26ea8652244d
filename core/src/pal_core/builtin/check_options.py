"""Options of the label checks that come with pal-core."""

from __future__ import annotations

from pydantic import Field, PositiveInt, model_validator

from pal_core.options import KernelOptions

__all__ = ["ResidualOptions"]


class ResidualOptions(KernelOptions):
    """Options of `pal.residual`."""

    fields: tuple[str, ...] = Field((), description="predicted fields that are compared; empty: all")
    factor: float = Field(
        4.0, gt=1, description="residuals up to this many times the median of recent ones are never refused"
    )
    window: PositiveInt = Field(100, description="latest labels whose residuals count")
    minimum: PositiveInt = Field(20, description="residuals that must be known before any is refused")

    @model_validator(mode="after")
    def _enough(self) -> ResidualOptions:
        if self.minimum > self.window:
            raise ValueError(f"minimum = {self.minimum} residuals never come together in window = {self.window}")
        return self
