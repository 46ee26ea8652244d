"""Which of several objectives' values are better: dominance, crowding, hypervolume. Everything is minimised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["better", "crowding", "front", "hypervolume"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def better(values: Floats, violation: Floats, than: Floats, than_violation: Floats) -> Bools:
    """Whether designs are better than others by constrained dominance.

    The smaller violation wins; of equal ones, who is nowhere worse and somewhere better (K. Deb, Comput. Methods Appl.
    Mech. Eng. 186, 311 (2000)).

    Parameters
    ----------
    values, than : ndarray of float64, shape (..., objectives)
    violation, than_violation : ndarray of float64, shape (...)
        0 where all limits are kept; infinite for a design that nothing is known of.

    Returns
    -------
    ndarray of bool, shape (...)
    """
    dominates = (values <= than).all(axis=-1) & (values < than).any(axis=-1)
    out: Bools = (violation < than_violation) | ((violation == than_violation) & dominates)
    return out


def front(values: Floats, violation: Floats | None = None) -> Bools:
    """Which of n designs no other one is better than; of equal ones, the first only. Shape (n,)."""
    violation = np.zeros(len(values)) if violation is None else violation
    beaten = better(values[:, None], violation[:, None], values[None], violation[None]).any(axis=0)
    same = (values[:, None] == values[None]).all(axis=2) & (violation[:, None] == violation[None])
    out: Bools = ~beaten & ~np.tril(same, -1).any(axis=1)
    return out


def crowding(values: Floats) -> Floats:
    """Crowding distance of n designs, shape (n,): infinite at the ends, large where neighbours are far.

    K. Deb et al., IEEE Trans. Evol. Comput. 6, 182 (2002), section III-B.
    """
    out = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        out[order[[0, -1]]] = np.inf
        if span > 0:
            out[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return out


def hypervolume(values: Floats, reference: Floats) -> float:
    """Area that designs with two objectives dominate, up to a reference point that is worse than all of interest.

    Parameters
    ----------
    values : ndarray of float64, shape (n, 2)
    reference : ndarray of float64, shape (2,)

    Returns
    -------
    float
        In the product of both units.
    """
    inside = values[(values < reference).all(axis=1)]
    area, height = 0.0, float(reference[1])
    for x, y in inside[np.lexsort((inside[:, 1], inside[:, 0]))]:
        if y < height:
            area += float(reference[0] - x) * (height - float(y))
            height = float(y)
    return area
