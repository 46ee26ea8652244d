"""A model that does what training policies have to cope with. Importing this is harmless."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.data import Batch
from pal_core.kernels import Epoch, Model, State
from pal_core.options import Interface, KernelOptions


class ActorOptions(KernelOptions):
    losses: tuple[float, ...] = Field((3.0, 2.0, 1.0), description="validation losses of the epochs, in turn")
    slow: float = Field(1.0, description="epochs that halve the error, for a member begun anew; 0: it diverges")
    metric: str = Field("validation_loss", description="name of the metric")
    raises: bool = Field(False, description="whether a member begun anew raises when it is trained")

    def interface(self) -> Interface:
        return Interface(SAMPLE, LABEL)


class Actor(Model):
    """Every epoch halves its error; `losses` are what it says of them."""

    Options = ActorOptions

    def __init__(self, options: ActorOptions, context) -> None:
        super().__init__(options, context)
        self.trained, self.epochs = 0.0, 0
        self.got: list[float] = []
        self.used: list[int] | None = None
        self.calls: list[str] = []

    def predict(self, batch: Batch) -> Batch:
        x = batch.columns["x"]
        energy = 2.0**-self.trained * 1000 + x[:, 1]
        return Batch(LABEL, {"energy": energy, "gradient": np.zeros_like(x)}, size=len(batch))

    def weights(self) -> State:
        return {"trained": np.array(self.trained)}

    def load(self, weights: State) -> None:
        self.calls.append("load")
        self.trained = float(weights["trained"])

    def extend(self, batch: Batch, validation) -> None:
        self.calls.append("extend")
        self.got += batch.columns["x"][:, 0].tolist()

    def use(self, rows) -> None:
        self.calls.append("use")
        self.used = [int(self.got[r]) for r in rows]

    def restore(self, state: State) -> None:
        self.calls.append("restore")
        self.trained = float(state["trained"])

    def train(self) -> Iterator[Epoch]:
        if self.options.raises and self.context.begun and not self.trained:
            raise ArithmeticError("not again")
        for loss in self.options.losses:
            slow = self.options.slow if self.context.begun else 1.0
            self.trained += 1 / slow if slow else np.nan
            self.epochs += 1
            yield Epoch(self.epochs, {self.options.metric: loss, "loss": loss})


class Whole(Actor):
    """Can't be told what to use."""

    use = Model.use
