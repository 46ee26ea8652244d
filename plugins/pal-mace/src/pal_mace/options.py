"""Options of the MACE committee. Light."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from pal_ase.elements import SYMBOLS
from pal_ase.learning_options import FineTuningOptions

__all__ = ["MaceOptions"]

_ARCHITECTURE = (
    "cutoff",
    "elements",
    "features",
    "hidden_l",
    "interactions",
    "correlation",
    "max_l",
    "basis",
    "radial",
    "envelope",
    "radial_layers",
    "readout",
    "charges",
    "multiplicities",
)


class MaceOptions(FineTuningOptions):
    """Options of `mace.committee`."""

    learning_rate: PositiveFloat = Field(0.01, description="largest step of the optimiser (AdamW)")
    elements: tuple[str, ...] = Field(
        ("H", "C", "N", "O", "F", "P", "S", "Cl"),
        description="chemical elements that may occur",
        min_length=1,
    )
    features: PositiveInt = Field(32, description="channels: numbers of each kind that describe an atom")
    hidden_l: int = Field(1, ge=0, le=3, description="largest angular momentum of what atoms tell their neighbours")
    interactions: PositiveInt = Field(2, description="layers in which atoms see their neighbours")
    correlation: int = Field(
        3, ge=1, le=4, description="neighbours of an atom whose positions are coupled in one layer"
    )
    max_l: int = Field(2, ge=1, le=4, description="largest angular momentum of the spherical harmonics")
    basis: PositiveInt = Field(8, description="radial functions between 0 and the cutoff")
    radial: Literal["bessel", "gaussian", "chebyshev"] = Field("bessel", description="kind of the radial functions")
    envelope: int = Field(5, ge=2, description="order p of the polynomial that ends at the cutoff")
    radial_layers: tuple[PositiveInt, ...] = Field(
        (64, 64, 64), description="widths of the layers that turn radial functions into weights of a pair"
    )
    readout: PositiveInt = Field(16, description="width of the last layer's readout")
    accelerate: bool = Field(True, description="use cuEquivariance on CUDA where it is installed")

    @field_validator("elements")
    @classmethod
    def _known_elements_only(cls, elements: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(elements) - set(SYMBOLS[1:]))
        if unknown:
            raise ValueError(f"no chemical elements: {', '.join(unknown)}")
        if len(set(elements)) < len(elements):
            raise ValueError(f"an element stands twice: {', '.join(elements)}")
        return elements

    @classmethod
    def architecture(cls) -> tuple[str, ...]:
        """Options that a model file determines."""
        return _ARCHITECTURE

    @model_validator(mode="after")
    def _consistent(self) -> MaceOptions:
        if self.model is None and self.hidden_l > self.max_l:
            raise ValueError(f"hidden_l = {self.hidden_l} can't be larger than max_l = {self.max_l}")
        return self
