"""Options of the convolutional committee. Light."""

from __future__ import annotations

from typing import Annotated

from pal_core.options import Interface, KernelOptions
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pal_cfd.schema import LABEL, sample_schema

__all__ = ["CnnOptions"]

Channels = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


class CnnOptions(KernelOptions):
    """Options of `cfd.cnn`."""

    rows: PositiveInt = Field(64, description="cells of the mask across the channel, as the generator's")
    columns: PositiveInt = Field(128, description="cells of the mask along the channel, as the generator's")
    height: PositiveInt = Field(
        32, description="rows that the first convolution sees; a mask's are averaged down to it"
    )
    channels: Channels = Field(
        (8, 16), description="channels of the two-dimensional convolutions, each of which halves the rows"
    )
    width: PositiveInt = Field(32, description="channels of the convolutions along the stream")
    learning_rate: PositiveFloat = Field(3e-3, description="largest step of the optimiser (AdamW)")
    weight_decay: NonNegativeFloat = Field(1e-3, description="decoupled weight decay of AdamW")
    batch_size: PositiveInt = Field(16, description="samples per optimiser step", json_schema_extra={"unit": "samples"})
    ema: float = Field(0.98, ge=0, lt=1, description="decay per step of the averaged weights that predict")
    gradient_clip: PositiveFloat = Field(1.0, description="largest norm of the gradient")
    patience: PositiveInt = Field(
        150,
        description="steps without a better loss on held-out samples (or the training loss) before the learning rate "
        "is halved; training ends when it has fallen to 1/64",
        json_schema_extra={"unit": "steps"},
    )
    max_epochs: PositiveInt = Field(
        1000, description="epochs on the same data after which training ends", json_schema_extra={"unit": "epochs"}
    )
    bootstrap: float = Field(
        0.5,
        ge=0,
        le=1,
        description="how differently members weigh the training samples: standard deviation of the weights, whose mean "
        "is 1; 1: Bayesian bootstrap, 0: all alike",
    )

    def interface(self) -> Interface:
        """Mask in; Cf and St out."""
        return Interface(sample_schema(self.rows, self.columns, 0).pick(["mask"]), LABEL.pick(["cf", "st"]))
