"""When a member begins anew with other initial weights, and when these are published."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pal_core.data import Batch

__all__ = ["Renewal", "error_of"]


@dataclass
class Renewal:
    """Counts a member's rounds since it has begun.

    A member that has begun anew is *on trial*: prediction keeps the weights published before, until it is at least as
    good as they are on the same labels.

    Parameters
    ----------
    every : int or None
        Rounds after which it begins anew.
    stalled : int or None
        Rounds without a lower validation error after which it does.
    times : int
        How often it has.
    rounds : int
        Rounds since then. Members start with different numbers, so that they don't all begin anew at once.
    best : float
        Lowest validation error in these rounds.
    waited : int
        Rounds since that.
    trial : bool
    """

    every: int | None = None
    stalled: int | None = None
    times: int = 0
    rounds: int = 0
    best: float = math.inf
    waited: int = 0
    trial: bool = False

    @classmethod
    def of_member(cls, index: int, members: int, every: int | None, stalled: int | None) -> Renewal:
        """The beginning: members take turns."""
        return cls(every, stalled, rounds=(every or 0) * index // members)

    @property
    def due(self) -> bool:
        """Whether the next round is to be trained from other initial weights."""
        late = self.every is not None and self.rounds >= self.every
        return not self.trial and (late or (self.stalled is not None and self.waited >= self.stalled))

    def begin(self) -> None:
        """Other initial weights."""
        self.times += 1
        self.rounds = self.waited = 0
        self.best = math.inf
        self.trial = True

    def ended(self, value: float | None) -> None:
        """A round is over, with this validation error; None if it had no epoch."""
        self.rounds += 1
        if value is None:
            return
        self.waited = 0 if value < self.best else self.waited + 1
        self.best = min(value, self.best)

    def notes(self) -> dict[str, Any]:
        """What a snapshot has to keep, of values that JSON knows."""
        kept = asdict(self) | {"best": None if math.isinf(self.best) else self.best}
        return {k: v for k, v in kept.items() if k not in ("every", "stalled")}

    def go_on(self, notes: Mapping[str, Any]) -> None:
        """Undo `notes`."""
        for name in ("times", "rounds", "waited", "trial"):
            setattr(self, name, notes.get(name, getattr(self, name)))
        best = notes.get("best")
        self.best = math.inf if best is None else float(best)


def error_of(predicted: Batch, labelled: Batch) -> float:
    """Error of predictions, to compare models on the same labels: infinite if any is not finite.

    The root mean square error of every predicted field over the root mean square deviation of its labels from their
    mean, averaged over the fields. Labels that are not finite (no stress without a cell) say nothing.
    """
    ratios = []
    for name, column in predicted.columns.items():
        if name not in labelled.columns or labelled.columns[name].dtype.kind != "f":
            continue
        wanted = labelled.columns[name].astype(np.float64)
        said = np.isfinite(wanted)
        if not said.any():
            continue
        wanted = wanted[said]
        spread = float(np.sqrt(np.mean(np.square(wanted - wanted.mean())))) or 1.0
        ratios.append(float(np.sqrt(np.mean(np.square(column[said] - wanted)))) / spread)
    mean = sum(ratios) / len(ratios) if ratios else math.inf
    return mean if math.isfinite(mean) else math.inf
