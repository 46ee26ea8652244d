"""Options that all models of `pal_ase.learning` share. Light: imports neither torch nor ASE."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pal_core.options import Interface, KernelOptions
from pydantic import (
    Field,
    FiniteFloat,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from pal_ase.elements import SYMBOLS
from pal_ase.schema import SAMPLE, label_schema

__all__ = ["LearningOptions"]


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
