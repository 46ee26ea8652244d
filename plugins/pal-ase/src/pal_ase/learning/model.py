"""Base of the kernels: one member of a committee of interatomic potentials."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pal_core.data import Batch
from pal_core.kernels import Context, Epoch, Model, State

from pal_ase.learning.dataset import Frame
from pal_ase.learning.modelfile import read_arrays
from pal_ase.learning.network import Network
from pal_ase.learning.potential import predict
from pal_ase.learning.trainer import Trainer
from pal_ase.learning_options import ChargeOptions, LearningOptions

__all__ = ["AtomisticModel", "Units"]


@dataclass(frozen=True)
class Units:
    """What the energies of a network from a model file are relative to.

    Parameters
    ----------
    references : ndarray of float64, shape (119,)
        Energies of the elements by atomic number, eV; zero for those that the file doesn't know.
    scale : float
        The network's unit of energy, eV.
    """

    references: NDArray[np.float64]
    scale: float = 1.0


class AtomisticModel(Model):
    """A potential that predicts with averaged weights and trains on energies, forces and, where asked for, stress.

    A plugin derives from it, says what its network is, and nothing else. Members differ by their initial weights, by
    the order in which they see the data and, with `bootstrap`, by the weight that each sample has in the loss
    (Bayesian bootstrap; D. B. Rubin, Ann. Stat. 9, 130 (1981)).

    Attributes
    ----------
    kernel : str
        Its name, ``"schnet.committee"``, for messages.
    shaping : str
        The options that weights must have been trained with, for messages.
    frame : Frame
        Cutoff (Å), precision and device; there before `_network` is called.
    """

    options: LearningOptions
    kernel: ClassVar[str]
    shaping: ClassVar[str] = "cutoff"

    def __init__(self, options: LearningOptions, context: Context) -> None:
        super().__init__(options, context)
        _keep_freed_memory()
        dtype: torch.dtype = getattr(torch, options.dtype)
        charges = options.charges if isinstance(options, ChargeOptions) and options.charge_embedding else 0
        self.frame = Frame(options.cutoff, dtype, torch.device(context.device), options.stress, charges)
        network = self._network(context.random_seed("weights"))
        self._trainer = Trainer(network, options, self.frame, context.rng("order"), self.kernel)
        self._bootstrap = context.rng("bootstrap")
        units = self._units()
        if units is not None:
            self._trainer.take_units(units.references, units.scale)
        if options.weights is not None:
            self.load(read_arrays(options.weights, f"{self.kernel}: option weights")[0])

    @abstractmethod
    def _network(self, seed: int) -> Network:
        """The network with its first weights, of the precision and on the device of `frame`.

        Parameters
        ----------
        seed : int
            Of the weights; the same in prediction and training of a member.
        """

    def _units(self) -> Units | None:
        """Of a network from a model file; None for one without training, whose units the data give."""
        return None

    def predict(self, batch: Batch) -> Batch:
        """Energies, forces and, where asked for, stress; NaN for samples whose coordinates are not finite."""
        return predict([self._trainer.potential], batch)[0]

    @classmethod
    def predict_together(cls, members: Sequence[Any], batch: Batch) -> list[Batch]:
        """Predict with several members of the same options; pairs are found once for all."""
        return predict([m._trainer.potential for m in members], batch)

    def weights(self) -> State:
        """Averaged weights by name, reference energies (eV), the network's unit of energy (eV) and the cutoff (Å)."""
        return self._trainer.potential.state()

    def load(self, weights: State) -> None:
        """Predict, and train, from these weights."""
        self._trainer.start_from(weights, self.shaping)

    def extend(self, batch: Batch, validation: NDArray[np.bool_]) -> None:
        """Add samples with their labels; those that are not finite are left out, with a note."""
        share = np.ones(len(batch))
        if self.options.bootstrap > 0:
            # Gamma distribution of mean one; at full strength it is the exponential one of the Bayesian bootstrap.
            variance = self.options.bootstrap**2
            share = self._bootstrap.gamma(1 / variance, variance, len(batch))
        finite = _finite(batch, self.options.stress)
        if not finite.all():
            lost = (~finite).sum()
            self.context.note(f"{self.kernel}: samples left out because their labels are not finite: {lost}")
        self._trainer.add(batch, np.asarray(validation, bool), share, finite)

    def use(self, rows: NDArray[np.int64]) -> None:
        """Train and validate on these samples only; later ones are used as well."""
        self._trainer.use(rows)

    def train(self) -> Iterator[Epoch]:
        """Train until the learning rate has fallen to its floor or `max_epochs` are over; new data start a new round.

        Long epochs are interrupted about once a second; their parts carry the number of the epoch under way.
        """
        return self._trainer.run()

    def snapshot(self) -> State:
        """Weights, their average, optimiser, schedule, data order and its random stream, samples in use."""
        return self._trainer.state()

    def restore(self, state: State) -> None:
        """Go on training as if there had been no break."""
        self._trainer.load(state)


def _finite(batch: Batch, stress: bool) -> NDArray[np.bool_]:
    """Which samples have finite positions, energies, forces and, if they are periodic and it is learned, stress."""
    assert batch.offsets is not None  # noqa: S101 - the schema is ragged
    sample = np.repeat(np.arange(len(batch)), np.diff(batch.offsets))
    out: NDArray[np.bool_] = np.isfinite(batch.columns["energy"])
    for name in ("positions", "forces"):
        out[sample[~np.isfinite(batch.columns[name]).all(axis=1)]] = False
    if stress:
        out &= np.isfinite(batch.columns["stress"]).all(axis=(1, 2)) | ~batch.columns["pbc"].any(axis=1)
    return out


def _keep_freed_memory() -> None:
    """Make glibc keep freed memory: fetching it anew for every step costs up to half of the training time.

    Freeing one large block raises glibc's limits for returning memory to twice its size (mallopt(3), M_MMAP_THRESHOLD);
    elsewhere this does nothing.
    """
    block = torch.empty(30 << 20, dtype=torch.uint8)
    del block
