"""What survives a kill of everything: a model of the store and of the files beside it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pal_core.control.queue import HIGHEST, Ticket

__all__ = ["Finished", "Journal", "Sample", "Store"]


@dataclass(slots=True)
class Sample:
    """A row of the store."""

    walker: int
    score: float
    size: int
    bootstrap: bool
    state: str = "waiting"
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """An entry of the oracles' own journal: written on their disk when a label is finished."""

    number: int
    sample: int
    host: str
    good: bool


@dataclass
class Journal:
    """What oracles have finished, whoever hears of it."""

    entries: list[Finished] = field(default_factory=list)

    def write(self, sample: int, host: str, good: bool) -> Finished:
        """A label is finished."""
        entry = Finished(len(self.entries), sample, host, good)
        self.entries.append(entry)
        return entry


@dataclass
class Store:
    """Rows that are committed, and files that are complete."""

    samples: dict[int, Sample] = field(default_factory=dict)
    labels: dict[int, Finished] = field(default_factory=dict)
    used: dict[int, int] = field(default_factory=dict)
    """Round in which a label was released."""
    dropped: Counter[str] = field(default_factory=Counter)
    numbered: int = 0
    rounds_done: int = 0
    steps: int = 0
    selected: int = 0
    outcome: str = ""
    sets: dict[int, dict[str, int]] = field(default_factory=dict)
    """Committed sets: what every host with a state wrote."""
    weights: dict[str, int] = field(default_factory=dict)
    """Last round of each trainer whose weights are on disk."""

    def tickets(self, retries: int) -> list[Ticket]:
        """Samples that wait, as a new session begins with them."""
        return [
            Ticket(n, s.walker, _score(s), min(s.attempts, retries), size=s.size)
            for n, s in self.samples.items()
            if s.state == "waiting"
        ]

    def unused(self, rounds: int) -> list[int]:
        """Labels that no completed round was trained on."""
        return [n for n in self.labels if self.used.get(n, math.inf) > rounds]

    def beginning(self, trainers: tuple[str, ...], retries: int) -> dict[str, Any]:
        """State of a manager machine that goes on from here, as the runtime's `beginning.begin` reads it."""
        rounds = min((self.weights.get(t, 0) for t in trainers), default=0)
        return {
            "waiting": self.tickets(retries),
            "labelled": len(self.labels),
            "buffered": self.unused(rounds),
            "rounds": rounds,
            "rounds_done": self.rounds_done,
            "steps": self.steps,
            "selected": self.selected,
            "complete": self.outcome == "done",
            "last_set": max(self.sets, default=0),
        }


def _score(sample: Sample) -> float:
    return math.inf if sample.bootstrap else HIGHEST if math.isnan(sample.score) else sample.score
