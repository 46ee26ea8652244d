"""Host of walkers: collects what they propose into batches, hands verdicts back to one walker after the other."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pal_core import messages as m
from pal_core.data import Batch
from pal_core.data.finite import broken_samples
from pal_core.kernels import Feedback, Generator, Proposal, Sample, State, Stop
from pal_core.runtime.host import Host, KernelError, close_all
from pal_core.runtime.snapshots import Notes, States

__all__ = ["LIFE", "GeneratorHost"]

FLUSH_AFTER = 0.02
"""Seconds after which ready proposals leave although other walkers are still to be asked."""
LIFE = 1 << 32
"""Numbers of messages that a host may use before another rank takes it over and counts from the next multiple."""
SOUND_STEPS = 100
"""Proposals after which a walker's earlier errors are forgotten: they are no longer "in a row"."""
_WISHES = {None: 0, True: 1, False: -1}
_CATCH_UP = 5.0
"""Seconds that a halting host takes to tell its walkers what became of their last proposals."""


@dataclass
class _Walker:
    """A walker, its last snapshot, and its errors in a row."""

    kernel: Generator
    state: State | None = None
    faults: int = 0
    sound: int = 0


@dataclass(frozen=True)
class _Turn:
    """What a walker has proposed in one turn; `alone` if it was a sample and not a sequence."""

    walker: int
    samples: tuple[Sample, ...]
    wish: tuple[int, ...]
    alone: bool

    @classmethod
    def of(cls, walker: int, proposal: Any) -> _Turn:
        alone = isinstance(proposal, Mapping | Proposal)
        parts = (proposal,) if alone else tuple(proposal)
        if not parts:
            raise ValueError("propose() returned no sample: an empty sequence")
        marked = [p if isinstance(p, Proposal) else Proposal(p) for p in parts]
        return cls(walker, tuple(p.sample for p in marked), tuple(_WISHES[p.label] for p in marked), alone)


class GeneratorHost(Host):
    """Walkers of one rank."""

    table = "generator"

    def build(self) -> Batch:
        """Construct or restore the walkers, and take their first proposals."""
        self._walkers: dict[int, _Walker] = {}
        self._todo: deque[tuple[int, Feedback | tuple[Feedback, ...] | None]] = deque()
        self._ready: list[_Turn] = []
        self._ended: list[tuple[int, str]] = []
        self._flying: dict[int, list[_Turn]] = {}
        self._bootstrap = 0
        self._seq = self.times * LIFE
        self._exploring = False
        self._disabled: dict[int, str] = {}
        self._untold = False
        past = self.setup.past
        for index in self.part.indices:
            state, notes = past.state(f"walker/{index}"), past.notes(f"walker/{index}")
            if notes.get("disabled"):
                self._disabled[index] = str(notes["disabled"])
                self._untold = True
                continue
            walker = _Walker(self._make(index, state), state, int(notes.get("faults", 0)), int(notes.get("sound", 0)))
            self._walkers[index] = walker
            self._ask(index, None)
        schema = self.setup.loaded.sample_schema
        return Batch.from_samples(schema, [s for turn in self._ready for s in turn.samples])

    def _make(self, index: int, state: State | None) -> Generator:
        walker: Generator = self.setup.build(self.kernel, self.context(index))
        if state is not None:
            walker.restore(state)
        return walker

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
        answers = _feedbacks(verdicts, self.setup.loaded.generator.interface.covariances)
        for turn in self._flying.pop(verdicts.seq):
            mine = tuple(next(answers) for _ in turn.samples)
            self._todo.append((turn.walker, mine[0] if turn.alone else mine))

    def step(self, now: float) -> bool:
        """Move walkers on, then send what they propose."""
        with self.guarded():
            if self._bootstrap:
                self._send_bootstrap()
                return True
            if not self._exploring or not (self._todo or self._ready or self._ended or self._untold):
                return False
            begin = time.monotonic()
            while self._todo and time.monotonic() - begin < FLUSH_AFTER:
                self._propose(*self._todo.popleft())
            if not (self._todo and self._lock_step):
                self._send()
        return True

    @property
    def _lock_step(self) -> bool:
        """Whether the walkers' proposals are predicted together: then none need leave before the others."""
        return self.setup.loaded.settings.run.batching == "all"

    def _ask(self, index: int, feedback: Feedback | tuple[Feedback, ...] | None) -> None:
        walker = self._walkers[index]
        proposal = walker.kernel.propose(feedback)
        if isinstance(proposal, Stop):
            self._ended.append((index, proposal.reason))
        else:
            self._ready.append(_Turn.of(index, proposal))
        walker.sound += 1
        if walker.faults and walker.sound > SOUND_STEPS:
            walker.faults = 0

    def _propose(self, index: int, feedback: Feedback | tuple[Feedback, ...] | None) -> None:
        try:
            self._ask(index, feedback)
        except Exception as error:
            self._faulty(index, error)

    def _send(self) -> None:
        if self._untold:
            self._untold = False
            self.post("exchange", m.WalkersEnded(tuple(self._disabled), tuple(self._disabled.values()), disabled=True))
        if self._ended:
            ended, reasons = zip(*self._ended, strict=True)
            self.post("exchange", m.WalkersEnded(ended, reasons))
            self._ended.clear()
        if self._ready:
            # Whoever was reset meanwhile, a restarted run has the same order.
            turns, self._ready = sorted(self._ready, key=attrgetter("walker")), []
            batch = Batch.from_samples(self.setup.loaded.sample_schema, [s for t in turns for s in t.samples])
            turns, batch = self._without_broken(turns, batch)
            if not turns:
                return
            wish = np.array([w for t in turns for w in t.wish], np.int64)
            self.post("exchange", m.Proposals(self._seq, _rows(turns), batch, wish))
            self._flying[self._seq] = turns
            self._seq += 1
            self.count(proposed=len(batch))

    def _without_broken(self, turns: list[_Turn], batch: Batch) -> tuple[list[_Turn], Batch]:
        """Reset walkers whose state has become non-finite, in one sample or all of them; what the others propose."""
        broken = broken_samples(batch)
        if broken is None:
            return turns, batch
        walkers = _rows(turns)
        faulty = np.unique(walkers[broken])
        for index in faulty.tolist():
            self._faulty(index, FloatingPointError("a proposal has values that are not finite"))
        sound = np.flatnonzero(~np.isin(walkers, faulty))
        return [t for t in turns if t.walker not in faulty], batch.take(sound)

    # --- errors of walkers

    def _faulty(self, index: int, error: Exception) -> None:
        """Treat an error by ``generator.on_error``: reset the walker, disable it, or end the run."""
        options = self.setup.loaded.settings.generator
        cause = self.kernel_error(error)
        if options.on_error == "stop":
            raise cause
        walker = self._walkers[index]
        walker.faults, walker.sound = walker.faults + 1, 0
        if options.on_error == "disable" or walker.faults > options.resets:
            self._disable(index, cause)
            return
        # From its snapshot only once: a walker that fails again goes back to its start. When snapshots are taken
        # depends on the clock, which must not matter to a run that repeats itself.
        state = walker.state if walker.faults == 1 and not self.setup.deterministic else None
        where = "its start" if state is None else "its last snapshot"
        self.report(cause, f"walker {index} goes on from {where} ({walker.faults} of {options.resets} resets in a row)")
        try:
            walker.kernel.close()
            walker.kernel = self._make(index, state)
        except Exception as again:
            self._disable(index, self.kernel_error(again))
            return
        self._todo.append((index, None))

    def _disable(self, index: int, error: KernelError) -> None:
        self.report(error, f"walker {index} is disabled")
        cause = error.__cause__
        reason = f"walker {index} is disabled after {type(cause).__name__}: {cause}"
        self._disabled[index] = reason
        with contextlib.suppress(Exception):  # it has failed often enough
            self._walkers.pop(index).kernel.close()
        self.post("exchange", m.WalkersEnded((index,), (reason,), disabled=True))

    def _send_bootstrap(self) -> None:
        """Samples without a model, from the walkers in turn; one that can't is passed over."""
        indices = deque(self._walkers)
        walkers: list[int] = []
        samples: list[Sample] = []
        while self._bootstrap and indices:
            index = indices[0]
            try:
                samples.append(self._walkers[index].kernel.bootstrap())
            except NotImplementedError:
                raise
            except Exception as error:
                indices.popleft()
                if not indices:
                    raise
                self.report(self.kernel_error(error), f"other walkers than {index} propose samples to start from")
                continue
            walkers.append(index)
            indices.rotate(-1)
            self._bootstrap -= 1
        batch = Batch.from_samples(self.setup.loaded.sample_schema, samples)
        self.post("manager", m.Candidates(np.array(walkers, np.int64), batch))

    # --- snapshots and the end

    def at_rest(self) -> bool:
        """In the serial schedule every walker has first to hear of its last proposal: then nothing is under way."""
        return not self._todo or self.setup.loaded.settings.run.schedule != "serial"

    def states(self) -> tuple[States, Notes]:
        """Every walker's snapshot, which is also what the walker would be reset to; and who is disabled, and why."""
        notes: dict[str, dict[str, Any]] = {f"walker/{i}": {"disabled": why} for i, why in self._disabled.items()}
        for index, walker in self._walkers.items():
            walker.state = walker.kernel.snapshot() or None
            if walker.faults:
                notes[f"walker/{index}"] = {"faults": walker.faults, "sound": walker.sound}
        return {f"walker/{i}": w.state for i, w in self._walkers.items() if w.state}, notes

    def halt(self, message: m.Halt) -> None:
        """Hand out the verdicts first: a walker that hasn't heard its own would propose the same sample again later."""
        if not self.halted and not self.broken:
            end = time.monotonic() + _CATCH_UP
            with self.guarded():
                while self._todo and time.monotonic() < end:
                    self._propose(*self._todo.popleft())
        super().halt(message)

    def close(self) -> None:
        """Close the walkers."""
        close_all([w.kernel for w in getattr(self, "_walkers", {}).values()])


def _rows(turns: Iterable[_Turn]) -> NDArray[np.int64]:
    """The walker of every sample."""
    return np.array([t.walker for t in turns for _ in t.samples], np.int64)


def _feedbacks(verdicts: m.Verdicts, pairs: Sequence[tuple[str, str]]) -> Iterator[Feedback]:
    """What the verdicts say of every sample; `pairs` of fields are those whose covariances they hold."""
    size = len(verdicts.mean)
    covariances: Iterable[Sample] = [{}] * size if verdicts.covariances is None else verdicts.covariances
    for row, (mean, std, covariance) in enumerate(zip(verdicts.mean, verdicts.std, covariances, strict=True)):
        yield Feedback(
            mean=mean,
            std=std,
            score=float(verdicts.score[row]),
            trusted=bool(verdicts.trusted[row]),
            selected=bool(verdicts.selected[row]),
            version=verdicts.version,
            covariance=dict(zip(pairs, covariance.values(), strict=True)),
        )
