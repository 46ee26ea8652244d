"""The training of one member, an epoch at a time, resumable between any two steps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pal_core import rng
from pal_core.data import Batch
from pal_core.kernels import Epoch

from pal_schnet.dataset import Dataset, MiniBatch
from pal_schnet.metrics import Sums
from pal_schnet.network import evaluate, gradient
from pal_schnet.objective import Weights, loss, physical
from pal_schnet.optimiser import Optimiser, Plateau
from pal_schnet.options import SchnetOptions
from pal_schnet.parameters import Parameters
from pal_schnet.potential import Potential

__all__ = ["Trainer"]

_TURN = 0.8
"""Seconds of work after which the engine gets a word in, epoch over or not."""


class Trainer:
    """Data, optimiser and schedule of a member.

    Parameters
    ----------
    parameters : Parameters
        Initial weights; trained in place.
    options : SchnetOptions
    shuffle : numpy.random.Generator
        Of the data order; from `pal_core.rng`.

    Attributes
    ----------
    potential : Potential
        With the averaged weights; always ready to predict.
    """

    def __init__(self, parameters: Parameters, options: SchnetOptions, shuffle: np.random.Generator) -> None:
        flat = parameters.flat
        self.parameters, self.options, self.shuffle = parameters, options, shuffle
        self.optimiser = Optimiser(flat, options.gradient_clip, options.weight_decay, options.ema)
        self.gradient = parameters.like(torch.zeros_like(flat))
        self.potential = Potential(parameters.like(self.optimiser.average), options.stress)
        self.weights = Weights(options.energy_weight, options.forces_weight, options.stress_weight)
        self.training, self.validation = (
            Dataset(options.cutoff, flat.dtype, flat.device, options.stress) for _ in range(2)
        )
        self.plateau = Plateau(options.learning_rate, options.patience)
        self.sums = Sums()
        self.order, self.position = np.zeros(0, np.int64), 0
        self.epochs = self.round_epochs = 0
        self.prepared = 0
        self.pretrained = False

    def start_from(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take weights as they come from `Potential.state`, and forget what the optimiser knew."""
        self.potential.load(weights)
        self.optimiser.reset(self.optimiser.average.clone())
        self.pretrained = True

    def add(self, batch: Batch, validation: NDArray[np.bool_], share: NDArray[np.float64]) -> None:
        """Add labelled samples; `share` weighs those that are trained on."""
        if validation.any():
            self.validation.add(batch.take(validation), np.ones(int(validation.sum())))
        if not validation.all():
            self.training.add(batch.take(~validation), share[~validation])
        self._relate()

    def run(self) -> Iterator[Epoch]:
        """Train until the schedule is over or the epochs of this round are used up."""
        if not len(self.training):
            return
        if self.prepared != len(self.training):
            self._prepare()
        while not self.plateau.over and self.round_epochs < self.options.max_epochs:
            yield from self._epoch()

    def _prepare(self) -> None:
        """Take new data into account: reference energies, scale, learning rate, data order."""
        if not self.pretrained:
            self.potential.scale = self.training.force_scale()
            self.pretrained = True
        self._fit_references()
        self.plateau.restart()
        self.round_epochs = 0
        self.order, self.position = np.zeros(0, np.int64), 0
        self.prepared = len(self.training)

    def _fit_references(self) -> None:
        """Leave to the network only what references can't explain."""
        known = self.potential
        network = known.energies(self.training.whole)
        known.references = self.training.fit_references(known.references, network)
        self._relate()

    def _relate(self) -> None:
        for data in (self.training, self.validation):
            data.relate(self.potential.references)

    def _epoch(self) -> Iterator[Epoch]:
        turn = _Turn()
        sizes = self.training.even_sizes(self.options.batch_size)
        if self.position == 0:
            self.order, self.sums = self.shuffle.permutation(len(self.training)), Sums()
        for batch in self.training.batches(self.order, sizes, self.position):
            with torch.inference_mode():
                self._step(batch)
            self.position += 1
            if turn.over():
                yield Epoch(self.epochs + 1, self._metrics(), whole=False)
        held_out = Sums()
        for batch in self.validation.in_order():
            with torch.inference_mode():
                self._judge(batch, held_out)
            if turn.over():
                yield Epoch(self.epochs + 1, self._metrics(), whole=False)
        watched = held_out if len(self.validation) else self.sums
        self.plateau.observe(watched.loss, len(sizes))
        self.epochs, self.round_epochs, self.position = self.epochs + 1, self.round_epochs + 1, 0
        if self.round_epochs.bit_count() == 1:
            # Learning forces shifts the energies as a whole, most so at first: after epochs 1, 2, 4, 8, … of a round.
            self._fit_references()
        errors = held_out.errors("validation_") if len(self.validation) else {}
        yield Epoch(self.epochs, self._metrics() | errors)

    def _metrics(self) -> dict[str, float]:
        return {"loss": self.sums.loss, **self.sums.errors(), "learning_rate": self.plateau.rate}

    def _step(self, batch: MiniBatch) -> None:
        graph, wanted, share = batch
        scale = self.potential.scale
        evaluation = evaluate(self.parameters, graph, training=True)
        predicted = physical(evaluation, graph, scale, self.options.stress)
        value, cotangents = loss(predicted, wanted, graph, share, weights=self.weights, scale=scale)
        weights = {"energy_weights": cotangents.energies, "slope_weights": cotangents.slopes}
        gradient(self.parameters, graph, evaluation, **weights, out=self.gradient)
        self.optimiser.step(self.gradient.flat, self.plateau.rate)
        self.sums.add(value, predicted, wanted)

    def _judge(self, batch: MiniBatch, sums: Sums) -> None:
        graph, wanted, share = batch
        predicted = self.potential.evaluate(graph)
        value, _ = loss(predicted, wanted, graph, share, weights=self.weights, scale=self.potential.scale)
        sums.add(value, predicted, wanted)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that `load` needs to go on as if nothing had happened; copies."""
        counters = [self.epochs, self.round_epochs, self.position, self.prepared, self.pretrained]
        return {
            **{f"optimiser.{n}": a for n, a in self.optimiser.state().items()},
            "references": self.potential.references.copy(),
            "scale": np.array(self.potential.scale),
            "plateau": self.plateau.state(),
            "sums": self.sums.state(),
            "order": self.order.copy(),
            "counters": np.array(counters, np.int64),
            "shuffle": rng.get_state(self.shuffle),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Undo `state`; more data than it knew of count as new."""
        self.optimiser.load({n.removeprefix("optimiser."): a for n, a in state.items() if n.startswith("optimiser.")})
        self.potential.references = np.array(state["references"], np.float64)
        self.potential.scale = float(state["scale"])
        self.plateau.load(state["plateau"])
        self.sums.load(state["sums"])
        self.order = np.array(state["order"], np.int64)
        counters = [int(c) for c in state["counters"]]
        self.epochs, self.round_epochs, self.position, self.prepared = counters[:4]
        self.pretrained = bool(counters[4])
        rng.set_state(self.shuffle, state["shuffle"])
        self._relate()


class _Turn:
    """Says when a turn of training has lasted long enough."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def over(self) -> bool:
        if time.monotonic() - self.start < _TURN:
            return False
        self.start = time.monotonic()
        return True
