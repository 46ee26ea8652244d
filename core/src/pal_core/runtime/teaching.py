"""What training hosts are given: labels in rounds, and what is known already when they begin anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pal_core import messages as m
from pal_core.control.rounds import Rounds
from pal_core.data import Batch
from pal_core.runtime.beginning import validation_mask
from pal_core.runtime.host import Setup
from pal_core.store.store import Store

__all__ = ["Teaching"]


class Teaching:
    """Sends labels with their samples, and knows how many each round was trained on.

    Parameters
    ----------
    setup : Setup
    store : Store
    post : callable
        ``post(to, message)`` sends.
    """

    def __init__(self, setup: Setup, store: Store, post: Callable[[str, m.Message], None]) -> None:
        self._setup = setup
        self._store = store
        self._post = post
        self._trained_on: dict[int, int] = {}

    def labels(self, number: int) -> int:
        """Labels that a round was trained on, those of earlier rounds included."""
        return self._trained_on[number]

    def _data(self, samples: Sequence[int]) -> tuple[Batch, NDArray[np.bool_], NDArray[np.float64]]:
        batch = self._store.samples(samples).join(self._store.labels(samples))
        mask = validation_mask(self._store, self._setup.loaded.settings, samples)
        return batch, mask, self._store.scores(samples)

    def recall(self, hosts: Iterable[str], number: int) -> None:
        """Tell training hosts what the rounds up to this one have been trained on, be it nothing."""
        samples = self._store.used(number)
        self._trained_on[number] = len(samples)
        data = self._data(samples)
        for host in hosts:
            self._post(host, m.Recall(number, *data))

    def release(self, number: int, samples: Sequence[int]) -> None:
        """Give all training hosts the labels of a new round."""
        self._store.released(samples, number)
        self._trained_on[number] = self._trained_on.get(number - 1, 0) + len(samples)
        data = self._data(samples)
        for host in self._setup.plan.addresses("training"):
            self._post(host, m.Train(number, *data))

    def rejoin(self, host: str, rounds: Rounds) -> None:
        """Bring a host that begins anew to where the others are."""
        done = rounds.over[host]
        self.recall([host], done)
        known = set(self._store.used(done))
        for number in range(done + 1, rounds.released + 1):
            samples = [n for n in self._store.used(number) if n not in known]
            known.update(samples)
            self._post(host, m.Train(number, *self._data(samples)))
