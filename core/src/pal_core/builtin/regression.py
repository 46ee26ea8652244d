"""The least-squares problem that the toy model solves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pal_core.builtin.descent import ConjugateGradient
from pal_core.builtin.features import FourierFeatures
from pal_core.builtin.options import ToyModelOptions
from pal_core.data import Batch

__all__ = ["Regression", "mean_errors", "mean_loss"]

Floats = NDArray[np.float64]


class Regression:
    """Normal equations of weighted ridge regression on energies and gradients.

    Parameters
    ----------
    features : FourierFeatures
    data : Batch
        Points with labels, n of them.
    shares : ndarray of float64, shape (n,)
        Weights of the points in the sum of squares.
    options : ToyModelOptions
    """

    def __init__(self, features: FourierFeatures, data: Batch, shares: Floats, options: ToyModelOptions) -> None:
        self.offset = float(data.columns["energy"].mean())
        self._tolerance = options.tolerance
        values, slopes = features.design(data.columns["x"])
        # Gradients are multiplied by the length scale, so that both kinds of errors are energies.
        n, width = values.shape
        self._design = np.concatenate([values[:, None], options.lengthscale * slopes], axis=1).reshape(3 * n, width)
        energy, gradient = data.columns["energy"] - self.offset, data.columns["gradient"]
        self._target = np.column_stack([energy, options.lengthscale * gradient]).ravel()
        self._shares = np.repeat(shares, 3)
        self._scale = np.tile([1.0, options.lengthscale, options.lengthscale], n)
        weighted = self._design.T * self._shares
        self.matrix = weighted @ self._design + options.ridge * np.eye(width)
        self.rhs = weighted @ self._target

    def solver(self, start: Floats) -> ConjugateGradient:
        """Conjugate gradients from the weights `start`."""
        return ConjugateGradient(self.rhs, start, self.rhs - self.matrix @ start, self._tolerance)

    def metrics(self, w: Floats) -> dict[str, float]:
        """Loss per point and mean absolute errors of the training data."""
        errors = self._target - self._design @ w
        loss = 3 * float(np.mean(self._shares * errors**2))
        absolute = np.abs(errors / self._scale).reshape(-1, 3)
        return {
            "loss": loss,
            "energy_mae": float(absolute[:, 0].mean()),
            "gradient_mae": float(absolute[:, 1:].mean()),
        }


def mean_errors(predicted: Batch, labelled: Batch) -> dict[str, float]:
    """Mean absolute error of every predicted field, as validation metrics."""
    return {
        f"validation_{name}_mae": float(np.abs(column - labelled.columns[name]).mean())
        for name, column in predicted.columns.items()
    }


def mean_loss(predicted: Batch, labelled: Batch, lengthscale: float) -> float:
    """Loss per point, all points weighing the same: the sum of squares that is minimised, without the ridge."""
    energy, gradient = (predicted.columns[n] - labelled.columns[n] for n in ("energy", "gradient"))
    return float(np.mean(energy**2) + lengthscale**2 * np.mean(np.sum(gradient**2, axis=1)))
