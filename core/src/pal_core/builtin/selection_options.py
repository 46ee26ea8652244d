"""Options of the selections that come with pal-core."""

from __future__ import annotations

from typing import Any

from pydantic import Field, PositiveFloat, model_validator

from pal_core.data.committee import Reduction
from pal_core.options import KernelOptions

__all__ = ["RandomOptions", "ThresholdOptions"]

FIELD_UNIT: dict[str, Any] = {"unit": "that of the field"}


class ThresholdOptions(KernelOptions):
    """Options of `pal.threshold`."""

    field: str = Field(description="predicted field whose uncertainty decides")
    upper: PositiveFloat = Field(
        description="uncertainty above which a sample is labelled and not trusted", json_schema_extra=FIELD_UNIT
    )
    reduction: Reduction = Field(
        "max", description="one number per sample from the standard deviations of the field's components"
    )
    giveup: PositiveFloat | None = Field(
        None,
        description="uncertainty above which a sample is not worth a label either; left out: every sample is",
        json_schema_extra=FIELD_UNIT,
    )

    @model_validator(mode="after")
    def _ordered(self) -> ThresholdOptions:
        if self.giveup is not None and self.giveup <= self.upper:
            raise ValueError(
                f"giveup = {self.giveup:g} leaves nothing to label: it must be above upper = {self.upper:g}"
            )
        return self

    def needs_fields(self) -> tuple[str, ...]:
        """Names of predicted fields that must be there, of whatever type and shape."""
        return (self.field,)


class RandomOptions(KernelOptions):
    """Options of `pal.random`."""

    share: float = Field(0.1, gt=0, le=1, description="share of samples that are labelled")
