"""A model that learns the toy surface in milliseconds, without torch."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pal_core.builtin.descent import ConjugateGradient
from pal_core.builtin.features import FourierFeatures
from pal_core.builtin.hashing import sample_uniform
from pal_core.builtin.options import ToyModelOptions
from pal_core.builtin.regression import Regression, mean_errors, mean_loss
from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.data import Batch
from pal_core.kernels import Context, Epoch, Model, State, Stop

__all__ = ["ToyModel"]

Floats = NDArray[np.float64]


class ToyModel(Model):
    """Ridge regression on random Fourier features, fitted to energies and gradients.

    Minimises ``sum_i c_i (|energy error|^2 + lengthscale^2 |gradient error|^2) + ridge |w|^2`` by conjugate gradients
    on the normal equations; an epoch is a portion of iterations. Members differ by their features and by the
    samples' weights ``c_i``, which are exponentially distributed (Bayesian bootstrap: D. B. Rubin, Ann. Stat. 9,
    130 (1981)) and fixed by the sample itself, so that they don't depend on the order in which samples arrive.
    """

    Options = ToyModelOptions

    def __init__(self, options: ToyModelOptions, context: Context) -> None:
        super().__init__(options, context)
        self.options: ToyModelOptions = options
        self._features = FourierFeatures.draw(context.rng("features"), options.features, options.lengthscale)
        self._salt = context.random_seed("bootstrap")
        self._w = np.zeros(options.features)
        self._offset = 0.0
        schema = SAMPLE | LABEL
        self._data = Batch.empty(schema)
        self._held_out = np.empty(0, np.bool_)
        self._used = np.empty(0, np.bool_)
        self._problem: Regression | None = None
        self._solver: ConjugateGradient | None = None
        self._epochs = self._rounds = self._round_epochs = self._round_data = 0
        self._finished = False

    def predict(self, batch: Batch) -> Batch:
        """Predict energy and gradient."""
        energy, gradient = self._features.combine(batch.columns["x"], self._w)
        return Batch(LABEL, {"energy": energy + self._offset, "gradient": gradient}, size=len(batch))

    def weights(self) -> State:
        """Weights, features and energy offset."""
        return {
            "w": self._w.copy(),
            "offset": np.array(self._offset),
            "omega": self._features.omega.copy(),
            "phase": self._features.phase.copy(),
        }

    def load(self, weights: State) -> None:
        """Take weights, features and offset from `weights`."""
        self._w, self._offset = np.array(weights["w"]), float(weights["offset"])
        self._features = FourierFeatures(np.array(weights["omega"]), np.array(weights["phase"]))
        self._problem = self._solver = None

    def extend(self, batch: Batch, validation: NDArray[np.bool_]) -> None:
        """Add labelled points."""
        self._data = Batch.concat([self._data, batch.pick(SAMPLE | LABEL)])
        self._held_out = np.concatenate([self._held_out, validation])
        self._used = np.concatenate([self._used, np.ones(len(batch), np.bool_)])
        self._problem = None

    def use(self, rows: NDArray[np.int64]) -> None:
        """Fit these points only."""
        self._used[:] = False
        self._used[rows] = True
        self._problem = None

    def _in_use(self, held_out: bool) -> Batch:
        return self._data.take(np.flatnonzero(self._used & (self._held_out == held_out)))

    def train(self) -> Iterator[Epoch | Stop]:
        """Iterate until the residual is small or the round's epochs are used up, some iterations an epoch."""
        data = self._in_use(held_out=False)
        if not len(data):
            return
        held_out = self._in_use(held_out=True)
        if self._problem is None:
            self._problem = Regression(self._features, data, self._shares(data.columns["x"]), self.options)
        known = zlib.crc32(data.columns["x"].tobytes())
        if self._solver is None or self._round_data != known:
            self._solver = self._problem.solver(self._w)
            self._round_data, self._round_epochs, self._finished = known, 0, False
        if not self._finished:
            yield from self._round(self._problem, self._solver, held_out)
        limit = self.options.stop_after_rounds
        if limit is not None and self._rounds >= limit:
            yield Stop(f"{limit} rounds of training done")

    def _round(self, problem: Regression, solver: ConjugateGradient, held_out: Batch) -> Iterator[Epoch]:
        while not solver.solved and self._round_epochs < self.options.epochs:
            time.sleep(self.options.delay)
            solver.iterate(problem.matrix, self.options.iterations)
            self._w, self._offset = solver.w, problem.offset
            self._epochs += 1
            self._round_epochs += 1
            yield Epoch(self._epochs, self._metrics(problem, held_out))
        self._finished = True
        self._rounds += 1

    def _metrics(self, problem: Regression, held_out: Batch) -> dict[str, float]:
        validation = {}
        if len(held_out):
            predicted = self.predict(held_out)
            loss = mean_loss(predicted, held_out, self.options.lengthscale)
            validation = {"validation_loss": loss, **mean_errors(predicted, held_out)}
        return {**problem.metrics(self._w), **validation}

    def _shares(self, x: Floats) -> Floats:
        return -np.log1p(-sample_uniform(x, self._salt))

    def snapshot(self) -> State:
        """Weights, counters, and the state of the solver."""
        counters = [self._epochs, self._rounds, self._round_epochs, self._round_data, self._finished]
        solver = {} if self._solver is None else self._solver.state()
        return {
            **self.weights(),
            "counters": np.array(counters, np.int64),
            "left_out": np.flatnonzero(~self._used),
            **{f"solver_{name}": value for name, value in solver.items()},
        }

    def restore(self, state: State) -> None:
        """Go on from a snapshot. With other data than then, a new round begins."""
        self.load(state)
        self._epochs, self._rounds, self._round_epochs, self._round_data, finished = map(int, state["counters"])
        self._finished = bool(finished)
        self._used[:] = True
        left_out = state.get("left_out", np.empty(0, np.int64))
        self._used[left_out[left_out < len(self._used)]] = False
        solver = {name.removeprefix("solver_"): v for name, v in state.items() if name.startswith("solver_")}
        self._solver = ConjugateGradient.from_state(solver) if solver else None
