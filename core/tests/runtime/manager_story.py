"""A manager of two hosts of each role, and what happens to it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from worlds import Outbox, labels_of, make_setup, plugins, points, predicted

from pal_core import messages as m
from pal_core.builtin.schema import LABEL
from pal_core.data import Batch
from pal_core.runtime.manager import ManagerHost
from pal_core.runtime.oracle_process import oracle_wire
from pal_core.runtime.past import Past
from pal_core.runtime.plan import Part, Processes
from pal_core.runtime.spool import Spool
from pal_core.store.store import Store

__all__ = ["Story"]

TWO_OF_EACH = Processes(1, 2, 2, 2, 2)
NONE = Past()


class Story:
    """A manager and what happens to it."""

    def __init__(
        self, folder: Path, observers=(), post=None, launched=False, accept=False, past=NONE, spares=0, **tables
    ) -> None:
        setup = make_setup(folder, replace(TWO_OF_EACH, spares=spares), **tables)
        self.setup = replace(setup, accept_changes=accept, set=past.set, repeats=past.repeats)
        self.out = Outbox()
        post = post or self.out
        self.host = ManagerHost(self.setup.plan.parts[0], self.setup, post, plugins(), observers, launched=launched)
        self.seed = 100 * self.store.session  # no later session proposes the same samples

    def say(self, sender: str, message: m.Message) -> None:
        self.host.receive(sender, message)
        self.host.work(time.monotonic())

    def begin(self) -> Story:
        """All hosts are ready and the first samples are sound."""
        for part in self.hosts:
            self.say(part.address, m.Ready(points(2) if part.role == "generator" else None))
        self.say("oracle/0", m.Inspected(()))
        return self

    def bootstrap(self, count: int, seed: int = 0) -> None:
        """The walkers' hosts propose samples without a model, half of them each."""
        batch, half = points(count, seed), count // 2
        parts = {"generator/0": batch.slice(0, half), "generator/1": batch.slice(half, count)}
        for sender, part in parts.items():
            self.say(sender, m.Candidates(np.zeros(len(part), np.int64), part))

    def explore(self, labels: int = 12) -> Story:
        """The bootstrap is over and the first round trained."""
        self.begin()
        self.bootstrap(labels)
        while self.flying:
            self.label(*self.flying[0])
        self.round(1)
        self.out.clear()
        return self

    def round(self, number: int) -> None:
        for k in (0, 1):
            self.say(f"training/{k}", m.RoundBegan(number))
            self.say(f"training/{k}", m.RoundEnded(number, (k,), (4,), (9,), ({"loss": 0.5},)))

    def select(self, *energies: float, wanted: bool = False) -> None:
        n = len(energies)
        self.seed += 1
        batch = points(n, self.seed)
        mean, std = predicted(batch)
        self.say("exchange", m.Selected(np.arange(n) % 4, np.array(energies), 4, batch, mean, std, np.full(n, wanted)))

    def spool(self, sender: str, number: int, attempt: int = 1, seconds: float = 0.5) -> Path:
        """An oracle's process writes a label down, and nobody hears of it; the file."""
        folder = Spool(self.setup.directory, self.host._desk.level, oracle_wire(self.setup.loaded))
        folder.write(sender, m.Labelled(number, attempt, labels_of(self.store.samples([number])), seconds))
        return folder._file(number, attempt)

    def lose(self, host: str) -> None:
        """The rank of a host dies."""
        self.host.lost([self.host._replacing.rank(host)])
        self.host.work(time.monotonic())

    def kill(self) -> None:
        """End as a manager does whose process is killed after its last commit."""
        self.store.commit()
        self.store.close(commit=False)

    @property
    def hosts(self) -> list[Part]:
        """All but the manager, and the spare, which is no host yet."""
        return [p for p in self.setup.plan.parts if p.role not in ("manager", "spare")]

    @property
    def flying(self) -> list[tuple[str, int]]:
        return [(host, t.sample) for host, t in self.host._machine.queue.flying.items()]

    def label(self, sender: str, number: int, energy: float | None = None) -> None:
        batch = labels_of(self.store.samples([number]))
        if energy is not None:
            batch = Batch(LABEL, {"energy": [energy], "gradient": np.zeros((1, 2))})
        self.say(sender, m.Labelled(number, self.attempt(sender), batch, 0.5))

    def miss(self, sender: str, number: int, failure: str = "unconverged") -> None:
        self.say(sender, m.LabelFailed(number, self.attempt(sender), failure, "no luck", "the last lines", 0.5))

    def attempt(self, sender: str) -> int:
        """Number of the attempt that an oracle is at; 1 if it is idle."""
        ticket = self.host._machine.queue.flying.get(sender)
        return 1 if ticket is None else ticket.attempts + 1

    def tick(self, seconds: float = 5.0) -> None:
        self.host.tick(time.monotonic() + seconds)
        self.host.work(time.monotonic())

    @property
    def store(self) -> Store:
        return self.host._store

    def rows(self, sql: str) -> list[tuple]:
        return self.store._run(sql)
