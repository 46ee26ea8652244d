"""Options of the SchNet committee. Light."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from pal_ase.learning_options import ChargeOptions

__all__ = ["SchnetOptions"]


class SchnetOptions(ChargeOptions):
    """Options of `schnet.committee`."""

    features: PositiveInt = Field(64, description="numbers that describe an atom")
    interactions: PositiveInt = Field(3, description="layers in which atoms see their neighbours")
    basis: int = Field(24, ge=2, description="Gaussians between 0 and the cutoff")
