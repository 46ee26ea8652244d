"""Sums over an epoch that metrics are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sums"]

Floats = NDArray[np.float64]


class Sums:
    """Loss and absolute errors of the samples so far.

    Parameters
    ----------
    names : tuple of str
        The outputs.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._count, self._loss, self._off = 0, 0.0, np.zeros(len(names))

    def add(self, each: Floats, off: Floats) -> None:
        """Take in samples: their losses, shape (n,), and the errors of their outputs, shape (n, outputs)."""
        self._count += len(each)
        self._loss += float(each.sum())
        self._off = self._off + np.abs(off).sum(axis=0)

    @property
    def loss(self) -> float:
        """Mean loss."""
        return self._loss / max(self._count, 1)

    def metrics(self, prefix: str = "") -> dict[str, float]:
        """Mean loss, and mean absolute errors in the units of the outputs."""
        errors = self._off / max(self._count, 1)
        named = {f"{name}_mae": float(e) for name, e in zip(self._names, errors, strict=True)}
        return {f"{prefix}{n}": value for n, value in {"loss": self.loss, **named}.items()}

    def state(self) -> Floats:
        """All that changes."""
        return np.array([self._count, self._loss, *self._off])

    def load(self, state: Floats) -> None:
        """Undo `state`."""
        self._count, self._loss, self._off = int(state[0]), float(state[1]), np.array(state[2:])
