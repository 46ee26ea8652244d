"""All samples that a member has been given, and those of them that are in use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pal_core.data import Batch

from pal_ase.elements import ELEMENTS
from pal_ase.learning.dataset import Dataset, Energies, Frame
from pal_ase.learning.references import isolated_energies

__all__ = ["Samples"]

Ints = NDArray[np.int64]
_LEFT_OUT = -1


class Samples:
    """Training and held-out samples by order of arrival.

    Parameters
    ----------
    frame : Frame

    Attributes
    ----------
    training, validation : Dataset
        Those in use.
    rows : ndarray of int64 or None
        Numbers of the samples in use, sorted; None: all.
    isolated : ndarray of float64, shape (119,)
        Lowest energy of a neutral single atom of each element among all samples, eV; infinite where there is none.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._all = (Dataset.empty(frame), Dataset.empty(frame))
        self.training, self.validation = self._all
        self.rows: Ints | None = None
        self.isolated = np.full(ELEMENTS, np.inf)
        self._side, self._place = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Number of samples given so far, in use or not."""
        return len(self._side)

    def add(
        self, batch: Batch, validation: NDArray[np.bool_], share: NDArray[np.float64], keep: NDArray[np.bool_]
    ) -> None:
        """Add samples and use them; those that are not to be kept count, but are left out."""
        start, sides = len(self), np.where(keep, validation.astype(np.int64), _LEFT_OUT)
        places = np.zeros(len(batch), np.int64)
        new = []
        for side, old in enumerate(self._all):
            mine = sides == side
            places[mine] = len(old) + np.arange(mine.sum())
            new.append(Dataset.of(batch.take(mine), share[mine] if side == 0 else np.ones(mine.sum()), self._frame))
        used = (self.training, self.validation)
        everything = self.rows is None
        self._all = (self._all[0].append(new[0]), self._all[1].append(new[1]))
        self.training, self.validation = self._all if everything else (used[0].append(new[0]), used[1].append(new[1]))
        self._side, self._place = np.concatenate([self._side, sides]), np.concatenate([self._place, places])
        if self.rows is not None:
            self.rows = np.concatenate([self.rows, np.arange(start, len(self))])
        self.isolated = isolated_energies(self.isolated, batch.take(keep))

    def use(self, rows: Ints) -> bool:
        """Use only these from now on; says whether that is a change.

        Raises
        ------
        IndexError
            If there are no samples of such numbers.
        """
        rows = np.unique(np.asarray(rows, np.int64))
        if len(rows) and not 0 <= rows[0] <= rows[-1] < len(self):
            raise IndexError(f"samples {rows[0]} to {rows[-1]} are to be used, but there are {len(self)}")
        if np.array_equal(rows, np.arange(len(self)) if self.rows is None else self.rows):
            return False
        if len(rows) == len(self):
            (self.training, self.validation), self.rows = self._all, None
            return True
        sides, places = self._side[rows], self._place[rows]
        self.training, self.validation = (whole.take(places[sides == k]) for k, whole in enumerate(self._all))
        self.rows = rows
        return True

    def relate(self, references: Energies) -> None:
        """Take the reference energies off what the network is to learn of the samples in use."""
        for data in (self.training, self.validation):
            data.relate(references)
