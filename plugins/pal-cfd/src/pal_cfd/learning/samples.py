"""Labelled masks that a member has been given, and which of them it trains on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Samples"]

Ints = NDArray[np.int64]


class Samples:
    """Masks, targets, weights and sides by order of arrival.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of a mask.
    outputs : int
        Targets of a sample.

    Attributes
    ----------
    masks : ndarray of uint8, shape (n, rows, columns)
    targets : ndarray of float64, shape (n, outputs)
        NaN for samples that can't be learned from; these are left out.
    share : ndarray of float64, shape (n,)
        What a sample counts in the loss; 1 on average.
    """

    def __init__(self, shape: tuple[int, int], outputs: int) -> None:
        self.masks = np.zeros((0, *shape), np.uint8)
        self.targets = np.zeros((0, outputs))
        self.share = np.zeros(0)
        self._held_out = np.zeros(0, np.bool_)
        self._used = np.zeros(0, np.bool_)

    def __len__(self) -> int:
        """Number of samples given so far, in use or not."""
        return len(self.share)

    def add(
        self,
        masks: NDArray[np.uint8],
        targets: NDArray[np.float64],
        held_out: NDArray[np.bool_],
        share: NDArray[np.float64],
    ) -> None:
        """Add samples and use them."""
        self.masks = np.concatenate([self.masks, masks])
        self.targets = np.concatenate([self.targets, targets])
        self.share = np.concatenate([self.share, share])
        self._held_out = np.concatenate([self._held_out, held_out])
        self._used = np.concatenate([self._used, np.ones(len(masks), np.bool_)])

    def use(self, rows: Ints) -> None:
        """Use only these from now on.

        Raises
        ------
        IndexError
            If there are no samples of such numbers.
        """
        rows = np.asarray(rows, np.int64)
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"samples {rows.min()} to {rows.max()} are to be used, but there are {len(self)}")
        self._used[:] = False
        self._used[rows] = True

    @property
    def unused(self) -> Ints:
        """Numbers of the samples that are not in use, ascending."""
        return np.flatnonzero(~self._used).astype(np.int64)

    @property
    def training(self) -> Ints:
        """Numbers of the samples to train on."""
        return self._chosen(~self._held_out)

    @property
    def validation(self) -> Ints:
        """Numbers of the samples that are held out."""
        return self._chosen(self._held_out)

    def _chosen(self, side: NDArray[np.bool_]) -> Ints:
        whole = np.isfinite(self.targets).all(axis=1)
        return np.flatnonzero(side & self._used & whole).astype(np.int64)
