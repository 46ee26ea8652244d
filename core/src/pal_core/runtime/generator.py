"""Host of walkers: collects what they propose into batches, hands verdicts back one by one."""

from __future__ import annotations

import time
from collections import deque

import numpy as np

from pal_core import messages as m
from pal_core.data import Batch
from pal_core.kernels import Feedback, Generator, Sample, Stop
from pal_core.runtime.checkpoint import load_state, save_state, walker_snapshot
from pal_core.runtime.host import Host, close_all

__all__ = ["GeneratorHost"]

FLUSH_AFTER = 0.02
"""Seconds after which ready proposals leave although other walkers are still to be asked."""
_CATCH_UP = 5.0
"""Seconds that a halting host takes to tell its walkers what became of their last proposals."""


class GeneratorHost(Host):
    """Walkers of one rank."""

    table = "generator"

    def build(self) -> Batch:
        """Construct or restore the walkers, and take their first proposals."""
        self._walkers: dict[int, Generator] = {}
        self._todo: deque[tuple[int, Feedback | None]] = deque()
        self._ready: list[tuple[int, Sample]] = []
        self._ended: list[tuple[int, str]] = []
        self._flying: dict[int, list[int]] = {}
        self._bootstrap = 0
        self._seq = 0
        self._exploring = False
        self._saved = time.monotonic()
        for index in self.part.indices:
            walker = self.setup.build(self.kernel, self.context(index))
            path = walker_snapshot(self.setup.directory, index)
            if path.exists():
                walker.restore(load_state(path)[0])
            self._walkers[index] = walker
            self._propose(index, None)
        schema = self.setup.loaded.sample_schema
        return Batch.from_samples(schema, [s for _, s in self._ready])

    def take(self, sender: str, message: m.Message) -> None:
        """Explore, bootstrap, or hear what became of proposals."""
        match message:
            case m.Explore():
                self._exploring = True
            case m.Bootstrap(count):
                self._bootstrap += count
            case m.Verdicts():
                self._hear(message)

    def _hear(self, verdicts: m.Verdicts) -> None:
        walkers = self._flying.pop(verdicts.seq)
        for row, (index, mean, std) in enumerate(zip(walkers, verdicts.mean, verdicts.std, strict=True)):
            feedback = Feedback(
                mean=mean,
                std=std,
                score=float(verdicts.score[row]),
                trusted=bool(verdicts.trusted[row]),
                selected=bool(verdicts.selected[row]),
                version=verdicts.version,
            )
            self._todo.append((index, feedback))

    def step(self, now: float) -> bool:
        """Move walkers on, then send what they propose."""
        with self.guarded():
            if self._bootstrap:
                self._send_bootstrap()
                return True
            if not self._exploring or not (self._todo or self._ready or self._ended):
                return False
            begin = time.monotonic()
            while self._todo and time.monotonic() - begin < FLUSH_AFTER:
                self._propose(*self._todo.popleft())
            self._send()
            if now - self._saved > self.setup.loaded.settings.run.snapshot_every:
                self.save()
                self._saved = now
        return True

    def _propose(self, index: int, feedback: Feedback | None) -> None:
        proposal = self._walkers[index].propose(feedback)
        if isinstance(proposal, Stop):
            self._ended.append((index, proposal.reason))
        else:
            self._ready.append((index, proposal))

    def _send(self) -> None:
        if self._ended:
            ended, reasons = zip(*self._ended, strict=True)
            self.post("exchange", m.WalkersEnded(ended, reasons))
            self._ended.clear()
        if self._ready:
            walkers = [i for i, _ in self._ready]
            batch = Batch.from_samples(self.setup.loaded.sample_schema, [s for _, s in self._ready])
            self._ready.clear()
            self.post("exchange", m.Proposals(self._seq, np.array(walkers, np.int64), batch))
            self._flying[self._seq] = walkers
            self._seq += 1
            self.count(proposed=len(walkers))

    def _send_bootstrap(self) -> None:
        indices = list(self._walkers)
        walkers = [indices[k % len(indices)] for k in range(self._bootstrap)]
        samples = [self._walkers[i].bootstrap() for i in walkers]
        batch = Batch.from_samples(self.setup.loaded.sample_schema, samples)
        self.post("manager", m.Candidates(np.array(walkers, np.int64), batch))
        self._bootstrap = 0

    def halt(self, message: m.Halt) -> None:
        """Hand out the verdicts first: a walker that hasn't heard its own would propose the same sample again later."""
        if not self.halted and not self.broken:
            end = time.monotonic() + _CATCH_UP
            with self.guarded():
                while self._todo and time.monotonic() < end:
                    self._propose(*self._todo.popleft())
        super().halt(message)

    def save(self) -> None:
        """Write every walker's snapshot."""
        for index, walker in self._walkers.items():
            state = walker.snapshot()
            if state:
                save_state(walker_snapshot(self.setup.directory, index), state)

    def close(self) -> None:
        """Close the walkers."""
        close_all(list(getattr(self, "_walkers", {}).values()))
