"""Shell of the exchange machine: keeps the payloads, runs the selection, sends what the machine decides."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pal_core import messages as m
from pal_core.control import exchange as x
from pal_core.data import Batch, Committee
from pal_core.data.finite import broken_samples
from pal_core.kernels import Decision, Selection
from pal_core.policies.auditing import Audit
from pal_core.runtime.host import Host, Post, Setup
from pal_core.runtime.plan import Part
from pal_core.runtime.snapshots import Notes, States

__all__ = ["ExchangeHost"]

TELL_EVERY = 0.1
"""Seconds between two `Progress` messages."""


@dataclass
class _Work:
    """Payload of a batch on its way."""

    batch: Batch
    starts: dict[x.Chunk, int] = field(default_factory=dict)
    outputs: dict[int, Batch] = field(default_factory=dict)
    version: int = 0
    committee: Committee | None = None
    covariances: Batch | None = None
    decision: Decision | None = None


class ExchangeHost(Host):
    """The fast cycle's half of the controller."""

    table = "selection"

    def __init__(self, part: Part, setup: Setup, post: Post) -> None:
        super().__init__(part, setup, post)
        plan = setup.plan
        walkers = {p.address: len(p.indices) for p in plan.role("generator")}
        self._groups = (plan.addresses("prediction"),)
        members = {p.address: len(p.indices) for p in plan.role("prediction")}
        run = setup.loaded.settings.run
        self._machine = x.Exchange(walkers, self._groups, run.batching, run.schedule == "serial", members)
        self._chunks: dict[tuple[str, int], m.Proposals] = {}
        self._reranks: dict[int, Batch] = {}
        self._work: dict[int, _Work] = {}
        self._versions: dict[str, int] = {}
        self._audit: Audit | None = None
        self._set = 0
        self._exploring = False
        self._progress = [0, 0, 0]
        self._told = time.monotonic()

    def build(self) -> Batch | None:
        """Construct the selection."""
        self._selection: Selection = self.setup.build(self.kernel, self.context(0))
        state = self.setup.past.state("selection/0")
        if state is not None:
            self._selection.restore(state)
        settings = self.setup.loaded.settings
        if settings.selection.audit and settings.oracle is not None:
            self._audit = Audit(settings.selection.audit, settings.run.seed, self.setup.past.state("audit/0"))
        return None

    def take(self, sender: str, message: m.Message) -> None:
        """Turn a message into an event for the machine."""
        if isinstance(message, m.Explore):
            self._exploring = True
            for host in self._machine.walkers_present:
                self.post(host, message)
            return
        if isinstance(message, m.Lost):
            for host in message.hosts:
                self._do(self._machine.handle(x.HostLost(host)))
            return
        event = self._event(sender, message)
        if event is not None:
            self._do(self._machine.handle(event))

    def receive(self, sender: str, message: m.Message) -> None:
        """Pass the order for a snapshot on: it must come to the walkers after the verdicts sent before."""
        if isinstance(message, m.Snapshot):
            for host in self._machine.walkers_present:
                self.post(host, message)
        super().receive(sender, message)

    def states(self) -> tuple[States, Notes]:
        """States of the selection and of the audit."""
        state = self._selection.snapshot()
        states = {"selection/0": state} if state else {}
        if self._audit is not None:
            states["audit/0"] = self._audit.snapshot()
        return states, {}

    def _event(self, sender: str, message: m.Message) -> x.Event | None:  # noqa: PLR0911 - one row per message
        match message:
            case m.Proposals(seq, walkers):
                self._chunks.setdefault((sender, seq), message)
                return x.Proposed(x.Chunk(sender, seq, len(walkers), len(np.unique(walkers))))
            case m.Predicted():
                return self._predicted(sender, message)
            case m.WalkersEnded(walkers):
                self.post("manager", message)
                return x.WalkersGone(sender, walkers)
            case m.Rerank(request, batch):
                self._reranks[request] = batch
                return x.RerankAsked(request)
            case m.Resume(versions):
                self._versions = dict(versions)
                return x.ResumeExchange()
            case m.Back(host, seq):
                return x.HostBack(host, seq)
            case m.Quiet(number):
                self._set = number
                return x.Quieten()
            case m.Close(versions):
                self._versions = dict(versions)
                return x.Close()
            case m.Halted():
                return x.HostHalted(sender)
        return None

    def _predicted(self, sender: str, message: m.Predicted) -> x.Event | None:
        work = self._work.get(message.batch_id)
        if work is None:
            return None  # it comes late: the host was taken for lost
        work.outputs.update(zip(message.members, message.outputs, strict=True))
        lowest = min(message.versions)
        work.version = lowest if len(work.outputs) == len(message.members) else min(work.version, lowest)
        return x.Answered(sender, message.batch_id)

    def _do(self, actions: list[x.Action]) -> None:  # noqa: C901, PLR0912 - one row per action
        for action in actions:
            match action:
                case x.Predict(batch, chunks, group):
                    joined = Batch.concat([self._chunks[c.host, c.seq].batch for c in chunks])
                    starts = accumulate((c.size for c in chunks[:-1]), initial=0)
                    self._send_off(batch, group, _Work(joined, dict(zip(chunks, starts, strict=True))))
                case x.PredictQueue(batch, request, group):
                    self._send_off(batch, group, _Work(self._reranks.pop(request)))
                case x.Repeat(batch, host):
                    self.post(host, m.Predict(batch, self._work[batch].batch, self._versions))
                case x.GoOn(host):
                    if self._exploring:
                        self.post(host, m.Explore())
                case x.Judge(batch):
                    with self.guarded():
                        self._judge(self._work[batch])
                        self._do(self._machine.handle(x.Judged(batch)))
                        del self._work[batch]
                case x.RankQueue(batch, request):
                    with self.guarded():
                        self._rank(self._work.pop(batch), request)
                case x.Reply(batch, chunk):
                    self._reply(self._work[batch], chunk)
                case x.Dismiss(chunk):
                    self._chunks.pop((chunk.host, chunk.seq), None)
                case x.HaltHost(host):
                    self.post(host, m.Halt(self._versions, self._set))
                case x.Quiet():
                    self._tell_progress()
                    self.post("manager", m.WalkersQuiet())
                case x.Closed():
                    self.halt(m.Halt(set=self._set))

    def _send_off(self, batch: int, group: int, work: _Work) -> None:
        self._work[batch] = work
        for host in self._groups[group]:
            self.post(host, m.Predict(batch, work.batch, self._versions))

    def _committee(self, work: _Work) -> Committee:
        return Committee([work.outputs[k] for k in sorted(work.outputs)], work.version)

    def _judge(self, work: _Work) -> None:
        work.committee = self._committee(work)
        if pairs := self.setup.loaded.generator.interface.covariances:
            work.covariances = work.committee.covariances(pairs)
        with self.timed():
            decision = _checked(self._selection.select(work.batch, work.committee), len(work.batch))
        broken = broken_samples(work.committee.mean)
        if broken is not None:
            decision = replace(decision, trust=decision.trust & ~broken)
        wish = np.concatenate([self._chunks[c.host, c.seq].wish for c in work.starts])
        work.decision = asked = replace(decision, label=np.where(wish == 0, decision.label, wish > 0))
        oracle = self.setup.loaded.oracle is not None
        self._post_selected(work, np.flatnonzero(asked.label) if oracle else np.empty(0, np.int64), wish > 0)
        if self._audit is not None:
            drawn = self._audit.draw(replace(asked, trust=asked.trust & (wish >= 0)))
            self._post_selected(work, drawn, np.zeros(len(wish), np.bool_), audit=True)
        self._progress[0] += len(work.batch)
        self._progress[1] += int(decision.label.sum()) if oracle else 0
        self._progress[2] += 1
        if self._machine.stepwise:
            self._tell_progress()

    def _post_selected(
        self, work: _Work, chosen: NDArray[np.int64], wanted: NDArray[np.bool_], audit: bool = False
    ) -> None:
        if not len(chosen):
            return
        assert work.committee is not None  # noqa: S101 - judged before
        assert work.decision is not None  # noqa: S101
        walkers = np.concatenate([self._chunks[c.host, c.seq].walkers for c in work.starts])[chosen]
        batch, mean, std = (b.take(chosen) for b in (work.batch, work.committee.mean, work.committee.std))
        score = work.decision.score[chosen]
        self.post("manager", m.Selected(walkers, score, work.version, batch, mean, std, wanted[chosen], audit))

    def _reply(self, work: _Work, chunk: x.Chunk) -> None:
        assert work.committee is not None  # noqa: S101 - judged before
        assert work.decision is not None  # noqa: S101
        start = work.starts[chunk]
        stop = start + chunk.size
        verdicts = m.Verdicts(
            chunk.seq,
            work.committee.mean.slice(start, stop),
            work.committee.std.slice(start, stop),
            work.decision.score[start:stop],
            work.decision.trust[start:stop],
            work.decision.label[start:stop],
            work.version,
            None if work.covariances is None else work.covariances.slice(start, stop),
        )
        self.post(chunk.host, verdicts)
        del self._chunks[chunk.host, chunk.seq]

    def _rank(self, work: _Work, request: int) -> None:
        with self.timed():
            kept = np.asarray(self._selection.rerank(work.batch, self._committee(work)), np.int64)
            if kept.size and not 0 <= kept.min() <= kept.max() < len(work.batch):
                raise IndexError(f"rerank keeps samples {kept.min()} to {kept.max()} of {len(work.batch)}")
        self.post("manager", m.Ranked(request, kept))

    def step(self, now: float) -> bool:
        """Tell the manager how far the walkers are, now and then."""
        if now - self._told > TELL_EVERY and self._progress[2]:
            self._tell_progress()
            self._told = now
        return False

    def _tell_progress(self) -> None:
        if self._progress[2]:
            self.post("manager", m.Progress(*self._progress))
            self._progress = [0, 0, 0]

    def close(self) -> None:
        """Close the selection."""
        if hasattr(self, "_selection"):
            self._selection.close()


def _checked(decision: Decision, count: int) -> Decision:
    """A decision of the promised form: a wrong one would be noticed by others, or not at all."""
    found: dict[str, NDArray[Any]] = {name: np.asarray(getattr(decision, name)) for name in ("label", "trust", "score")}
    for name, array in found.items():
        if array.shape != (count,) or (name != "score" and array.dtype != np.bool_):
            wanted = "numbers" if name == "score" else "bools"
            raise ValueError(
                f"the decision's {name} must be {count} {wanted}, found {array.dtype} of shape {array.shape}"
            )
    return Decision(found["label"], found["trust"], found["score"].astype(np.float64, copy=False))
