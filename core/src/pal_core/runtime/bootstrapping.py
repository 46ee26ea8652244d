"""Samples to start from: asked of all walkers, numbered when all have come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pal_core import messages as m
from pal_core.data import Batch
from pal_core.runtime.plan import Plan

__all__ = ["Bootstrapping"]


class Bootstrapping:
    """Shares the samples out among the walkers, and puts them in an order that no dealing out of walkers changes.

    Parameters
    ----------
    plan : Plan
    post : callable
        ``post(to, message)`` sends.
    """

    def __init__(self, plan: Plan, post: Callable[[str, m.Message], None]) -> None:
        self._plan = plan
        self._post = post
        self._found: dict[str, m.Candidates | None] = {}

    def ask(self, count: int) -> None:
        """Ask for so many samples; the first walkers give what is left over."""
        parts = self._plan.role("generator")
        each, over = divmod(count, sum(len(p.indices) for p in parts))
        self._found = {}
        for part in parts:
            share = sum(each + (index < over) for index in part.indices)
            if share:
                self._found[part.address] = None
                self._post(part.address, m.Bootstrap(share))

    def collect(self, sender: str, message: m.Candidates) -> m.Candidates | None:
        """All samples, once every host has sent its own: every walker's first, then every second one."""
        self._found[sender] = message
        found = [c for c in self._found.values() if c is not None]
        if len(found) < len(self._found):
            return None
        self._found = {}
        walkers = np.concatenate([c.walkers for c in found])
        order = np.lexsort((walkers, _occurrences(walkers)))
        return m.Candidates(walkers[order], Batch.concat([c.batch for c in found]).take(order))


def _occurrences(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each number has come before, shape (n,)."""
    seen: Counter[int] = Counter()
    out = np.zeros(len(numbers), np.int64)
    for place, number in enumerate(numbers.tolist()):
        out[place] = seen[number]
        seen[number] += 1
    return out
