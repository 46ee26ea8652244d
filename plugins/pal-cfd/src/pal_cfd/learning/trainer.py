"""The training of one member, an epoch at a time, resumable between any two steps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pal_core import rng
from pal_core.kernels import Epoch
from torch import Tensor

from pal_cfd.cnn_options import CnnOptions
from pal_cfd.learning.optimiser import Optimiser, Plateau, below
from pal_cfd.learning.samples import Samples
from pal_cfd.learning.sums import Sums
from pal_cfd.learning.tower import Tower

__all__ = ["Trainer"]

_TURN = 0.8
"""Seconds of work after which the engine gets a word in, epoch over or not."""
_NARROW = 1e-6
"""Smallest spread of a logarithm that targets are divided by."""
Ints = NDArray[np.int64]


class Trainer:
    """Data, optimiser and schedule of a member.

    What is learned are logarithms, less their mean over the first training samples and divided by their spread; both
    are fixed from then on, so that new data change no prediction before they are trained on.

    Parameters
    ----------
    tower : Tower
        With its initial weights; trained in place.
    options : CnnOptions
    names : sequence of str
        The outputs, for metrics.
    device : torch.device
    shuffle : numpy.random.Generator
        Of the data order; from `pal_core.rng`.
    """

    def __init__(
        self,
        tower: Tower,
        options: CnnOptions,
        names: tuple[str, ...],
        device: torch.device,
        shuffle: np.random.Generator,
    ) -> None:
        self.options, self.names, self.device, self._shuffle = options, names, device, shuffle
        self.optimiser = Optimiser(tower, options.gradient_clip, options.weight_decay, options.ema)
        self.samples = Samples((options.rows, options.columns), len(names))
        self.centre, self.spread = np.zeros(len(names)), np.ones(len(names))
        self.standardised = False
        self._plateau = Plateau(options.learning_rate, options.patience)
        self._sums = Sums(names)
        self._order, self._position = np.zeros(0, np.int64), 0
        self._epochs = self._round_epochs = self._prepared = 0

    def use(self, rows: Ints) -> None:
        """Train and validate on these samples only."""
        before = self.samples.unused
        self.samples.use(rows)
        if not np.array_equal(before, self.samples.unused):
            self._prepared = -1

    def standardise(self, centre: NDArray[np.float64], spread: NDArray[np.float64]) -> None:
        """Take over what predicted logarithms are relative to."""
        self.centre, self.spread, self.standardised = np.array(centre), np.array(spread), True

    def run(self) -> Iterator[Epoch]:
        """Train until the schedule is over or the epochs of this round are used up."""
        training = self.samples.training
        if not len(training):
            return
        if self._prepared != len(training):
            self._prepare(training)
        while not self._plateau.over and self._round_epochs < self.options.max_epochs:
            yield from self._epoch(training)

    def _prepare(self, training: Ints) -> None:
        if not self.standardised:
            logs = self.samples.targets[training]
            self.standardise(logs.mean(axis=0), np.maximum(logs.std(axis=0), _NARROW))
        self._plateau.restart()
        self._order, self._position, self._round_epochs = np.zeros(0, np.int64), 0, 0
        self._prepared = len(training)

    def _epoch(self, training: Ints) -> Iterator[Epoch]:
        begin = time.monotonic()
        if self._position == 0:
            self._order, self._sums = self._shuffle.permutation(training), Sums(self.names)
        steps = -(-len(self._order) // self.options.batch_size)
        for rows in np.array_split(self._order, steps)[self._position :]:
            self._step(rows)
            self._position += 1
            if time.monotonic() - begin > _TURN:
                yield Epoch(self._epochs + 1, self._metrics(), whole=False)
                begin = time.monotonic()
        held_out = self._judged(self.samples.validation)
        self._plateau.observe((held_out or self._sums).loss, steps)
        self._epochs, self._round_epochs, self._position = self._epochs + 1, self._round_epochs + 1, 0
        yield Epoch(self._epochs, self._metrics() | ({} if held_out is None else held_out.metrics("validation_")))

    def _metrics(self) -> dict[str, float]:
        return {**self._sums.metrics(), "learning_rate": self._plateau.rate}

    def _step(self, rows: Ints) -> None:
        share = torch.as_tensor(self.samples.share[rows], dtype=torch.float32, device=self.device)
        output, wanted = self.optimiser.module(self._masks(rows)), self._wanted(rows)
        each = _error(output, wanted)
        self.optimiser.step((share * each).mean(), self._plateau.rate)
        self._add(self._sums, rows, output.detach(), each.detach())

    def _judged(self, rows: Ints) -> Sums | None:
        """Errors of the averaged weights; None of nothing."""
        sums = Sums(self.names)
        for start in range(0, len(rows), self.options.batch_size):
            part = rows[start : start + self.options.batch_size]
            output = self.optimiser.average(self._masks(part))
            self._add(sums, part, output, _error(output, self._wanted(part)))
        return sums if len(rows) else None

    def _add(self, sums: Sums, rows: Ints, output: Tensor, each: Tensor) -> None:
        logs = self.logarithms(output)
        off = np.exp(logs) - np.exp(self.samples.targets[rows])
        sums.add(each.cpu().numpy().astype(np.float64), off)

    def logarithms(self, output: Tensor) -> NDArray[np.float64]:
        """What the network's outputs mean."""
        out: NDArray[np.float64] = output.cpu().numpy().astype(np.float64) * self.spread + self.centre
        return out

    def _masks(self, rows: Ints) -> Tensor:
        return torch.as_tensor(self.samples.masks[rows], device=self.device).float()

    def _wanted(self, rows: Ints) -> Tensor:
        standard = (self.samples.targets[rows] - self.centre) / self.spread
        return torch.as_tensor(standard, dtype=torch.float32, device=self.device)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that `load` needs to go on as if nothing had happened; copies."""
        counters = [self._epochs, self._round_epochs, self._position, self._prepared, self.standardised]
        return {
            **{f"optimiser.{n}": a for n, a in self.optimiser.state().items()},
            "centre": self.centre.copy(),
            "spread": self.spread.copy(),
            "plateau": self._plateau.state(),
            "sums": self._sums.state(),
            "order": self._order.copy(),
            "counters": np.array(counters, np.int64),
            "unused": self.samples.unused,
            "shuffle": rng.get_state(self._shuffle),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Undo `state`. Samples that it doesn't know are used, and those that are not there any more are missed."""
        self.optimiser.load(below("optimiser.", state))
        self.centre, self.spread = np.array(state["centre"]), np.array(state["spread"])
        self._plateau.load(state["plateau"])
        self._sums.load(state["sums"])
        self._order = np.array(state["order"], np.int64)
        counters = [int(c) for c in state["counters"]]
        self._epochs, self._round_epochs, self._position, self._prepared = counters[:4]
        self.standardised = bool(counters[4])
        rng.set_state(self._shuffle, state["shuffle"])
        self.samples.use(np.setdiff1d(np.arange(len(self.samples)), state["unused"]))


def _error(output: Tensor, wanted: Tensor) -> Tensor:
    """Error of each sample: Huber's function of the outputs' errors, quadratic up to one spread, shape (n,)."""
    return torch.nn.functional.huber_loss(output, wanted, reduction="none").mean(dim=1)
