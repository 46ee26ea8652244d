"""A bounded set of designs that none other is better than."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pal_design.pareto import crowding, front

__all__ = ["Designs"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Designs:
    """Places in the unit cube with what is known of them.

    Parameters
    ----------
    places : ndarray of float64, shape (n, dimensions)
    values : ndarray of float64, shape (n, objectives)
        To be minimised.
    violation : ndarray of float64, shape (n,)
        Infinite where nothing is known.
    """

    places: Floats
    values: Floats
    violation: Floats

    @classmethod
    def unknown(cls, places: Floats, objectives: int) -> Designs:
        """Places that nothing is known of."""
        n = len(places)
        return cls(places.copy(), np.full((n, objectives), np.inf), np.full(n, np.inf))

    def __len__(self) -> int:
        return len(self.places)

    def take(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> Designs:
        """Some of them, in that order."""
        return Designs(self.places[which], self.values[which], self.violation[which])

    def join(self, other: Designs) -> Designs:
        """These, then those."""
        return Designs(
            np.concatenate([self.places, other.places]),
            np.concatenate([self.values, other.values]),
            np.concatenate([self.violation, other.violation]),
        )

    def replaced(self, which: NDArray[np.bool_], other: Designs) -> Designs:
        """The same, with those of `other` where `which` says so."""
        return Designs(
            np.where(which[:, None], other.places, self.places),
            np.where(which[:, None], other.values, self.values),
            np.where(which, other.violation, self.violation),
        )

    def best(self, most: int) -> Designs:
        """The known ones that none other is better than; of more than `most`, those in the emptiest surroundings."""
        known = self.take(np.isfinite(self.violation))
        out = known.take(front(known.values, known.violation))
        while len(out) > most:
            out = out.take(np.arange(len(out)) != np.argmin(crowding(out.values)))
        return out
