"""Options of the toy kernels. Selections have theirs in `selection_options`."""

from __future__ import annotations

from typing import Any

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.options import Interface, KernelOptions

__all__ = ["ToyModelOptions", "ToyOracleOptions", "ToyWalkerOptions"]

Point = tuple[float, float]
SECONDS: dict[str, Any] = {"unit": "s"}


class ToyWalkerOptions(KernelOptions):
    """Options of `pal.toy-walker`. Lengths and energies are pure numbers, as those of the surface."""

    start: tuple[Point, ...] = Field(
        ((-0.558, 1.442), (0.623, 0.028)), min_length=1, description="start points, dealt out to the walkers in turn"
    )
    lower: Point = Field((-1.7, -0.6), description="lower left corner of the box that walkers stay in")
    upper: Point = Field((1.2, 2.0), description="upper right corner of the box")
    temperature: NonNegativeFloat = Field(20.0, description="temperature times Boltzmann's constant, an energy")
    step: PositiveFloat = Field(2e-4, description="time step times mobility; moves are step x gradient plus noise")
    longest: PositiveFloat = Field(0.1, description="longest move in one step, whatever the gradient")
    patience: int = Field(10, ge=0, description="untrusted steps in a row before a walker goes back to trusted ground")
    steps: PositiveInt | None = Field(None, description="proposals after which a walker ends; left out: never")
    delay: NonNegativeFloat = Field(0.0, description="time that every proposal takes", json_schema_extra=SECONDS)

    @model_validator(mode="after")
    def _starts_in_box(self) -> ToyWalkerOptions:
        sides = [up - low for low, up in zip(self.lower, self.upper, strict=True)]
        if min(sides) < self.longest:
            raise ValueError(f"box {self.lower} to {self.upper} is narrower than the longest move, {self.longest}")
        for point in self.start:
            if not all(a <= p <= b for a, p, b in zip(self.lower, point, self.upper, strict=True)):
                raise ValueError(f"start point {point} is outside the box {self.lower} to {self.upper}")
        return self

    def interface(self) -> Interface:
        """Reads the predicted gradient, gives a point."""
        return Interface(consumes=LABEL.pick(["gradient"]), produces=SAMPLE)


class ToyOracleOptions(KernelOptions):
    """Options of `pal.toy-oracle`."""

    delay: NonNegativeFloat = Field(0.0, description="time that every label takes", json_schema_extra=SECONDS)
    fail_share: float = Field(
        0.0, ge=0, le=1, description="share of points at which it fails, on purpose and always the same"
    )

    def interface(self) -> Interface:
        """Reads a point, gives energy and gradient."""
        return Interface(consumes=SAMPLE, produces=LABEL)


class ToyModelOptions(KernelOptions):
    """Options of `pal.toy-model`."""

    features: PositiveInt = Field(300, description="random Fourier features")
    lengthscale: PositiveFloat = Field(0.3, description="distance over which the surface changes")
    ridge: PositiveFloat = Field(1e-6, description="penalty on squared weights relative to squared errors")
    epochs: PositiveInt = Field(30, description="most epochs in one round of training")
    iterations: PositiveInt = Field(50, description="conjugate-gradient iterations in an epoch")
    tolerance: PositiveFloat = Field(1e-6, description="residual, relative to the right-hand side, that ends a round")
    delay: NonNegativeFloat = Field(0.0, description="time that every epoch takes", json_schema_extra=SECONDS)
    stop_after_rounds: PositiveInt | None = Field(
        None, description="rounds of training after which the model asks to end the run; left out: never"
    )

    def interface(self) -> Interface:
        """Reads a point, predicts and learns energy and gradient."""
        return Interface(consumes=SAMPLE, produces=LABEL)
