"""The kernel: one member of a committee that predicts drag and heat transfer of a channel from its mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pal_core.data import Batch
from pal_core.kernels import Context, Epoch, Model, State
from pal_core.options import KernelOptions
from torch import Tensor

from pal_cfd.cnn_options import CnnOptions
from pal_cfd.learning.optimiser import below
from pal_cfd.learning.tower import Tower
from pal_cfd.learning.trainer import Trainer

__all__ = ["ChannelCnn"]

_AT_ONCE = 64
"""Masks evaluated together: more would leave the processor's cache."""


class ChannelCnn(Model):
    """Convolutional network from the mask to Cf and St, which are both pure numbers.

    Learned are ln Cf and ln St, so that predictions are positive and relative errors count. Predictions don't change,
    beyond rounding in float32, when a mask is shifted along the stream or turned upside down (`pal_cfd.learning.tower`
    says why these and no others). Members differ by their initial weights, by the order in which they see the data and,
    with `bootstrap`, by the weight that each sample has in the loss (Bayesian bootstrap; D. B. Rubin, Ann. Stat. 9, 130
    (1981)).
    """

    Options: ClassVar[type[KernelOptions]] = CnnOptions
    options: CnnOptions

    def __init__(self, options: CnnOptions, context: Context) -> None:
        super().__init__(options, context)
        self.device = torch.device(context.device)
        self._names = tuple(options.interface().produces)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.random_seed("weights"))
            tower = Tower(options.columns, options.height, options.channels, options.width, len(self._names))
        tower.to(self.device)
        self.trainer = Trainer(tower, options, self._names, self.device, context.rng("order"))
        self._bootstrap = context.rng("bootstrap")

    def predict(self, batch: Batch) -> Batch:
        """Cf and St of every mask."""
        return type(self).predict_together([self], batch)[0]

    @classmethod
    def predict_together(cls, members: Sequence[Any], batch: Batch) -> list[Batch]:
        """Predict with several members of the same options; masks are converted once for all."""
        first: ChannelCnn = members[0]
        masks, outputs = batch.columns["mask"], [[np.zeros((0, len(first._names)))] for _ in members]
        with torch.no_grad():
            for start in range(0, len(batch), _AT_ONCE):
                part = torch.as_tensor(np.array(masks[start : start + _AT_ONCE]), device=first.device).float()
                for member, known in zip(members, outputs, strict=True):
                    known.append(member.numbers(part))
        return [m.batch(np.concatenate(known)) for m, known in zip(members, outputs, strict=True)]

    def numbers(self, masks: Tensor) -> NDArray[np.float64]:
        """What is predicted of masks, shape (n, outputs)."""
        return np.exp(self.trainer.logarithms(self.trainer.optimiser.average(masks)))

    def batch(self, numbers: NDArray[np.float64]) -> Batch:
        """Numbers of shape (n, outputs) as columns."""
        columns = dict(zip(self._names, numbers.T, strict=True))
        return Batch(self.options.interface().produces, columns, size=len(numbers))

    def weights(self) -> State:
        """Averaged weights by name, and what the predicted logarithms are relative to."""
        state = self.trainer.optimiser.state()
        named = {f"tower.{n}": a for n, a in below("average.", state).items()}
        return {**named, "centre": self.trainer.centre.copy(), "spread": self.trainer.spread.copy()}

    def load(self, weights: State) -> None:
        """Predict, and train, from these weights."""
        tower = {n: torch.from_numpy(np.array(a)) for n, a in below("tower.", weights).items()}
        self.trainer.optimiser.average.load_state_dict(tower)
        self.trainer.optimiser.reset()
        self.trainer.standardise(weights["centre"], weights["spread"])

    def extend(self, batch: Batch, validation: NDArray[np.bool_]) -> None:
        """Add samples with their labels; those whose labels are not positive numbers are left out, with a note."""
        share = np.ones(len(batch))
        if self.options.bootstrap > 0:
            # Gamma distribution of mean one; at full strength it is the exponential one of the Bayesian bootstrap.
            variance = self.options.bootstrap**2
            share = self._bootstrap.gamma(1 / variance, variance, len(batch))
        values = np.stack([batch.columns[name] for name in self._names], axis=1).astype(np.float64)
        sound = np.asarray((np.isfinite(values) & (values > 0)).all(axis=1))
        if not sound.all():
            self.context.note(f"cfd.cnn: samples left out because Cf or St is no positive number: {(~sound).sum()}")
        targets = np.log(np.where(sound[:, None], values, np.nan))
        self.trainer.samples.add(batch.columns["mask"], targets, np.asarray(validation, np.bool_), share)

    def use(self, rows: NDArray[np.int64]) -> None:
        """Train and validate on these samples only; later ones are used as well."""
        self.trainer.use(rows)

    def train(self) -> Iterator[Epoch]:
        """Train until the learning rate has fallen to its floor or `max_epochs` are over; new data start a new round.

        Epochs longer than a second are interrupted; their parts carry the number of the epoch under way.
        """
        return self.trainer.run()

    def snapshot(self) -> State:
        """Weights, their average, optimiser, schedule, data order and its random stream, samples left out."""
        return self.trainer.state()

    def restore(self, state: State) -> None:
        """Go on training as if there had been no break."""
        self.trainer.load(state)
