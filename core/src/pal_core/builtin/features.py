"""Random Fourier features of points, and their derivatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FourierFeatures"]

Floats = NDArray[np.float64]


class FourierFeatures:
    """Features ``sqrt(2 / D) cos(omega x + phase)``, whose dot product approximates a Gaussian kernel.

    Parameters
    ----------
    omega : ndarray of float64, shape (2, D)
        Wave vectors, normally distributed with standard deviation ``1 / lengthscale``.
    phase : ndarray of float64, shape (D,)
        Uniform in [0, 2 pi).

    Notes
    -----
    A. Rahimi and B. Recht, Adv. Neural Inf. Process. Syst. 20 (2007). The same row of `x` gives the same bits in a
    batch of any size: sums run over the last axis of contiguous arrays, not through a matrix product.
    """

    def __init__(self, omega: Floats, phase: Floats) -> None:
        self.omega, self.phase = omega, phase
        self._amplitude = np.sqrt(2 / len(phase))

    @classmethod
    def draw(cls, rng: np.random.Generator, number: int, lengthscale: float) -> FourierFeatures:
        """Draw `number` features."""
        return cls(rng.standard_normal((2, number)) / lengthscale, rng.uniform(0, 2 * np.pi, number))

    def design(self, x: Floats) -> tuple[Floats, Floats]:
        """Values, shape (n, D), and derivatives by x, shape (n, 2, D), of all features."""
        angle = self._angle(x)
        return self._amplitude * np.cos(angle), -self._amplitude * np.sin(angle)[:, None, :] * self.omega

    def combine(self, x: Floats, weights: Floats) -> tuple[Floats, Floats]:
        """Weighted sum of the features, shape (n,), and its gradient, shape (n, 2)."""
        angle = self._angle(x)
        value = (self._amplitude * np.cos(angle) * weights).sum(axis=1)
        slope = -self._amplitude * np.sin(angle) * weights
        return value, np.stack([(slope * omega).sum(axis=1) for omega in self.omega], axis=1)

    def _angle(self, x: Floats) -> Floats:
        angle: Floats = x[:, :1] * self.omega[0] + x[:, 1:] * self.omega[1] + self.phase
        return angle
