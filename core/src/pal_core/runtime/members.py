"""A member in training, and the policies that say what it is given and what of it is published."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pal_core.kernels import Epoch, Model, State, Stop
from pal_core.policies.renewal import Renewal, error_of
from pal_core.policies.rolling import Rolling
from pal_core.policies.watching import Patience, watched
from pal_core.rng import stream
from pal_core.runtime.pool import Pool
from pal_core.runtime.weights import Held, load_held
from pal_core.settings.model import Settings, TrainingTable

__all__ = ["Member", "make_member"]

Ints = NDArray[np.int64]


@dataclass
class Member:
    """A member in training, what it has published last, and its errors in a row.

    Parameters
    ----------
    build : callable
        ``build(times)`` constructs its model; with another number of times begun it has other initial weights.
    pool : Pool
        The host's labels.
    held : Held
        Weights published last.
    renewal : Renewal
    rolling : Rolling or None
        None: it trains on all labels.
    patience : int or None
    monitor : str
    """

    build: Callable[[int], Model]
    pool: Pool
    held: Held
    renewal: Renewal
    rolling: Rolling | None = None
    patience: int | None = None
    monitor: str = ""
    faults: int = 0
    epoch: int = 0
    epochs_in_round: int = 0
    unpublished: int = 0
    told: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: Iterator[Epoch | Stop] | None = None
    given: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    best: State | None = None
    _watch: Patience | None = None
    _value: float | None = None
    _held_out: bool = False

    def __post_init__(self) -> None:
        self.model = self.build(self.renewal.times)

    # --- labels

    def arrived(self, scores: NDArray[np.float64]) -> None:
        """More labels have come."""
        if self.rolling is not None:
            self.rolling.arrive(scores)

    @property
    def needed(self) -> Ints:
        """Numbers of the labels that this member may be trained on now or later."""
        return np.arange(self.pool.arrived) if self.rolling is None else self.rolling.needed()

    @property
    def in_use(self) -> Ints:
        """Numbers of the labels that it is trained on."""
        return np.arange(self.pool.arrived) if self.rolling is None else self.rolling.chosen()

    def give(self, numbers: Ints) -> None:
        """Give the model labels that come after those it has, as far as they are needed, and say which to use."""
        if self.rolling is not None:
            numbers = np.intersect1d(numbers, self.needed)
        self._extend(numbers)

    def _extend(self, numbers: Ints) -> None:
        if len(numbers):
            self.model.extend(*self.pool.take(numbers))
            self.given = np.concatenate([self.given, numbers])
        if self.rolling is not None:
            self.model.use(np.searchsorted(self.given, self.in_use))

    def _start(self, numbers: Ints) -> None:
        """A new model with these labels; nothing else it could be trained on is ever given to it."""
        self.rest()
        self.model.close()
        self.model = self.build(self.renewal.times)
        self.given = np.empty(0, np.int64)
        self._extend(numbers)

    # --- rounds

    def begin_round(self) -> None:
        """Nothing has been trained in this round yet."""
        self.epochs_in_round = 0
        self.best, self._value = None, None
        self._watch = None if self.patience is None else Patience(self.patience)
        watching = self.patience is not None or self.renewal.stalled is not None
        self._held_out = watching and len(self.pool.held_out(self.in_use)) > 0

    def rest(self) -> None:
        """Train no further in this round."""
        if isinstance(self.epochs, Generator):
            self.epochs.close()
        self.epochs = None

    def watch(self, metrics: dict[str, float]) -> None:
        """Judge an epoch that is over: keep its weights if they are the best so far, rest if none has been for long.

        Raises
        ------
        MissingMetricError
            If the metric to be watched isn't there.
        """
        if self._watch is None and self.renewal.stalled is None:
            return
        value = watched(metrics, self.monitor, self._held_out)
        self._value = value
        if self._watch is None:
            return
        if self._watch.improved(value):
            self.best = self.model.weights()
        elif self._watch.over:
            self.rest()
        self._value = self._watch.best

    @property
    def weights(self) -> State:
        """What this round has led to: the best weights, where they are watched for."""
        return self.model.weights() if self.best is None else self.best

    def end_round(self) -> None:
        """Go on from the best weights of this round."""
        if self.best is not None and self._watch is not None and self._watch.waited:
            self.model.load(self.best)
        self.renewal.ended(self._value)

    # --- beginning anew

    def renew(self) -> None:
        """Begin anew with other initial weights and all labels to be trained on."""
        self.renewal.begin()
        self._start(self.needed)

    def reset(self) -> None:
        """Begin anew from the weights published last, after an error; a trial has failed then."""
        self.renewal.trial = False
        self.unpublished = 0
        self.best = None
        self._start(self.needed)
        load_held(self.model, self.held)

    def errors(self) -> tuple[float, float]:
        """Errors of a member on trial and of its published weights, on the labels held out among those in use.

        On all in use while none is held out.
        """
        numbers = self.pool.held_out(self.in_use)
        labelled, _ = self.pool.take(numbers if len(numbers) else self.in_use)
        other = self.build(self.renewal.times)
        try:
            load_held(other, self.held)
            return error_of(self.model.predict(labelled), labelled), error_of(other.predict(labelled), labelled)
        finally:
            other.close()

    # --- snapshots

    def restore(self, state: State | None, notes: dict[str, Any], given: State | None) -> None:
        """Give the labels of then, exactly as they had been given, and go on from a snapshot if there is one."""
        numbers = self.needed
        if given is not None and state is not None:
            # Labels that came later, or that another setting wants, follow in their order.
            known = given["numbers"][given["numbers"] < self.pool.arrived]
            numbers = np.union1d(known, numbers).astype(np.int64)
        self._extend(numbers)
        if state is not None:
            self.model.restore(state)
            self.epoch = int(notes["epoch"])

    def notes(self) -> dict[str, Any]:
        """Plain values for a snapshot."""
        renewal = self.renewal
        counting = renewal.every is not None or renewal.stalled is not None or renewal.times
        return {"epoch": self.epoch, **({"renewal": renewal.notes()} if counting else {})}


def make_member(
    index: int, settings: Settings, build: Callable[[int], Model], pool: Pool, *, held: Held, notes: dict[str, Any]
) -> Member:
    """A member as the settings and the notes of a snapshot have it."""
    table = settings.training or TrainingTable()
    anew = table.reinitialise
    every, stalled = (None, None) if anew is None else (anew.every, anew.stalled)
    renewal = Renewal.of_member(index, settings.model.members, every, stalled)
    renewal.go_on(notes.get("renewal", {}))
    rolling = None
    if table.window is not None:
        draws = stream(settings.run.seed, "member", index, "replay")
        rolling = Rolling(table.window, table.replay, table.replay_by == "uncertainty", draws)
    return Member(build, pool, held, renewal, rolling, table.patience, table.monitor)
