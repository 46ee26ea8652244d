"""Kernels that do nothing, with the payload of the paper's photodynamics case: 115 numbers in, 805 out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pal_core.data import Batch, Field, Schema
from pal_core.kernels import Feedback, Generator, Model, Sample, State, Stop
from pal_core.options import Interface, KernelOptions

SAMPLE = Schema([Field("x", shape=(115,))])
PREDICTION = Schema([Field("y", shape=(805,))])


class WalkerOptions(KernelOptions):
    """Steps until the walker stops, and a file for the times of walker 0."""

    steps: int = 1000
    times: Path | None = None

    def interface(self) -> Interface:
        return Interface(consumes=PREDICTION, produces=SAMPLE)


class Walker(Generator):
    """Proposes the same point for ever; walker 0 writes down when."""

    Options = WalkerOptions

    def __init__(self, options: WalkerOptions, context: object) -> None:
        super().__init__(options, context)  # type: ignore[arg-type]
        self._sample = {"x": np.full(115, float(self.context.index))}
        self._times: list[float] = []

    def propose(self, feedback: Feedback | None) -> Sample | Stop:
        self._times.append(time.perf_counter())
        return Stop("steps done") if len(self._times) > self.options.steps else self._sample

    def close(self) -> None:
        if self.context.index == 0 and self.options.times is not None:
            np.save(self.options.times, np.array(self._times))


class ModelOptions(KernelOptions):
    """Nothing to choose."""

    def interface(self) -> Interface:
        return Interface(consumes=SAMPLE, produces=PREDICTION)


class Member(Model):
    """Answers with constants, made once per batch size."""

    Options = ModelOptions

    def __init__(self, options: ModelOptions, context: object) -> None:
        super().__init__(options, context)  # type: ignore[arg-type]
        self._answers: dict[int, Batch] = {}

    def predict(self, batch: Batch) -> Batch:
        n = len(batch)
        if n not in self._answers:
            self._answers[n] = Batch(PREDICTION, {"y": np.full((n, 805), 1.0 + self.context.index)})
        return self._answers[n]

    def weights(self) -> State:
        return {}

    def load(self, weights: State) -> None:
        """There are none."""

    def train(self) -> Iterator[Stop]:
        yield Stop("nothing to learn")
