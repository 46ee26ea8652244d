"""The kernel: one member of a SchNet committee."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pal_core.data import Batch
from pal_core.kernels import Context, Epoch, Model, State
from pal_core.options import KernelOptions
from safetensors.numpy import load_file

from pal_schnet.options import SchnetOptions
from pal_schnet.parameters import Architecture, Parameters
from pal_schnet.trainer import Trainer

__all__ = ["SchnetCommittee"]


class SchnetCommittee(Model):
    """SchNet that predicts with averaged weights and trains on energies and forces.

    Members differ by their initial weights, by the order in which they see the data and, with `bootstrap`, by the
    weight that each sample has in the loss (Bayesian bootstrap; D. B. Rubin, Ann. Stat. 9, 130 (1981)).
    """

    Options: ClassVar[type[KernelOptions]] = SchnetOptions

    def __init__(self, options: SchnetOptions, context: Context) -> None:
        super().__init__(options, context)
        _keep_freed_memory()
        shape = Architecture(options.features, options.interactions, options.basis, options.cutoff)
        dtype: torch.dtype = getattr(torch, options.dtype)
        seed = context.random_seed("weights")
        parameters = Parameters.random(shape, seed, dtype, torch.device(context.device))
        self._trainer = Trainer(parameters, options, context.rng("order"))
        self._bootstrap = context.rng("bootstrap")
        if options.weights is not None:
            self.load(_read(options.weights))

    def predict(self, batch: Batch) -> Batch:
        """Energies, forces and, where asked for, stress; NaN for samples whose coordinates are not finite."""
        with torch.inference_mode():
            return self._trainer.potential.predict(batch)

    def weights(self) -> State:
        """Averaged weights by name, reference energies (eV) and the network's unit of energy (eV)."""
        return self._trainer.potential.state()

    def load(self, weights: State) -> None:
        """Predict, and train, from these weights."""
        self._trainer.start_from(weights)

    def extend(self, batch: Batch, validation: NDArray[np.bool_]) -> None:
        """Add samples with their labels; those that are not finite are left out, with a note."""
        share = np.ones(len(batch))
        if self.options.bootstrap > 0:
            # Gamma distribution of mean one; at full strength it is the exponential one of the Bayesian bootstrap.
            variance = self.options.bootstrap**2
            share = self._bootstrap.gamma(1 / variance, variance, len(batch))
        finite = _finite(batch)
        if not finite.all():
            self.context.note(
                f"schnet.committee: samples left out because their labels are not finite: {(~finite).sum()}"
            )
        self._trainer.add(batch.take(finite), np.asarray(validation, bool)[finite], share[finite])

    def train(self) -> Iterator[Epoch]:
        """Train until the learning rate has fallen to its floor or `max_epochs` are over; new data start a new round.

        Long epochs are interrupted about once a second; their parts carry the number of the epoch under way.
        """
        return self._trainer.run()

    def snapshot(self) -> State:
        """Weights, their average, optimiser, schedule, data order and its random stream."""
        return self._trainer.state()

    def restore(self, state: State) -> None:
        """Go on training as if there had been no break."""
        self._trainer.load(state)


def _finite(batch: Batch) -> NDArray[np.bool_]:
    """Which samples have finite positions, energies and forces."""
    assert batch.offsets is not None  # noqa: S101 - the schema is ragged
    sample = np.repeat(np.arange(len(batch)), np.diff(batch.offsets))
    out: NDArray[np.bool_] = np.isfinite(batch.columns["energy"])
    for name in ("positions", "forces"):
        out[sample[~np.isfinite(batch.columns[name]).all(axis=1)]] = False
    return out


def _read(path: Path) -> Mapping[str, NDArray[Any]]:
    if not path.is_file():
        raise FileNotFoundError(f"schnet.committee: option weights: there is no file {path}")
    try:
        found: dict[str, NDArray[Any]] = load_file(path)
    except Exception as error:
        raise ValueError(f"schnet.committee: option weights: {path} is not a safetensors file ({error})") from error
    return found


def _keep_freed_memory() -> None:
    """Make glibc keep freed memory: fetching it anew for every step costs up to half of the training time.

    Freeing one large block raises glibc's limits for returning memory to twice its size (mallopt(3), M_MMAP_THRESHOLD);
    elsewhere this does nothing.
    """
    block = torch.empty(30 << 20, dtype=torch.uint8)
    del block
