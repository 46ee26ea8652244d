"""Rolling training set: the newest labels, and a draw of older ones that costs bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rolling"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Rolling:
    """Which of the labels that have come so far a member trains on.

    Every label gets an exponentially distributed number ``e`` when it comes. Of the labels that are older than the
    window, those with the smallest ``e / w`` are replayed: a weighted random sample without replacement (P. S.
    Efraimidis, P. G. Spirakis, Inf. Process. Lett. 97, 181 (2006)), and a uniform one for equal weights ``w``
    (reservoir sampling). The numbers never change, so the draw depends only on the labels so far and on their order,
    not on the portions in which they came, and a label that has left a replay of fixed size never comes back.

    Parameters
    ----------
    window : int
        Newest labels that are always trained on.
    replay : int or float
        Number of older ones that are too, or their share (below 1; then every label may come back).
    weighted : bool
        Whether ``w`` is the label's score, or 1. Labels without a finite score weigh as much as the average one.
    stream : numpy.random.Generator
        The member's own.

    Examples
    --------
    >>> rolling = Rolling(2, 1, False, np.random.default_rng(0))
    >>> rolling.arrive(np.full(4, np.nan))
    >>> rolling.chosen().tolist()
    [1, 2, 3]
    """

    def __init__(self, window: int, replay: int | float, weighted: bool, stream: np.random.Generator) -> None:
        self.window = window
        self.replay = replay
        self.weighted = weighted
        self._stream = stream
        self._draws = np.empty(0)
        self._scores = np.empty(0)

    def __len__(self) -> int:
        return len(self._draws)

    def arrive(self, scores: Floats) -> None:
        """More labels have come, with the uncertainty by which they were selected; NaN where it isn't known."""
        self._draws = np.concatenate([self._draws, -np.log1p(-self._stream.random(len(scores)))])
        self._scores = np.concatenate([self._scores, scores])

    @property
    def _edge(self) -> int:
        """Number of labels older than the window."""
        return max(len(self) - self.window, 0)

    def chosen(self) -> Ints:
        """Labels to train on, by the order in which they came, ascending."""
        order = np.argsort(self._draws[: self._edge] / self._weights(), kind="stable")
        return self._with_window(order[: self._count])

    def needed(self) -> Ints:
        """Labels that are chosen now or may be ever again, ascending; all others can be forgotten."""
        if isinstance(self.replay, float):
            return np.arange(len(self), dtype=np.int64)
        if not self.weighted:
            return self.chosen()
        # What labels without a score weigh changes as scores come in, so of either kind as many may be needed.
        scored = np.isfinite(self._scores[: self._edge])
        order = np.argsort(self._draws[: self._edge] / self._weights(), kind="stable")
        kept = [order[scored[order] == kind][: self._count] for kind in (True, False)]
        return self._with_window(np.concatenate(kept))

    @property
    def _count(self) -> int:
        return round(self.replay * self._edge) if isinstance(self.replay, float) else min(self.replay, self._edge)

    def _weights(self) -> Floats:
        if not self.weighted:
            return np.ones(self._edge)
        scored = np.isfinite(self._scores)
        positive = np.maximum(self._scores, np.finfo(np.float64).tiny)
        average = float(positive[scored].mean()) if scored.any() else 1.0
        return np.where(scored, positive, average)[: self._edge]

    def _with_window(self, older: Ints) -> Ints:
        return np.concatenate([np.sort(older), np.arange(self._edge, len(self))]).astype(np.int64)
