"""Options of the MACE committee. Light."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pal_core.options import Interface
from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from pal_ase.elements import SYMBOLS
from pal_ase.learning_options import LearningOptions
from pal_ase.schema import SAMPLE, label_schema

__all__ = ["ARCHITECTURE", "MaceOptions"]

ARCHITECTURE = (
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
)
"""What a model file determines: these options and the option `model` exclude one another."""


class MaceOptions(LearningOptions):
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
    charge_embedding: bool = Field(False, description="tell the network total charge and spin multiplicity")
    charges: Annotated[int, Field(ge=0, le=100)] = Field(
        5, description="largest total charge of either sign that is embedded", json_schema_extra={"unit": "e"}
    )
    multiplicities: PositiveInt = Field(6, description="largest spin multiplicity that is embedded")
    model: Path | None = Field(
        None, description="file from `pal mace convert` to start from; it brings the architecture and references"
    )
    train: Literal["all", "readouts"] = Field(
        "all", description='"readouts" trains the readouts only and freezes the rest, which members then share'
    )
    new_readouts: bool = Field(
        False, description="let each member start from readouts of its own instead of those of `model` or `weights`"
    )
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

    @model_validator(mode="after")
    def _consistent(self) -> MaceOptions:
        if self.model is not None:
            given = [name for name in ARCHITECTURE if name in self.model_fields_set]
            if given:
                raise ValueError(f"option model brings {', '.join(given)} from its file: leave them out")
        elif self.hidden_l > self.max_l:
            raise ValueError(f"hidden_l = {self.hidden_l} can't be larger than max_l = {self.max_l}")
        trained = self.model is not None or self.weights is not None
        if not trained and (self.train == "readouts" or self.new_readouts):
            option = 'train = "readouts"' if self.train == "readouts" else "new_readouts"
            raise ValueError(f"{option} needs a trained network: give option model or weights")
        return self

    def interface(self) -> Interface:
        """Numbers, positions and cell (and charge and multiplicity) in; energy, forces and stress out."""
        names = ["numbers", "positions", "cell", "pbc"]
        more = ["charge", "multiplicity"] if self.charge_embedding else []
        return Interface(SAMPLE.pick(names + more), label_schema(self.stress))
