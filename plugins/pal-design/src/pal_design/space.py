"""What is searched: vectors within bounds, and the samples that they stand for."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pal_core.kernels import Sample

__all__ = ["Box", "Space"]

Floats = NDArray[np.float64]


class Space(ABC):
    """Vectors within bounds. Searches work on the unit cube; a point of it is a place here.

    Parameters
    ----------
    lower, upper : array_like of float, shape (dimensions,)
        In the parameters' units; `lower` < `upper`.

    Attributes
    ----------
    names : tuple of str
        Of the parameters.
    periodic : ndarray of bool, shape (dimensions,)
        Parameters whose bounds are the same design: angles, places along a periodic channel.
    """

    def __init__(
        self,
        lower: ArrayLike,
        upper: ArrayLike,
        names: tuple[str, ...] = (),
        periodic: NDArray[np.bool_] | None = None,
    ) -> None:
        self.lower, self.upper = np.array(lower, np.float64), np.array(upper, np.float64)
        self.names = names or tuple(f"x{k}" for k in range(len(self.lower)))
        self.periodic = np.zeros(len(self.lower), np.bool_) if periodic is None else np.array(periodic, np.bool_)

    @property
    def dimensions(self) -> int:
        """Number of parameters."""
        return len(self.lower)

    def vector(self, place: Floats) -> Floats:
        """Parameters at a place in the unit cube, shape (dimensions,)."""
        return np.asarray(self.lower + (self.upper - self.lower) * place, np.float64)

    def place(self, vector: Floats) -> Floats:
        """Place in the unit cube of parameters."""
        return np.asarray((vector - self.lower) / (self.upper - self.lower), np.float64)

    def admissible(self, vector: Floats) -> bool:
        """Whether there is such a design at all; nothing else is ever proposed."""
        return True

    @abstractmethod
    def sample(self, vector: Floats) -> Sample:
        """The sample of an admissible design."""


class Box(Space):
    """Every vector within the bounds is its own sample.

    Parameters
    ----------
    field : str
        Name of the sample's field, float64 (dimensions,).
    """

    def __init__(self, field: str, lower: ArrayLike, upper: ArrayLike, names: tuple[str, ...] = ()) -> None:
        super().__init__(lower, upper, names)
        self._field = field

    def sample(self, vector: Floats) -> Sample:
        """The vector as the one field."""
        return {self._field: np.array(vector)}
