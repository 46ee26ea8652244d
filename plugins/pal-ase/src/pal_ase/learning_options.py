"""Options that all models of `pal_ase.learning` share. Light: imports neither torch nor ASE."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pal_core.options import Interface, KernelOptions
from pydantic import (
    Field,
    FiniteFloat,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from pal_ase.elements import SYMBOLS
from pal_ase.schema import SAMPLE, label_schema

__all__ = ["ChargeOptions", "FineTuningOptions", "LearningOptions"]


class LearningOptions(KernelOptions):
    """What a potential predicts, and how it is trained."""

    cutoff: PositiveFloat = Field(
        5.0, description="range within which an atom sees others in one layer", json_schema_extra={"unit": "Å"}
    )
    stress: bool = Field(False, description="predict the stress of periodic samples too, and learn it from labels")
    energy_weight: NonNegativeFloat = Field(
        0.2, description="weight of the energy error per atom in the loss", json_schema_extra={"unit": "1/eV"}
    )
    forces_weight: NonNegativeFloat = Field(
        1.0, description="weight of the force errors in the loss", json_schema_extra={"unit": "Å/eV"}
    )
    stress_weight: NonNegativeFloat = Field(
        0.1,
        description="weight of the error of stress times volume per atom in the loss",
        json_schema_extra={"unit": "1/eV"},
    )
    learning_rate: PositiveFloat = Field(2e-3, description="largest step of the optimiser (AdamW)")
    weight_decay: NonNegativeFloat = Field(1e-4, description="decoupled weight decay of AdamW")
    batch_size: PositiveInt = Field(10, description="samples per optimiser step", json_schema_extra={"unit": "samples"})
    ema: float = Field(0.9995, ge=0, lt=1, description="decay per step of the averaged weights that predict")
    gradient_clip: PositiveFloat = Field(1.0, description="largest norm of the gradient")
    patience: PositiveInt = Field(
        1000,
        description="steps without a better loss on held-out samples (or the training loss) before the learning rate "
        "is halved; training ends when it has fallen to 1/64",
        json_schema_extra={"unit": "steps"},
    )
    anneal: NonNegativeInt = Field(
        0,
        description="epochs on the same data over which the learning rate falls to 0, along a cosine, and after which "
        "training ends; 0: it is halved by `patience`",
        json_schema_extra={"unit": "epochs"},
    )
    max_epochs: PositiveInt = Field(
        10_000, description="epochs on the same data after which training ends", json_schema_extra={"unit": "epochs"}
    )
    bootstrap: float = Field(
        0.25,
        ge=0,
        le=1,
        description="how differently members weigh the training samples: standard deviation of the weights, whose mean "
        "is 1; 1 or true: Bayesian bootstrap, 0 or false: all alike",
    )
    references: Literal["fit", "isolated"] | dict[str, FiniteFloat] = Field(
        "fit",
        description='energies of the elements, which the network adds to: "fit" to the labels, "isolated": the lowest '
        "energies of neutral one-atom samples among the data, or a table such as { H = -13.6, O = -2041.8 }",
        json_schema_extra={"unit": "eV"},
    )
    dtype: Literal["float32", "float64"] = Field("float32", description="precision of the network")
    weights: Path | None = Field(None, description="safetensors file of weights to start from")

    @field_validator("references")
    @classmethod
    def _known_elements(cls, references: str | dict[str, float]) -> str | dict[str, float]:
        unknown = [] if isinstance(references, str) else sorted(set(references) - set(SYMBOLS[1:]))
        if unknown:
            raise ValueError(f"no chemical elements: {', '.join(unknown)}")
        return references

    @model_validator(mode="after")
    def _something_to_learn(self) -> LearningOptions:
        if not (self.energy_weight or self.forces_weight or (self.stress and self.stress_weight)):
            raise ValueError("energy_weight, forces_weight and stress_weight can't all be 0: nothing would be learned")
        return self

    def interface(self) -> Interface:
        """Numbers, positions and cell in; energy, forces and, where asked for, stress out."""
        return Interface(SAMPLE.pick(["numbers", "positions", "cell", "pbc"]), label_schema(self.stress))


class ChargeOptions(LearningOptions):
    """Those of a potential that can be told total charge and spin multiplicity."""

    charge_embedding: bool = Field(False, description="tell the network total charge and spin multiplicity")
    charges: Annotated[int, Field(ge=0, le=100)] = Field(
        5, description="largest total charge of either sign that is embedded", json_schema_extra={"unit": "e"}
    )
    multiplicities: PositiveInt = Field(6, description="largest spin multiplicity that is embedded")

    def interface(self) -> Interface:
        """Numbers, positions and cell (and charge and multiplicity) in; energy, forces and stress out."""
        more = ["charge", "multiplicity"] if self.charge_embedding else []
        return Interface(SAMPLE.pick(["numbers", "positions", "cell", "pbc", *more]), label_schema(self.stress))


class FineTuningOptions(ChargeOptions):
    """Those of a potential that can start from a model file, as it is or with new readouts."""

    model: Path | None = Field(
        None, description="model file to start from, from `pal NAME convert`; it brings architecture and references"
    )
    train: Literal["all", "readouts"] = Field(
        "all", description='"readouts" trains the readouts only and freezes the rest, which members then share'
    )
    new_readouts: bool = Field(
        False, description="let each member start from readouts of its own instead of those of `model` or `weights`"
    )

    @classmethod
    def architecture(cls) -> tuple[str, ...]:
        """Options that a model file determines: these and the option `model` exclude one another."""
        return ("cutoff",)

    @model_validator(mode="after")
    def _something_to_start_from(self) -> FineTuningOptions:
        if self.model is not None:
            given = [name for name in self.architecture() if name in self.model_fields_set]
            if given:
                raise ValueError(f"option model brings {', '.join(given)} from its file: leave them out")
        elif self.weights is None and (self.train == "readouts" or self.new_readouts):
            option = 'train = "readouts"' if self.train == "readouts" else "new_readouts"
            raise ValueError(f"{option} needs a trained network: give option model or weights")
        return self
