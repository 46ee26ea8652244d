"""The slow cycle as a pure state machine: oracle queue, training rounds, start and end of a run.

Theory of operation
-------------------
The machine sees numbers of samples and names of hosts, never data. Its shell stores what arrives before the machine
hears of it, and carries out the actions in order: a sample is on disk before it is dispatched, a label before its
arrival is an event. So whatever dies, nothing that the machine has promised is lost.

Phases (drawn in the docs from `PHASES`):

============= ===========================================================================================
starting      waiting for every host to be ready; an oracle inspects the walkers' first samples
bootstrapping no model yet: walkers' untrusted samples are labelled, then the first round is trained
running       walkers explore; queue, dispatch, release and re-ranking go on independently
draining      a stop rule is met or someone asked: walkers end, labels being made are awaited
finishing     the last round trains on all labels (not after an interruption)
halting       every host is told to halt, the exchange last
ended         `Finished` or `Abandon` has been returned
============= ===========================================================================================

A sample is waiting, flying (with one oracle) or done (labelled, quarantined, discarded); a failed attempt makes it
wait again until `retries` are used up. Late or repeated answers of an oracle find no flying sample and change nothing.

Promises: a sample is counted once, however often its label arrives; no more labels than `StopRules.labels` are made;
every host is told to halt exactly once; from any state a stop leads to `Finished` or, when a host stays silent
beyond its limit, to `Abandon`. A failure of a host halts everything at once, with the stored data intact.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pal_core.control import vocabulary as v
from pal_core.control.queue import HIGHEST, OracleQueue, Ticket
from pal_core.control.rounds import Rounds
from pal_core.control.stopping import StopRules, Tally

__all__ = ["PHASES", "Manager", "ManagerPlan"]

Phase = Literal["starting", "bootstrapping", "running", "draining", "finishing", "halting", "ended"]

PHASES: dict[Phase, tuple[Phase, ...]] = {
    "starting": ("bootstrapping", "running", "halting", "ended"),
    "bootstrapping": ("running", "draining", "halting"),
    "running": ("draining", "halting"),
    "draining": ("finishing", "halting"),
    "finishing": ("halting", "ended"),
    "halting": ("ended",),
    "ended": (),
}
"""Which phase may follow which; the diagram in the docs is drawn from this table."""
BUILDING_PATIENCE = 3.0
"""Seconds that hosts get to halt when the start has failed."""


@dataclass(frozen=True)
class ManagerPlan:
    """What the manager machine knows of the run. Times in seconds."""

    oracles: tuple[str, ...] = ()
    trainers: tuple[str, ...] = ()
    walker_hosts: tuple[str, ...] = ()
    predictors: tuple[str, ...] = ()
    rules: StopRules = field(default_factory=StopRules)
    bootstrap: int = 0
    trained: bool = False
    retrain_after: int = 20
    retries: int = 1
    give_up_after: int = 20
    queue: int = 1000
    per_walker: int | None = None
    ahead: int | None = None
    rerank: bool = False
    serial: bool = False
    final_time: float = 300.0
    label_limit: float = 3600.0
    startup_limit: float = 300.0
    stop_limit: float = 60.0

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host but the manager itself."""
        return ("exchange", *self.walker_hosts, *self.predictors, *self.trainers, *self.oracles)


class Manager:
    """State machine of the slow cycle; `handle` is its only entrance.

    Parameters
    ----------
    plan : ManagerPlan
    waiting : sequence of Ticket
        Samples that wait for a label from an earlier part of the run.
    labelled : int
        Labels that count for the stop rule, from earlier parts.
    buffered : sequence of int
        Samples whose labels wait to be trained on (initial data, or all labels of a resumed run).
    rounds : int
        Number of the last training round completed in earlier parts of the run.
    rounds_done : int
        How many they were; fewer than the number of the last one where a round took several releases at once.
    steps : int
        Samples predicted in earlier parts of the run.
    complete : bool
        The last part ended by a stop rule: if one is still met, there is nothing left to do.
    """

    def __init__(
        self,
        plan: ManagerPlan,
        *,
        waiting: Sequence[Ticket] = (),
        labelled: int = 0,
        buffered: Sequence[int] = (),
        rounds: int = 0,
        rounds_done: int = 0,
        steps: int = 0,
        complete: bool = False,
    ) -> None:
        self.plan = plan
        self.phase: Phase = "starting"
        self.queue = OracleQueue(plan.queue, plan.per_walker)
        for ticket in waiting:
            self.queue.waiting[ticket.sample] = ticket
        self.tally = Tally(plan.rules, labels=labelled, rounds=rounds_done, steps=steps)
        self._complete = complete
        self.rounds = Rounds(plan.trainers, plan.retrain_after, rounds)
        self.rounds.buffer.extend(buffered)
        self.outcome: v.Outcome = "done"
        self.reason = ""
        self.failures_in_a_row = 0
        self.quarantined = 0
        self._idle = deque(plan.oracles)
        self._since: dict[str, float] = {}
        self._unready = set(plan.hosts)
        self._running = set(plan.hosts)
        self._told: set[str] = set()
        self._bootstrap_missing = 0
        self._exploring = False
        self._walkers_quiet = False
        self._closing = False
        self._asked: tuple[int, tuple[int, ...]] | None = None
        self._requests = 0
        self._labelling = False
        self._dropped = 0
        self._deadline = plan.startup_limit
        self._now = 0.0

    def handle(self, event: v.Event, now: float) -> list[v.Action]:
        """Take one event at time `now` (seconds since the run's start) and return what must be done, in order."""
        self._now = now
        if self.phase == "ended":
            return []
        actions = self._react(event)
        if self.phase in ("bootstrapping", "running"):
            actions += self._go_on()
        if self.phase == "draining":
            actions += self._drained()
        return actions

    def _react(self, event: v.Event) -> list[v.Action]:  # noqa: C901, PLR0911, PLR0912 - one row per event
        match event:
            case v.HostReady(host):
                return self._host_ready(host)
            case v.HostFailed(host, what):
                return self._fail(f"{host}: {what}")
            case v.Inspected(problems):
                return self._fail("; ".join(problems)) if problems else self._begin()
            case v.SampleArrived():
                return self._sample(event)
            case v.LabelArrived(host, sample, admitted):
                return self._label(host, sample, admitted)
            case v.LabelMissed(host, sample, final):
                return self._missed(host, sample, final)
            case v.Predicted(samples, selected):
                self.tally.predicted(samples, selected)
            case v.WalkersEnded(count, reason):
                self.tally.walkers_ended += count
                self.tally.last_reason = reason
            case v.MemberAsksStop(member, reason):
                self.tally.wishes[member] = reason
            case v.QueueRanked(request, kept):
                return self._ranked(request, kept)
            case v.RoundStarted(host, number):
                self.rounds.begin(host, number)
            case v.RoundOver(host, number):
                return self._round_over(host, number)
            case v.TrainingOver(host):
                self.rounds.finished.add(host)
                return self._training_over()
            case v.WalkersQuiet():
                self._walkers_quiet = True
                return self._gone(self.plan.walker_hosts)
            case v.ExchangeClosed():
                return self._gone(("exchange", *self.plan.walker_hosts, *self.plan.predictors))
            case v.HostHalted(host):
                return self._gone((host,))
            case v.StopAsked(reason):
                return self._stop("interrupted", reason)
            case v.Tick():
                return self._overdue()
        return []

    # --- start

    def _host_ready(self, host: str) -> list[v.Action]:
        if host not in self._unready:
            return []
        self._unready.remove(host)
        if self._unready or self.phase != "starting":
            return []
        self._deadline = self._now + self.plan.startup_limit
        return [v.InspectFirst(self.plan.oracles[0])] if self.plan.oracles else self._begin()

    def _begin(self) -> list[v.Action]:
        if self.phase != "starting" or self._unready:
            return []
        met = self.tally.reason(self._now) if self._complete else None
        if met is not None:
            self.outcome, self.reason = "done", f"{met}: nothing left to do"
            return self._halt_all()
        actions: list[v.Action] = [v.StartHosts()]
        if not self.plan.trainers or self.plan.trained:
            actions += self._explore()
        else:
            self.phase = "bootstrapping"
            waiting = sum(t.score == math.inf for t in self.queue.waiting.values())
            if not self.rounds.buffer:
                self._bootstrap_missing = max(self.plan.bootstrap - waiting, 0)
                if self._bootstrap_missing:
                    actions.append(v.AskBootstrap(self._bootstrap_missing))
            if waiting:
                return actions  # a bootstrap was cut short: the first round waits for the rest of its labels
        if self.plan.trainers and self.rounds.buffer:
            actions.append(v.Release(*self.rounds.release()))
        return actions

    def _explore(self) -> list[v.Action]:
        self.phase = "running"
        self._exploring = True
        return [v.StartWalkers()]

    # --- samples and labels

    def _sample(self, event: v.SampleArrived) -> list[v.Action]:
        if event.bootstrap:
            self._bootstrap_missing = max(self._bootstrap_missing - 1, 0)
        if self.phase not in ("bootstrapping", "running"):
            return [v.Discard((event.sample,), "stopping")]
        score = math.inf if event.bootstrap else min(event.score, HIGHEST)
        dropped = self.queue.put(Ticket(event.sample, event.walker, score))
        self._dropped += dropped is not None
        if dropped == event.sample:
            return [v.Discard((dropped,), "queue full")]
        kept: list[v.Action] = [v.Keep(event.sample)]
        return kept if dropped is None else [*kept, v.Discard((dropped,), "queue full")]

    def _free(self, host: str) -> None:
        self._since.pop(host, None)
        if host not in self._idle:
            self._idle.append(host)

    def _label(self, host: str, sample: int, admitted: bool) -> list[v.Action]:
        ticket = self.queue.land(host, sample)
        if ticket is None:
            return []
        self._free(host)
        if admitted:
            self.failures_in_a_row = 0
            self.tally.labels += 1
            self.rounds.buffer.append(sample)
            return []
        return self._given_up(sample, ticket.attempts + 1)

    def _missed(self, host: str, sample: int, final: bool) -> list[v.Action]:
        ticket = self.queue.land(host, sample)
        if ticket is None:
            return []
        self._free(host)
        ticket.attempts += 1
        ticket.tried.add(host)
        if final or ticket.attempts > self.plan.retries:
            return self._given_up(sample, ticket.attempts)
        self.queue.put_back(ticket)
        return []

    def _given_up(self, sample: int, attempts: int) -> list[v.Action]:
        self.quarantined += 1
        self.failures_in_a_row += 1
        actions: list[v.Action] = [v.QuarantineSample(sample, attempts)]
        if self.failures_in_a_row >= self.plan.give_up_after and self.phase in ("bootstrapping", "running"):
            n = self.failures_in_a_row
            return actions + self._fail(f"the last {n} samples gave no label that could be used")
        return actions

    def _dispatch(self) -> list[v.Action]:
        actions: list[v.Action] = []
        while self._idle and self._may_dispatch():
            host = self._idle.popleft()
            ticket = self.queue.take(host)
            if ticket is None:
                self._idle.appendleft(host)
                break
            self._since[host] = self._now
            actions.append(v.Dispatch(host, ticket.sample, ticket.attempts + 1))
        return actions

    def _may_dispatch(self) -> bool:
        if self.plan.serial and self.phase == "running" and not self._labelling:
            return False
        left = self.tally.labels_left
        if left is not None and len(self.queue.flying) >= left:
            return False
        if self.plan.ahead is None or self.phase != "running" or self.plan.serial or not self.plan.trainers:
            return True
        # Fewer labels than make a round would never be trained on, and nothing would ever be dispatched again.
        ahead = max(self.plan.ahead, self.plan.retrain_after)
        return self.rounds.waiting_labels + len(self.queue.flying) < ahead

    # --- the steady state, after every event

    def _go_on(self) -> list[v.Action]:
        reason = self.tally.reason(self._now)
        if reason is not None:
            return self._stop("done", reason)
        if self.phase == "bootstrapping":
            return self._dispatch() + self._bootstrapped()
        if self.plan.serial:
            return self._serial() + self._dispatch()
        actions: list[v.Action] = [v.Release(*self.rounds.release())] if self.rounds.due else []
        return actions + self._dispatch()

    def _bootstrapped(self) -> list[v.Action]:
        """Release the first round once every bootstrap sample is labelled or given up."""
        if self._bootstrap_missing or self.queue.waiting or self.queue.flying or self.rounds.sizes:
            return []
        if not self.rounds.buffer:
            return self._fail("none of the bootstrap samples could be labelled")
        return [v.Release(*self.rounds.release())]

    def _serial(self) -> list[v.Action]:
        """Explore until a release is worth of samples, then label all of them, then train, then explore again."""
        if not self._labelling:
            if not self.plan.oracles or not self._explored_enough:
                return []
            self._labelling = True
            return [v.PauseWalkers()]
        if self.queue.waiting or self.queue.flying or self.rounds.completed < self.rounds.released:
            return []
        if self.rounds.buffer and self.plan.trainers:
            return [v.Release(*self.rounds.release())]
        self._labelling, self._dropped = False, 0
        return [v.ResumeWalkers()]

    @property
    def _explored_enough(self) -> bool:
        """A round's worth of samples waits, or has been dropped by bounds that don't let as many wait."""
        share = self.plan.retrain_after
        return len(self.queue) >= min(share, self.plan.queue) or self._dropped >= share

    def _round_over(self, host: str, number: int) -> list[v.Action]:
        if not self.rounds.end(host, number):
            return []
        self.tally.rounds += 1  # a round may have trained on several releases at once
        if self.phase == "bootstrapping":
            return self._explore()
        if self.phase == "running" and self.plan.rerank and self.queue.waiting and self._asked is None:
            self._requests += 1
            self._asked = (self._requests, tuple(self.queue.waiting))
            return [v.AskRerank(*self._asked)]
        return []

    def _ranked(self, request: int, kept: tuple[int, ...]) -> list[v.Action]:
        if self._asked is None or self._asked[0] != request:
            return []
        dropped = self.queue.reorder(kept, self._asked[1])
        self._asked = None
        return [v.Discard(tuple(dropped), "reranked")] if dropped else []

    # --- the end

    def _stop(self, outcome: v.Outcome, reason: str) -> list[v.Action]:
        if self.phase == "starting":
            self.outcome, self.reason = outcome, reason
            return self._halt_all()
        if self.phase not in ("bootstrapping", "running"):
            return self._hurry(outcome, reason)
        self.phase = "draining"
        self.outcome, self.reason = outcome, reason
        longest = self.plan.stop_limit if outcome == "interrupted" else self.plan.label_limit + self.plan.stop_limit
        self._deadline = self._now + longest
        return [v.QuietenExchange()]

    def _hurry(self, outcome: v.Outcome, reason: str) -> list[v.Action]:
        """Someone asks to stop a run that is ending by a rule: labels have less time, training none."""
        if outcome != "interrupted" or self.outcome != "done" or self.phase not in ("draining", "finishing"):
            return []
        self.outcome, self.reason = outcome, reason
        if self.phase == "finishing":
            return self._halt_some()
        self._deadline = min(self._deadline, self._now + self.plan.stop_limit)
        return []

    def _fail(self, reason: str) -> list[v.Action]:
        """End at once; what flies waits again in the next part of the run."""
        if self.phase == "halting" and self.outcome == "failed":
            return []
        self.outcome, self.reason = "failed", reason
        return self._halt_all()

    def _drained(self) -> list[v.Action]:
        if self.queue.flying:
            return []
        if self.outcome == "done" and self.plan.trainers and self.plan.final_time > 0:
            self.phase = "finishing"
            self._deadline = self._now + self.plan.final_time + self.plan.stop_limit
            last: list[v.Action] = [v.Release(*self.rounds.release())] if self.rounds.buffer else []
            return [*last, v.FinishTraining(self.plan.final_time)]
        return self._halt_some()

    def _training_over(self) -> list[v.Action]:
        if self.phase != "finishing" or self.rounds.finished < set(self.rounds.hosts):
            return []
        return self._halt_some()

    def _tell(self, hosts: Sequence[str]) -> list[v.Action]:
        fresh = [h for h in hosts if h not in self._told]
        self._told.update(fresh)
        return [v.HaltHost(h) for h in fresh]

    def _halt_some(self) -> list[v.Action]:
        """Halt trainers and oracles; the exchange ends when they and the walkers have."""
        self.phase = "halting"
        self._deadline = self._now + self.plan.stop_limit
        return [*self._tell([*self.plan.trainers, *self.plan.oracles]), *self._halting()]

    def _halt_all(self) -> list[v.Action]:
        """Halt everyone without waiting for anything: someone has failed, or nothing has begun.

        Hosts that are still building their kernels have nothing to save and are hardly waited for.
        """
        patience = BUILDING_PATIENCE if self.phase == "starting" else self.plan.stop_limit
        self.phase = "halting"
        self._deadline = self._now + min(patience, self.plan.stop_limit)
        return [*self._return(), *self._tell(self.plan.hosts), *self._halting()]

    def _gone(self, hosts: Sequence[str]) -> list[v.Action]:
        """These hosts have halted; who hasn't been told by this machine has been told by the exchange."""
        self._running.difference_update(hosts)
        self._told.update(hosts)
        return self._halting()

    def _return(self) -> list[v.Action]:
        flying = tuple(t.sample for t in self.queue.flying.values())
        self.queue.flying.clear()
        return [v.ReturnToQueue(flying)] if flying else []

    def _halting(self) -> list[v.Action]:
        if self.phase != "halting":
            return []
        if not self._running:
            self.phase = "ended"
            return [v.Finished(self.outcome, self.reason)]
        others = {*self.plan.trainers, *self.plan.oracles}
        if self._closing or "exchange" in self._told or not self._walkers_quiet or self._running & others:
            return []
        self._closing = True
        self._deadline = self._now + self.plan.stop_limit
        return [v.CloseExchange()]

    @property
    def _awaited(self) -> set[str]:
        """Hosts whose answer this phase waits for."""
        if self.phase == "starting":
            return self._unready or set(self.plan.oracles[:1])
        if self.phase == "finishing":
            return set(self.rounds.hosts) - self.rounds.finished
        if self._closing:
            return self._running
        silent = self._running & self._told
        return silent if self._walkers_quiet else silent | self._running & {"exchange", *self.plan.walker_hosts}

    def _overdue(self) -> list[v.Action]:
        limit = self.plan.label_limit + self.plan.stop_limit
        late = [h for h, t in self._since.items() if self._now - t > limit and h in self.queue.flying]
        if late and self.phase in ("bootstrapping", "running"):
            return self._fail(f"{late[0]} has been silent for {limit:g} s, longer than the oracle's timeout")
        if self.phase in ("bootstrapping", "running") or self._now <= self._deadline:
            return []
        if self.phase == "draining":
            return self._return()  # with nothing left to wait for, draining is over
        missing, doing = tuple(sorted(self._awaited)), self.phase
        self.phase = "ended"
        return [v.Abandon(missing, doing)]
