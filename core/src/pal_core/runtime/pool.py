"""Labels that a training host has, for members that begin anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pal_core.data import Batch

__all__ = ["Pool"]

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

_SLACK = 2


class Pool:
    """Labels by the order in which they came; those that nobody will ask for again can be forgotten."""

    def __init__(self) -> None:
        self.arrived = 0
        """Labels that have come, those forgotten included."""
        self._parts: list[tuple[Ints, Batch, Bools]] = []

    def __len__(self) -> int:
        return sum(len(numbers) for numbers, *_ in self._parts)

    def add(self, batch: Batch, validation: Bools) -> Ints:
        """Take labels in; returns their numbers."""
        numbers = np.arange(self.arrived, self.arrived + len(batch), dtype=np.int64)
        self.arrived += len(batch)
        if len(batch):
            self._parts.append((numbers, batch, validation))
        return numbers

    def take(self, numbers: Ints) -> tuple[Batch, Bools]:
        """Labels by number, ascending, and which are held out.

        Raises
        ------
        KeyError
            If one has been forgotten, or hasn't come.
        """
        pieces, masks = [], []
        for held, batch, validation in self._parts:
            asked = numbers[(numbers >= held[0]) & (numbers <= held[-1])]
            rows = np.searchsorted(held, asked)
            if len(asked) and np.array_equal(held[rows], asked):
                pieces.append(batch if len(rows) == len(held) else batch.take(rows))
                masks.append(validation[rows])
        if sum(map(len, masks)) != len(numbers):
            raise KeyError("a label is asked for that this host doesn't have")
        return (pieces[0] if len(pieces) == 1 else Batch.concat(pieces)), np.concatenate(masks)

    def held_out(self, numbers: Ints) -> Ints:
        """Those of these that are held out for validation."""
        validation = np.concatenate([np.empty(0, np.bool_), *(part[2] for part in self._parts)])
        held = np.concatenate([np.empty(0, np.int64), *(part[0] for part in self._parts)])
        return numbers[np.isin(numbers, held[validation])]

    def keep(self, numbers: Ints) -> None:
        """Forget all others, once they are the greater part: copying takes time too."""
        if len(self) <= _SLACK * len(numbers):
            return
        batch, validation = self.take(numbers)
        self._parts = [(numbers, batch, validation)]
