"""Conjugate gradients in portions, with a state that can be written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ConjugateGradient"]

Floats = NDArray[np.float64]


class ConjugateGradient:
    """Solves ``matrix @ w = rhs`` for a symmetric positive definite matrix.

    Notes
    -----
    M. R. Hestenes and E. Stiefel, J. Res. Natl. Bur. Stand. 49, 409 (1952).

    Parameters
    ----------
    rhs : ndarray of float64, shape (D,)
    start : ndarray of float64, shape (D,)
        First guess.
    residual : ndarray of float64, shape (D,)
        ``rhs - matrix @ start``.
    tolerance : float
        Solved when the residual's norm has fallen to this part of the norm of `rhs`.
    """

    def __init__(self, rhs: Floats, start: Floats, residual: Floats, tolerance: float) -> None:
        self.w = start.copy()
        self._residual = residual
        self._direction = residual.copy()
        self._limit = tolerance * float(np.linalg.norm(rhs))

    @property
    def solved(self) -> bool:
        """Whether the residual is small enough."""
        return float(np.linalg.norm(self._residual)) <= self._limit

    def iterate(self, matrix: Floats, number: int) -> None:
        """Do `number` iterations, fewer if that solves it."""
        for _ in range(number):
            if self.solved:
                return
            image = matrix @ self._direction
            before = self._residual @ self._residual
            step = before / (self._direction @ image)
            self.w = self.w + step * self._direction
            self._residual = self._residual - step * image
            self._direction = self._residual + (self._residual @ self._residual) / before * self._direction

    def state(self) -> dict[str, Floats]:
        """All that `from_state` needs."""
        vectors = {"w": self.w, "residual": self._residual, "direction": self._direction}
        return {**{name: v.copy() for name, v in vectors.items()}, "limit": np.array(self._limit)}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> ConjugateGradient:
        """Go on from `state`."""
        solver = cls(state["w"], state["w"], np.array(state["residual"]), 0.0)
        solver._direction = np.array(state["direction"])
        solver._limit = float(state["limit"])
        return solver
