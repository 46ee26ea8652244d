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
draining      a stop rule is met, time is up or someone asked: walkers end, labels being made are awaited
finishing     the last round trains on all labels (not after an interruption)
halting       every host is told to halt, the exchange last
ended         `Finished` or `Abandon` has been returned
============= ===========================================================================================

A sample is waiting, flying (with one oracle) or done (labelled, quarantined, discarded); a failed attempt makes it
wait again until `retries` are used up. Late or repeated answers of an oracle find no flying sample and change nothing.

In the serial schedule the exchange takes one turn at a time and waits for `ResumeWalkers`; the machine goes through the
stages exploring, labelling and training, and back. Nothing then depends on who was faster, so that a run that was
killed can repeat itself from its last snapshot set bit by bit.

A lost process costs a failed attempt (oracles) or the time until a spare rank runs its hosts again; where there is no
spare, or in the serial schedule, which repeats itself instead, the run must begin anew from the store: `Restart`.

Promises: a sample is counted once, however often its label arrives; no more labels than `StopRules.labels` are made;
no label is begun that by all that was measured can't end before `ManagerPlan.drain_at`; every host is told to halt
exactly once; a snapshot set is committed only when every part of it is written; from any state a stop leads to
`Finished` or, when a host stays silent beyond its limit, to `Abandon`. A failure of a host halts everything at once,
with the stored data intact.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal

from pal_core.control import vocabulary as v
from pal_core.control.durations import Durations
from pal_core.control.ending import PHASES, Ending
from pal_core.control.manager_plan import ManagerPlan
from pal_core.control.queue import HIGHEST, OracleQueue, Ticket
from pal_core.control.rounds import Rounds
from pal_core.control.stopping import Tally

__all__ = ["PHASES", "Manager", "ManagerPlan"]

Stage = Literal["exploring", "labelling", "training"]


class Manager(Ending):
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
    steps, selected : int
        Samples predicted, and selected, in earlier parts of the run.
    complete : bool
        The last part ended by a stop rule: if one is still met, there is nothing left to do.
    stage : {"exploring", "labelling"}
        Where the serial schedule goes on.
    window : sequence of (int, int)
        Samples predicted and selected of the last turns, for the rule of convergence.
    last_set : int
        Number of the newest snapshot set.
    dropped, failures : int
        Samples dropped while exploring, and samples in a row without a usable label.
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
        selected: int = 0,
        complete: bool = False,
        stage: Stage = "exploring",
        window: Sequence[tuple[int, int]] = (),
        last_set: int = 0,
        dropped: int = 0,
        failures: int = 0,
    ) -> None:
        tally = Tally(plan.rules, labels=labelled, rounds=rounds_done, steps=steps, selected=selected)
        queue = OracleQueue(plan.queue, plan.per_walker, oracles=len(plan.oracles))
        super().__init__(plan, queue, tally, Rounds(plan.trainers, plan.retrain_after, rounds), last_set)
        for ticket in waiting:
            self.queue.append(ticket)
        self.tally.window.extend(window)
        self.rounds.buffer.extend(buffered)
        self._complete = complete
        self.failures_in_a_row = failures
        self.quarantined = 0
        self.stage: Stage = stage if plan.serial else "exploring"
        self.durations = Durations()
        self._idle = OrderedDict.fromkeys(plan.oracles)
        self._since: dict[str, float] = {}
        self._bootstrap_missing = 0
        self._turn_over = True
        self._asked: tuple[int, tuple[int, ...]] | None = None
        self._requests = 0
        self._dropped = dropped

    def handle(self, event: v.Event, now: float) -> list[v.Action]:
        """Take one event at time `now` (seconds since the run's start) and return what must be done, in order."""
        self._now = now
        if self.phase == "ended":
            return []
        actions = self._react(event) + self._time_is_up()
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
            case v.SampleKnown(bootstrap, wanted):
                self._bootstrap_missing = max(self._bootstrap_missing - bootstrap, 0)
                if wanted is not None:
                    self.queue.want(wanted)
            case v.LabelArrived():
                return self._label(event)
            case v.LabelMissed():
                return self._missed(event)
            case v.HostsLost(hosts, why, walkers):
                self.tally.ended.difference_update(walkers)
                self.tally.disabled.difference_update(walkers)
                return self._lost(hosts, why)
            case v.StateSaved(host, number, written):
                return self._saved(host, number, written)
            case v.Predicted(samples, selected):
                self.tally.predicted(samples, selected)
                self._turn_over = True
            case v.WalkersEnded(walkers, reason, disabled):
                return self._walkers_ended(walkers, reason, disabled)
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
                return self._halting()
            case v.HostHalted(host, saved):
                if saved:
                    self._roster.saved.add(host)
                return self._gone((host,))
            case v.StopAsked(reason):
                return self._stop("interrupted", reason)
            case v.Tick():
                return self._overdue()
        return []

    # --- start

    def _host_ready(self, host: str) -> list[v.Action]:
        if self._roster.back(host):
            if host in self.plan.oracles:
                self._free(host)
            return [v.Welcome(host)]
        if not self._roster.ready(host) or self._roster.unready or self.phase != "starting":
            return []
        self._deadline = self._now + self.plan.startup_limit
        return [v.InspectFirst(self.plan.oracles[0])] if self.plan.oracles else self._begin()

    def _begin(self) -> list[v.Action]:
        if self.phase != "starting" or self._roster.unready:
            return []
        met = self.tally.reason() if self._complete else None
        if met is not None:
            self.outcome, self.reason = "done", f"{met}: nothing left to do"
            return self._halt_all()
        actions: list[v.Action] = [v.StartHosts()]
        if not self.plan.trainers or self.plan.trained:
            actions += self._explore()
        else:
            self.phase = "bootstrapping"
            waiting = sum(t.score == math.inf and not t.audit for t in self.queue.waiting.values())
            if not self.rounds.buffer:
                self._bootstrap_missing = max(self.plan.bootstrap - waiting, 0)
                if self._bootstrap_missing:
                    actions.append(v.AskBootstrap(self._bootstrap_missing))
            if waiting:
                return actions  # a bootstrap was cut short: the first round waits for the rest of its labels
        if self.plan.trainers and self.rounds.buffer and self.stage != "labelling":
            self.stage = "training" if self.plan.serial else self.stage
            actions.append(v.Release(*self.rounds.release()))
        return actions

    def _explore(self) -> list[v.Action]:
        self.phase = "running"
        self._was_running = True
        self.sets.abandon(self._now)  # the first one comes after a whole interval
        return [v.StartWalkers()]

    # --- samples and labels

    def _sample(self, event: v.SampleArrived) -> list[v.Action]:
        if event.bootstrap:
            self._bootstrap_missing = max(self._bootstrap_missing - 1, 0)
        if self.phase not in ("bootstrapping", "running") and self.outcome != "interrupted":
            return [v.Discard((event.sample,), "stopping")]
        score = math.inf if event.bootstrap or event.audit or event.wanted else min(event.score, HIGHEST)
        ticket = Ticket(event.sample, event.walker, score, size=event.size, audit=event.audit)
        dropped = self.queue.put(ticket, expendable=event.wanted)
        self._dropped += dropped is not None
        if dropped == event.sample:
            return [v.Discard((dropped,), "queue full")]
        kept: list[v.Action] = [v.Keep(event.sample)]
        return kept if dropped is None else [*kept, v.Discard((dropped,), "queue full")]

    def _free(self, host: str) -> None:
        self._since.pop(host, None)
        self._idle.setdefault(host)

    def _label(self, event: v.LabelArrived) -> list[v.Action]:
        ticket = self.queue.land(event.host, event.sample, event.attempt)
        if ticket is None:
            return []
        if not event.lost:
            self._free(event.host)
        if event.seconds is not None:
            self.durations.add(ticket.size, event.seconds)
        if event.admitted:
            self.failures_in_a_row = 0
            self.tally.labels += 1
            if not ticket.audit:
                self.rounds.buffer.append(event.sample)
            return []
        return self._given_up(event.sample, ticket.attempts + 1)

    def _missed(self, event: v.LabelMissed) -> list[v.Action]:
        ticket = self.queue.land(event.host, event.sample, event.attempt)
        if ticket is None:
            return []
        if not event.lost:
            self._free(event.host)
        ticket.attempts += 1
        ticket.tried.add(event.host)
        if event.final or ticket.attempts > self.plan.retries:
            return self._given_up(event.sample, ticket.attempts)
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
            host = next(iter(self._idle))
            ticket = self.queue.take(host, self._can_end)
            if ticket is None:
                break
            del self._idle[host]
            self._since[host] = self._now
            actions.append(v.Dispatch(host, ticket.sample, ticket.attempts + 1))
        return actions

    def _can_end(self, size: int) -> bool:
        """Whether a label of this size begun now ends before the run must, by all that was measured."""
        last = self.plan.drain_at
        if last is None:
            return True
        return self._now + (self.durations.estimate(size) or 0.0) <= last

    def _may_dispatch(self) -> bool:
        if self.plan.serial and self.phase == "running" and self.stage == "exploring":
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
        reason = self.tally.reason()
        if reason is not None:
            return self._stop("done", reason)
        if self.phase == "bootstrapping":
            return self._dispatch() + self._bootstrapped()
        if self.plan.serial:
            return self._serial() + self._dispatch()
        actions: list[v.Action] = [v.Release(*self.rounds.release())] if self.rounds.due else []
        if self.phase == "running" and self.sets.due(self._now) and self.sets.hosts.isdisjoint(self._roster.away):
            actions.append(v.TakeSet(self.sets.begin(self._now)))
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
        if self.stage == "exploring":
            return self._next_turn()
        if self.queue.waiting or self.queue.flying or self.rounds.completed < self.rounds.released:
            return []
        if self.rounds.buffer and self.plan.trainers:
            self.stage = "training"
            return [v.Release(*self.rounds.release())]
        self.stage, self._dropped = "exploring", 0
        return self._next_turn()

    def _next_turn(self) -> list[v.Action]:
        """Between two turns of the exchange nothing is under way: the moment to change the stage, or for a set."""
        if not self._turn_over or self.sets.open:
            return []
        if self.plan.oracles and self._explored_enough:
            self.stage = "labelling"
            return []
        if self.sets.due(self._now):
            return [v.TakeSet(self.sets.begin(self._now))]
        self._turn_over = False
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

    # --- faults

    def _walkers_ended(self, walkers: tuple[int, ...], reason: str, disabled: bool) -> list[v.Action]:
        tally = self.tally
        tally.ended.update(walkers)
        tally.disabled.update(walkers if disabled else ())
        tally.last_reason = reason
        if len(tally.disabled) >= tally.rules.walkers and self.phase in ("bootstrapping", "running"):
            return self._fail(f"every walker has been disabled; the last: {reason}")
        return []

    def _lost(self, all_hosts: tuple[str, ...], why: str) -> list[v.Action]:
        """The process of these hosts is gone; those that had halted matter no more."""
        hosts = tuple(h for h in all_hosts if h in self._roster.running)
        self._roster.spares -= not all_hosts
        if hosts and not self._can_lose(hosts):
            return self._restart(why)
        if self.sets.hosts.intersection(hosts):
            self.sets.abandon(self._now)
        if self.phase in ("bootstrapping", "running"):
            return self._go_on_without(hosts, why) if hosts else []
        return self._retire(hosts) if hosts else []

    def _go_on_without(self, hosts: tuple[str, ...], why: str) -> list[v.Action]:
        """Let a spare rank take these hosts over; oracles can also be done without."""
        actions: list[v.Action] = []
        for host in hosts:
            self._idle.pop(host, None)
            self._since.pop(host, None)
            ticket = self.queue.flying.get(host)
            if ticket is not None:
                actions += self._missed(v.LabelMissed(host, ticket.sample, lost=True))
        if self.outcome == "failed":  # that was one failure too many
            return [*actions, *self._retire(hosts)]
        if self._roster.lost(hosts, self._now):
            return [*actions, v.Replace(hosts)]
        oracles = set(self.plan.oracles)
        if oracles.issuperset(hosts) and self._roster.running & oracles - set(hosts):
            return [*actions, *self._retire(hosts)]
        return self._restart(f"{why}; no spare rank is left")

    def _can_lose(self, hosts: tuple[str, ...]) -> bool:
        """Whether the others can go on, or to the end, when these hosts are lost."""
        if self.phase == "starting" or ("exchange" in hosts and "exchange" not in self._roster.told):
            return False
        if self.phase == "bootstrapping" and self._bootstrap_missing and set(hosts) & set(self.plan.walker_hosts):
            return False  # nobody knows which of the samples asked for will still come
        return not self.plan.serial or self.phase not in ("bootstrapping", "running")

    def _overdue(self) -> list[v.Action]:
        limit = self.plan.label_limit + self.plan.stop_limit
        late = [h for h, t in self._since.items() if self._now - t > limit and h in self.queue.flying]
        if late and self.phase in ("bootstrapping", "running"):
            return self._restart(f"{late[0]} has been silent for {limit:g} s, longer than the oracle's timeout")
        if self.phase == "running" and self.sets.overdue(self._now, self.plan.startup_limit):
            self.sets.abandon(self._now)
            if self.plan.serial:
                limit = self.plan.startup_limit
                return self._restart(f"snapshot set {self.sets.number} wasn't written within {limit:g} s")
        missing_ranks = self._roster.overdue(self._now - self.plan.startup_limit)
        if missing_ranks:
            return self._restart(f"{', '.join(missing_ranks)} didn't begin anew within {self.plan.startup_limit:g} s")
        return [] if self.phase in ("bootstrapping", "running") else self._out_of_time()

    # --- snapshot sets

    def _saved(self, host: str, number: int, written: bool) -> list[v.Action]:
        if not written:
            if number == self.sets.number:
                self.sets.abandon(self._now)
            return []
        return [v.CommitSet(number)] if self.sets.saved(host, number, self._now) else []

    @property
    def spares(self) -> int:
        """Idle ranks that are left."""
        return self._roster.spares

    def state(self) -> dict[str, Any]:
        """What a committed set must hold of the machine, of plain values: the constructor takes it again."""
        tally = self.tally
        flying = [t.sample for t in self.queue.flying.values()]
        return {
            "stage": "exploring" if self.stage == "training" else self.stage,
            "round": self.rounds.completed,
            "rounds": tally.rounds,
            "steps": tally.steps,
            "selected": tally.selected,
            "window": [list(turn) for turn in tally.window],
            "dropped": self._dropped,
            "failures": self.failures_in_a_row,
            "waiting": [*self.queue.waiting, *flying],
        }
