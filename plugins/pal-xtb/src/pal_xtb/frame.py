"""Orientations in which xtb's gradient is right. Needs NumPy only.

Up to version 6.7.1, xtb leaves a pair of orbitals out of the gradient where their overlap is nearly zero, as happens
when two atoms have the same x, y or z (https://github.com/grimme-lab/xtb/issues/986, mended in pull request 1208).
The energy is right; forces of aligned molecules are wrong by up to several eV/Å. Energies do not depend on the
orientation and gradients turn with it, so such molecules are computed in another one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["generic_frame"]

_AXIS = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)
# Wrong gradients were seen up to 1e-7 bohr, none at 1e-6 (xtb 6.5.1).
_SAME = 2e-6
_TRIALS = 50


def generic_frame(positions: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Find a rotation after which no two atoms share a coordinate.

    Parameters
    ----------
    positions : ndarray of float64, shape (atoms, 3)
        In bohr.

    Returns
    -------
    ndarray of float64, shape (3, 3), or None
        Orthogonal matrix R for ``positions @ R.T``; the identity if nothing needs to be done; None if none of 50
        rotations will do. Depends on the positions alone.
    """
    for trial in range(_TRIALS):
        rotation = _rotation(float(trial))
        if _smallest_difference(positions @ rotation.T) > _SAME:
            return rotation
    return None


def _rotation(angle: float) -> NDArray[np.float64]:
    """Rotate by `angle` [rad] about a fixed axis (Rodrigues' formula)."""
    x, y, z = _AXIS
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turned: NDArray[np.float64] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return turned


def _smallest_difference(positions: NDArray[np.float64]) -> float:
    if len(positions) < 2:
        return np.inf
    return float(np.diff(np.sort(positions, axis=0), axis=0).min())
