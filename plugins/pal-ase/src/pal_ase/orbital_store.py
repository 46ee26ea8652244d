"""Orbitals of labelled geometries, to start the next calculation from the nearest one. Light."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Sample

__all__ = ["OrbitalStore"]

T = TypeVar("T")
_Key = tuple[bytes, int, int]


class OrbitalStore(Generic[T]):
    """What a worker has converged, by composition, charge and multiplicity.

    Orbitals are given in the laboratory's frame and in the order of the atoms: the nearest geometry is the one whose
    atoms have moved least, each from its own place, after both are centred. Molecules that were turned are far.

    Parameters
    ----------
    keep : int
        Geometries that are kept in all; the longest unused goes first.
    within : float
        Orbitals of a geometry farther than this are of no use: root mean square displacement of the atoms [Å].
    """

    def __init__(self, keep: int = 32, within: float = 0.5) -> None:
        self._keep, self._within = keep, within
        self._kept: OrderedDict[int, tuple[_Key, NDArray[np.float64], T]] = OrderedDict()
        self._next = 0

    def __len__(self) -> int:
        return len(self._kept)

    def nearest(self, sample: Sample) -> T | None:
        """Orbitals of the nearest geometry of the same atoms, charge and multiplicity, or None."""
        key, here = _key(sample), _centred(sample)
        near = [(self._distance(here, there), number) for number, (k, there, _) in self._kept.items() if k == key]
        distance, number = min(near, default=(np.inf, -1))
        if distance > self._within:
            return None
        self._kept.move_to_end(number)
        return self._kept[number][2]

    def add(self, sample: Sample, orbitals: T) -> list[T]:
        """Keep the orbitals of a converged calculation; returns those that had to go."""
        self._kept[self._next] = _key(sample), _centred(sample), orbitals
        self._next += 1
        gone = []
        while len(self._kept) > self._keep:
            gone.append(self._kept.popitem(last=False)[1][2])
        return gone

    @staticmethod
    def _distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float(np.sqrt(np.mean(np.sum((a - b) ** 2, axis=1))))


def _key(sample: Sample) -> _Key:
    return np.asarray(sample["numbers"], np.int32).tobytes(), int(sample["charge"]), int(sample["multiplicity"])


def _centred(sample: Sample) -> NDArray[np.float64]:
    positions = np.asarray(sample["positions"], np.float64)
    centred: NDArray[np.float64] = positions - positions.mean(axis=0)
    return centred
