"""Structures laid upon each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["differences"]

Floats = NDArray[np.float64]


def differences(positions: Floats, others: Floats, cell: Floats, pbc: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Displacements from `others` to `positions` without what moves or turns the whole.

    Parameters
    ----------
    positions : ndarray, shape (atoms, 3)
        [Å]
    others : ndarray, shape (n, atoms, 3)
        [Å], of the same cell.
    cell : ndarray, shape (3, 3)
        Vectors as rows [Å].
    pbc : ndarray of bool, shape (3,)
        A periodic structure can't be turned: it is moved only, and every atom to its nearest image.

    Returns
    -------
    displacements : ndarray, shape (n, atoms, 3)
        [Å], in the frame of `positions`.
    rotations : ndarray, shape (n, 3, 3)
        ``vectors @ rotation`` takes vectors of the other structure to the frame of `positions`; proper rotations
        with the least sum of squared displacements (Kabsch, Acta Cryst. A 32, 922, 1976).
    """
    if pbc.any():
        moved = _nearest(positions - others, cell, pbc)
        moved -= moved.mean(axis=1, keepdims=True)
        return moved, np.broadcast_to(np.eye(3), (len(others), 3, 3))
    mine, theirs = positions - positions.mean(axis=0), others - others.mean(axis=1, keepdims=True)
    u, _, vt = np.linalg.svd(np.einsum("kij,il->kjl", theirs, mine))
    u[:, :, -1] *= np.sign(np.linalg.det(u @ vt))[:, None]
    rotations = u @ vt
    return mine - theirs @ rotations, rotations


def _nearest(vectors: Floats, cell: Floats, pbc: NDArray[np.bool_]) -> Floats:
    """Vectors to the nearest image, for displacements that are short against the cell."""
    fractional = vectors @ np.linalg.pinv(cell)
    shifts: Floats = vectors - np.where(pbc, np.round(fractional), 0.0) @ cell
    return shifts
