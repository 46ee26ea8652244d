"""Random numbers that belong to a sample, whichever process looks at it and when."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["sample_uniform"]

Words = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def sample_uniform(x: NDArray[np.float64], salt: int) -> NDArray[np.float64]:
    """One number in [0, 1) per row of `x`, fixed by the row's bits and `salt`.

    Parameters
    ----------
    x : ndarray of float64, shape (n, d)
    salt : int
        Non-negative; another salt gives independent numbers.

    Returns
    -------
    ndarray of float64, shape (n,)

    Notes
    -----
    Every component goes through the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    words = np.ascontiguousarray(x, np.float64).view(np.uint64)
    state: Words = np.full(len(words), salt % 2**64, np.uint64)
    for column in words.T:
        state = _mix((state ^ column) + _GOLDEN)
    uniform: NDArray[np.float64] = (state >> np.uint64(11)) * 2.0**-53
    return uniform


def _mix(z: Words) -> Words:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Words = z ^ (z >> np.uint64(31))
    return mixed
