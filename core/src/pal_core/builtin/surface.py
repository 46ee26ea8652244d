"""The Müller-Brown surface: three minima, two saddle points, walls at every side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["muller_brown"]

Floats = NDArray[np.float64]

# One column per exponential: A, a, b, c, x0, y0 of the reference's equation (p. 77).
_HEIGHT = np.array([-200.0, -100.0, -170.0, 15.0])
_XX = np.array([-1.0, -1.0, -6.5, 0.7])
_XY = np.array([0.0, 0.0, 11.0, 0.6])
_YY = np.array([-10.0, -10.0, -6.5, 0.7])
_X0 = np.array([1.0, 0.0, -0.5, -1.0])
_Y0 = np.array([0.0, 0.5, 1.5, 1.0])


def muller_brown(x: Floats) -> tuple[Floats, Floats]:
    """Energy and gradient of the Müller-Brown surface.

    Parameters
    ----------
    x : ndarray of float64, shape (n, 2)

    Returns
    -------
    energy : ndarray of float64, shape (n,)
    gradient : ndarray of float64, shape (n, 2)

    Notes
    -----
    K. Müller and L. D. Brown, Theor. Chim. Acta 53, 75 (1979):
    ``sum_k A_k exp(a_k (x - x_k)^2 + b_k (x - x_k)(y - y_k) + c_k (y - y_k)^2)``.
    """
    dx = x[:, :1] - _X0
    dy = x[:, 1:] - _Y0
    terms = _HEIGHT * np.exp(_XX * dx * dx + _XY * dx * dy + _YY * dy * dy)
    slope_x = terms * (2 * _XX * dx + _XY * dy)
    slope_y = terms * (_XY * dx + 2 * _YY * dy)
    return terms.sum(axis=1), np.stack([slope_x.sum(axis=1), slope_y.sum(axis=1)], axis=1)
