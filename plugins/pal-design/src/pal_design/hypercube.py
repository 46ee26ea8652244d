"""Points that fill a cube evenly, coordinate by coordinate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["latin_hypercube"]


def latin_hypercube(rng: np.random.Generator, points: int, dimensions: int) -> NDArray[np.float64]:
    """A Latin hypercube: in every coordinate each of `points` equal intervals holds one point.

    M. D. McKay, R. J. Beckman, W. J. Conover, Technometrics 21, 239 (1979).

    Returns
    -------
    ndarray of float64, shape (points, dimensions)
        In [0, 1).
    """
    cells = np.stack([rng.permutation(points) for _ in range(dimensions)], axis=1)
    return np.asarray((cells + rng.random((points, dimensions))) / points, np.float64)
