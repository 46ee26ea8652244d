"""Memory of label checks, kept apart by what may be compared."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import numpy as np
from pal_core.kernels import Sample

__all__ = ["ByComposition", "composition"]

T = TypeVar("T")


def composition(sample: Sample) -> bytes:
    """Elements in their order, periodicity, charge and multiplicity: labels of other ones are not comparable."""
    return b"/".join(np.asarray(sample[n]).tobytes() for n in ("numbers", "pbc", "charge", "multiplicity"))


class ByComposition(Generic[T]):
    """One memory for each of the compositions that came last.

    Parameters
    ----------
    make : callable
        Makes an empty one.
    most : int
        Compositions that are kept; beyond that the one that has not come for longest is forgotten.
    """

    def __init__(self, make: Callable[[], T], most: int = 256) -> None:
        self._make = make
        self._most = most
        self._kept: OrderedDict[bytes, T] = OrderedDict()

    def __getitem__(self, key: bytes) -> T:
        if key not in self._kept:
            self._kept[key] = self._make()
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def __iter__(self) -> Iterator[tuple[bytes, T]]:
        """Compositions and their memories, the longest unused first."""
        return iter(self._kept.items())

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
