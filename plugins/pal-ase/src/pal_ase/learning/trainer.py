"""The training of one member, an epoch at a time, resumable between any two steps."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pal_core import rng
from pal_core.data import Batch
from pal_core.kernels import Epoch

from pal_ase.learning.dataset import Frame, MiniBatch
from pal_ase.learning.metrics import ChargeSums, Sums
from pal_ase.learning.network import Network
from pal_ase.learning.objective import Weights, loss, physical
from pal_ase.learning.optimiser import Optimiser, Plateau
from pal_ase.learning.potential import Potential
from pal_ase.learning.references import missing_elements, table_energies
from pal_ase.learning.samples import Samples
from pal_ase.learning_options import LearningOptions

__all__ = ["Trainer"]

_TURN = 0.8
"""Seconds of work after which the engine gets a word in, epoch over or not."""


class Trainer:
    """Data, optimiser and schedule of a member.

    Parameters
    ----------
    network : Network
        With its initial weights; trained in place.
    options : LearningOptions
    frame : Frame
    shuffle : numpy.random.Generator
        Of the data order; from `pal_core.rng`.
    who : str
        The kernel, for messages.

    Attributes
    ----------
    potential : Potential
        With the averaged weights; always ready to predict.
    """

    def __init__(
        self, network: Network, options: LearningOptions, frame: Frame, shuffle: np.random.Generator, who: str
    ) -> None:
        self.network, self.options, self.shuffle, self.who = network, options, shuffle, who
        self.potential = Potential(network.copy(), frame, who)
        average = self.potential.network.flat
        self.optimiser = Optimiser(network.flat, average, options.gradient_clip, options.weight_decay, options.ema)
        self.gradient = torch.zeros_like(network.flat)
        self.weights = Weights(options.energy_weight, options.forces_weight, options.stress_weight)
        self.samples = Samples(frame)
        self.plateau = Plateau(options.learning_rate, options.patience)
        self.sums = Sums()
        self.order, self.position = np.zeros(0, np.int64), 0
        self.epochs = self.round_epochs = 0
        self.prepared = 0
        self.pretrained = False
        if isinstance(options.references, dict):
            table = table_energies(options.references)
            self.potential.references = np.where(np.isfinite(table), table, 0.0)

    def take_units(self, references: NDArray[np.float64], scale: float) -> None:
        """Take over what the energies of a trained network are relative to, eV by atomic number, and their unit, eV."""
        self.potential.references, self.potential.scale = references.copy(), scale
        self.pretrained = True

    def start_from(self, weights: Mapping[str, NDArray[Any]], shaping: str) -> None:
        """Take weights as they come from `Potential.state`, and forget what the optimiser knew."""
        self.potential.load(weights, shaping)
        self._follow_average()
        self.pretrained = True

    def _follow_average(self) -> None:
        """Let the network that is trained be the one that predicts."""
        self.network.set_constants(self.potential.network.constants())
        self.optimiser.reset()

    def add(
        self, batch: Batch, validation: NDArray[np.bool_], share: NDArray[np.float64], keep: NDArray[np.bool_]
    ) -> None:
        """Add labelled samples; `share` weighs those that are trained on, and those not to be kept are left out."""
        self.samples.add(batch, validation, share, keep)
        self._relate()

    def use(self, rows: NDArray[np.int64]) -> None:
        """Train and validate on these samples only."""
        if self.samples.use(rows):
            self._relate()
            self.prepared = -1

    def run(self) -> Iterator[Epoch]:
        """Train until the schedule is over or the epochs of this round are used up."""
        if not len(self.samples.training):
            return
        if self.prepared != len(self.samples.training):
            yield from self._prepare()
        while not self._over:
            yield from self._epoch()

    @property
    def _over(self) -> bool:
        anneal = self.options.anneal
        finished = self.round_epochs >= anneal if anneal else self.plateau.over
        return finished or self.round_epochs >= self.options.max_epochs

    @property
    def _rate(self) -> float:
        """Learning rate of the next step."""
        if not self.options.anneal:
            return self.plateau.rate
        steps = len(self.samples.training.even_sizes(self.options.batch_size))
        done = (self.round_epochs + self.position / max(steps, 1)) / self.options.anneal
        return self.options.learning_rate * (1 + math.cos(math.pi * min(done, 1.0))) / 2

    def _prepare(self) -> Iterator[Epoch]:
        """Take new data into account: reference energies, scale, learning rate, data order."""
        data = self.samples.training
        if not self.pretrained:
            self.potential.network.prepare(data.graph)
            self._follow_average()
            self.potential.scale = data.force_scale()
            self.pretrained = True
        if self.options.references != "fit":
            self._fix_references()
        if self._fits:
            yield from self._fit_references(_Turn())
        self.plateau.restart()
        self.round_epochs = 0
        self.order, self.position = np.zeros(0, np.int64), 0
        self.prepared = len(data)

    def _fix_references(self) -> None:
        """Take the references that the options or isolated atoms give.

        Raises
        ------
        ValueError
            If they leave out elements of the data.
        """
        wanted, table = self.options.references, self.samples.isolated
        isolated = wanted == "isolated"
        if isinstance(wanted, dict):
            table = table_energies(wanted)
        missing = missing_elements(table, self.samples.training.numbers())
        if missing:
            have = "the data hold no neutral single atom of" if isolated else "the table leaves out"
            raise ValueError(
                f"{self.who}: option references: {have} {missing}; "
                + ("add one each to the initial data" if isolated else "add them")
                + ', or let references = "fit"'
            )
        self.potential.references = np.where(np.isfinite(table), table, self.potential.references)
        self._relate()

    def _fit_references(self, turn: _Turn) -> Iterator[Epoch]:
        """Leave to the network only what references can't explain; nothing changes before all is done."""
        known, data = self.potential, self.samples.training
        parts = []
        for piece in data.graph.pieces(known.network.pairs_at_once):
            with known.network.mode():
                parts.append(known.energies(piece))
            if turn.over():
                yield Epoch(self.epochs + 1, self._metrics(), whole=False)
        elements = self.options.references == "fit"
        fitted = data.fit_references((known.references, known.charge_references), torch.cat(parts), elements)
        known.references, known.charge_references = fitted
        self._relate()

    @property
    def _fits(self) -> bool:
        """Whether there are reference energies to fit."""
        return self.options.references == "fit" or self.potential.frame.charges > 0

    def _relate(self) -> None:
        self.samples.relate((self.potential.references, self.potential.charge_references))

    def _epoch(self) -> Iterator[Epoch]:
        turn, data = _Turn(), self.samples
        sizes = data.training.even_sizes(self.options.batch_size)
        if self.position == 0:
            self.order, self.sums = self.shuffle.permutation(len(data.training)), Sums()
        for batch in data.training.batches(self.order, sizes, self.position):
            with self.network.mode():
                self._step(batch)
            self.position += 1
            if turn.over():
                yield Epoch(self.epochs + 1, self._metrics(), whole=False)
        held_out, by_charge = Sums(), ChargeSums()
        for batch in data.validation.in_order(self.network.pairs_at_once):
            with self.network.mode():
                self._judge(batch, held_out, by_charge)
            if turn.over():
                yield Epoch(self.epochs + 1, self._metrics(), whole=False)
        if self._fits and (self.round_epochs + 1).bit_count() == 1:
            # Learning forces shifts the energies as a whole, most so at first: after epochs 1, 2, 4, 8, … of a round.
            yield from self._fit_references(turn)
        watched = held_out if len(data.validation) else self.sums
        self.plateau.observe(watched.loss, len(sizes))
        self.epochs, self.round_epochs, self.position = self.epochs + 1, self.round_epochs + 1, 0
        errors = held_out.metrics("validation_") | by_charge.metrics("validation_") if len(data.validation) else {}
        yield Epoch(self.epochs, self._metrics() | errors)

    def _metrics(self) -> dict[str, float]:
        return {**self.sums.metrics(), "learning_rate": self._rate}

    def _step(self, batch: MiniBatch) -> None:
        graph, wanted, share = batch
        scale = self.potential.scale
        evaluation = self.network.evaluate(graph, training=True)
        predicted = physical(evaluation, graph, scale, self.options.stress)
        value, bars = loss(predicted, wanted, graph, share, weights=self.weights, scale=scale)
        self.network.gradient(graph, evaluation, bars.energies, bars.pulls, self.gradient)
        self.optimiser.step(self.gradient, self._rate)
        self.sums.add(value, predicted, wanted)

    def _judge(self, batch: MiniBatch, sums: Sums, by_charge: ChargeSums) -> None:
        graph, wanted, share = batch
        predicted = self.potential.evaluate(graph)
        value, _ = loss(predicted, wanted, graph, share, weights=self.weights, scale=self.potential.scale)
        sums.add(value, predicted, wanted)
        if self.potential.frame.charges:
            by_charge.add(graph, predicted, wanted)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that `load` needs to go on as if nothing had happened; copies."""
        counters = [self.epochs, self.round_epochs, self.position, self.prepared, self.pretrained]
        rows = self.samples.rows
        return {
            **{f"optimiser.{n}": a for n, a in self.optimiser.state().items()},
            **{f"constant.{n}": a for n, a in self.network.constants().items()},
            **({} if rows is None else {"rows": rows.copy(), "given": np.array(len(self.samples))}),
            "references": self.potential.references.copy(),
            "charge_references": self.potential.charge_references.copy(),
            "scale": np.array(self.potential.scale),
            "plateau": self.plateau.state(),
            "sums": self.sums.state(),
            "order": self.order.copy(),
            "counters": np.array(counters, np.int64),
            "shuffle": rng.get_state(self.shuffle),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Undo `state`; more data than it knew of count as new, and those that are not there any more are missed."""
        self.optimiser.load(_below("optimiser.", state))
        for network in (self.network, self.potential.network):
            network.set_constants(_below("constant.", state))
        self.potential.references = np.array(state["references"], np.float64)
        self.potential.charge_references = np.array(state["charge_references"], np.float64)
        self.potential.scale = float(state["scale"])
        self.plateau.load(state["plateau"])
        self.sums.load(state["sums"])
        self.order = np.array(state["order"], np.int64)
        counters = [int(c) for c in state["counters"]]
        self.epochs, self.round_epochs, self.position, self.prepared = counters[:4]
        self.pretrained = bool(counters[4])
        rng.set_state(self.shuffle, state["shuffle"])
        later = np.arange(int(state.get("given", 0)), len(self.samples))
        rows = state.get("rows", later[:0])
        # A run that was killed in the middle of a round goes on from the round before: its labels come again later.
        self.samples.use(np.concatenate([rows[rows < len(self.samples)], later]))
        self._relate()


def _below(prefix: str, state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {n.removeprefix(prefix): a for n, a in state.items() if n.startswith(prefix)}


class _Turn:
    """Says when a turn of training has lasted long enough."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def over(self) -> bool:
        if time.monotonic() - self.start < _TURN:
            return False
        self.start = time.monotonic()
        return True
