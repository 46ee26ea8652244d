"""A campaign of 48 hours: session after session on one store, until the time is up or a stop rule is met."""

from __future__ import annotations

import traceback
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from clock import Clock
from scenario import CAMPAIGN, draw
from session import Session
from store import Journal, Store
from watch import Violation

from pal_core.control import vocabulary as v
from pal_core.control.manager import Manager

__all__ = ["Campaign", "Result"]


@dataclass
class Result:
    """What became of a campaign."""

    seed: int
    violation: str = ""
    labels: int = 0
    finished: int = 0
    """Labels that oracles have finished, also those nobody has received."""
    sessions: int = 0
    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)


class Campaign:
    """Everything follows from the seed.

    Parameters
    ----------
    seed : int
    manager_class : type of Manager
        The machine under test.
    """

    def __init__(self, seed: int, manager_class: type[Manager] = Manager) -> None:
        self.rng = Random(f"campaign {seed}")
        self.scenario = draw(self.rng)
        self.manager_class = manager_class
        self.clock = Clock()
        self.store = Store()
        self.journal = Journal()
        self.disk: dict[int, dict[str, tuple[int, int]]] = {}
        self.result = Result(seed)
        self.session: Session | None = None

    def run(self) -> Result:
        """Live through it; a violation is told with the last events before it."""
        try:
            while self.clock.now < CAMPAIGN and self._begin_anew():
                pass
            self._check_labels()
        except Exception as error:  # a machine that raises has broken a promise too
            self.result.violation = f"{type(error).__name__}: {error}\n{self._history()}"
            if not isinstance(error, Violation | AssertionError):
                self.result.violation += f"\n{_where(error)}"
        self.result.labels = len(self.store.labels)
        self.result.finished = sum(e.good for e in self.journal.entries)
        self.result.events = self.clock.events
        return self.result

    def _begin_anew(self) -> bool:
        """Let one session live; True if another one may follow."""
        was_done, labels = self.store.outcome == "done", len(self.store.labels)
        rounds = min(self.store.weights.values(), default=0)
        faults = self.result.faults
        self.session = Session(
            self.scenario, self.rng, self.clock, self.store, self.journal, faults, self.disk, self.manager_class
        )
        self.session.run()
        self.result.sessions += 1
        over = self.session.over
        self.result.ends[_name(over)] += 1
        self._check_journal()
        self.session.watch.check(min(self.store.weights.values(), default=0) >= rounds, "weights of an older round")
        self.clock.forget()
        self.clock.now += self.rng.uniform(30.0, 600.0)
        if was_done and isinstance(over, v.Finished) and over.outcome == "done":
            self.session.watch.check(len(self.store.labels) == labels, "a run that was done has made more labels")
            return False
        return True

    def _check_journal(self) -> None:
        """Every label in the store was finished by an oracle; nothing else is in it."""
        assert self.session is not None
        entries = self.journal.entries
        for sample, entry in self.store.labels.items():
            good = entry.good and entry.sample == sample and entries[entry.number] is entry
            self.session.watch.check(good, f"the label of sample {sample} is invented")

    def _check_labels(self) -> None:
        """Every number has become a sample with a fate."""
        assert self.session is not None
        check, rows = self.session.watch.check, self.store.samples
        check(set(rows) == set(range(1, self.store.numbered + 1)), "numbers without a sample")
        fates = {"waiting", "labelled", "quarantined", "queue full", "reranked", "stopping"}
        check({row.state for row in rows.values()} <= fates, "a sample without a fate")
        labelled = {n for n, row in rows.items() if row.state == "labelled"}
        check(labelled == self.store.labels.keys(), "labelled samples without label, or the other way round")

    def _history(self) -> str:
        recent = self.session.watch.recent if self.session is not None else ()
        start = self.session.start if self.session is not None else 0.0
        return "\n".join(f"    {time - start:12.2f} s  {event}" for time, event in recent)


def _name(over: v.Action | None) -> str:
    """How a session has ended, in words."""
    if over is None:
        return "killed"
    if isinstance(over, v.Finished):
        return over.outcome
    return "restarted" if isinstance(over, v.Restart) else "abandoned"


def _where(error: BaseException) -> str:
    return "".join(traceback.format_tb(error.__traceback__)[-6:])
