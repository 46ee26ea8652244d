"""Random clusters as start structures."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from ase import Atoms
from pal_core import rng as streams
from pal_core.errors import PalError
from pal_core.kernels import Context

from pal_ase.cluster_options import ClusterKind, ClustersOptions
from pal_ase.shapes import grow

__all__ = ["RandomClusters", "describe_cluster", "random_cluster"]


def random_cluster(kind: ClusterKind, options: ClustersOptions, rng: np.random.Generator) -> Atoms:
    """A cluster of random geometry with `charge`, `multiplicity` and `shape` in its `info`.

    Parameters
    ----------
    kind : ClusterKind
    options : ClustersOptions
        Distances.
    rng : Generator

    Raises
    ------
    PalError
        If there is no place for an atom.
    """
    numbers = np.array(kind.numbers)
    try:
        positions = grow(numbers, kind.shape, options.bonds, options.clearance, rng)
    except ValueError as e:
        raise PalError(f"random clusters of {options.composition}: {e}", "a smaller clearance helps") from e
    info = {"charge": kind.charge, "multiplicity": kind.multiplicity, "shape": kind.shape}
    return Atoms(numbers, positions, info=info)


def describe_cluster(atoms: Atoms) -> str:
    """Formula, charge, multiplicity and shape, for messages."""
    info = atoms.info
    return f"{atoms.symbols} (charge {info['charge']:+d}, multiplicity {info['multiplicity']}, {info['shape']})"


@lru_cache(maxsize=8)
def _examples(options: ClustersOptions, seed: int) -> tuple[Atoms, ...]:
    """Made once for all walkers of a process."""
    rng = streams.stream(seed, "cluster examples", 0)
    return tuple(random_cluster(kind, options, rng) for kind in options.kinds())


class RandomClusters:
    """Start structures of one walker: what each is, is dealt; its geometry follows from walker and job alone.

    Every job has a random stream of its own, so nothing needs to be stored for a restart.

    Parameters
    ----------
    options : ClustersOptions
    context : Context
        The walker's.
    """

    def __init__(self, options: ClustersOptions, context: Context) -> None:
        self._options = options
        self._context = context
        self._last: tuple[int, Atoms] = (-1, Atoms())
        self.kinds = tuple(options.kinds())

    def examples(self) -> tuple[Atoms, ...]:
        """One cluster of every kind, the same for all walkers. Not to be changed."""
        return _examples(self._options, self._context.seed)

    def start(self, job: int, place: int) -> Atoms:
        """The start structure of this walker's job, which is of the kind at `place`. Not to be changed."""
        if self._last[0] != job:
            rng = self._context.rng(f"start structure {job}")
            self._last = job, random_cluster(self.kinds[place], self._options, rng)
        return self._last[1]

    def draw(self, rng: np.random.Generator) -> Atoms:
        """A cluster of any kind, all equally likely."""
        return random_cluster(self.kinds[int(rng.integers(len(self.kinds)))], self._options, rng)
