"""A model of everything around the manager machine, which checks each action against what was promised."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pal_core.control import vocabulary as v
from pal_core.control.manager import PHASES, Manager, ManagerPlan
from pal_core.control.queue import Ticket


class WatchedManager(Manager):
    """Refuses a change of phase that isn't in the table."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "phase" and "phase" in vars(self) and value != self.phase:
            assert value in PHASES[self.phase], f"{self.phase} -> {value}"
        super().__setattr__(name, value)


class ManagerWorld:
    """Shell, store, oracles, trainers and exchange as the machine should see them."""

    def __init__(
        self,
        plan: ManagerPlan,
        waiting: Sequence[Ticket] = (),
        labelled: int = 0,
        buffered: Sequence[int] = (),
        rounds: int = 0,
    ) -> None:
        self.plan = plan
        self.state = dict.fromkeys(buffered, "labelled")
        self.state |= {t.sample: "waiting" for t in waiting}
        self.safe = {t.sample for t in waiting if t.score == math.inf}
        self.walker = {t.sample: t.walker for t in waiting}
        self.before = labelled
        self.labels = labelled
        self.excess = max(len(waiting) - plan.queue, 0)
        self.failures: Counter[int] = Counter()
        self.oracle: dict[str, int | None] = dict.fromkeys(plan.oracles)
        """What each oracle works on."""
        self.answers: list[v.Event] = []
        self.released: dict[int, tuple[int, ...]] = {}
        self.newest = rounds
        """Last round released, in this or an earlier part of the run."""
        self.begun = dict.fromkeys(plan.trainers, rounds)
        self.ended = dict.fromkeys(plan.trainers, rounds)
        self.training_over: set[str] = set()
        self.ranking: v.AskRerank | None = None
        self.bootstrap_due = 0
        self.done: list[v.Action] = []
        self.told: list[str] = []
        self.ready: set[str] = set()
        self.halted: set[str] = set()
        self.exploring = self.paused = self.quietened = self.quiet = self.finishing = False
        self.closing = self.failed = False
        self.over: v.Action | None = None
        self.now = 0.0
        self.numbers = iter(range(1000, 10**6))
        self.machine = WatchedManager(plan, waiting=waiting, labelled=labelled, buffered=buffered, rounds=rounds)

    # --- what the others may do next

    @property
    def inspecting(self) -> bool:
        return v.InspectFirst in map(type, self.done) and v.StartHosts not in map(type, self.done)

    @property
    def working(self) -> list[tuple[str, int]]:
        return [(h, s) for h, s in self.oracle.items() if s is not None and h not in self.halted]

    @property
    def to_begin(self) -> list[str]:
        return [h for h in self.plan.trainers if self.begun[h] < self.newest and self._trains(h)]

    @property
    def to_end(self) -> list[str]:
        return [h for h in self.plan.trainers if self.ended[h] < self.begun[h] and self._trains(h)]

    @property
    def to_finish(self) -> list[str]:
        return [h for h in self.plan.trainers if self.finishing and self._trains(h)]

    def _trains(self, host: str) -> bool:
        return host not in self.halted | self.training_over

    @property
    def halting(self) -> list[str]:
        """Hosts told to halt, by the manager or the exchange, that haven't."""
        told = list(self.told)
        told += self.plan.walker_hosts if self.quietened else ()
        told += self.plan.predictors if self.closing else ()
        return [h for h in dict.fromkeys(told) if h not in self.halted]

    # --- events

    def handle(self, event: v.Event) -> list[v.Action]:
        before = dict(self.state)
        self._before(event)
        actions = self.machine.handle(event, self.now)
        if self.over is not None:
            assert actions == [], "the machine acts after its end"
        for action in actions:
            assert self.over is None, "the machine acts after its end"
            self._check(action)
            self.done.append(action)
        self._check_arrival(event, actions, before)
        self.check_state()
        return actions

    def _before(self, event: v.Event) -> None:  # noqa: C901 - one row per event
        match event:
            case v.HostReady(host):
                self.ready.add(host)
            case v.SampleArrived(sample, walker, _, bootstrap):
                self.walker[sample] = walker
                self.bootstrap_due -= bootstrap
                if bootstrap:
                    self.safe.add(sample)
            case v.LabelArrived(host, sample) | v.LabelMissed(host, sample):
                self.answers.append(event)
                if self.oracle.get(host) == sample:
                    self.oracle[host] = None
                    self._answered(event)
            case v.RoundStarted(host, number):
                self.begun[host] = number
            case v.RoundOver(host, number):
                self.begun[host] = max(self.begun[host], number)
                self.ended[host] = number
            case v.TrainingOver(host):
                self.training_over.add(host)
            case v.WalkersQuiet():
                self.quiet = True
                self.halted |= set(self.plan.walker_hosts)
            case v.ExchangeClosed():
                self.halted |= {"exchange", *self.plan.walker_hosts, *self.plan.predictors}
            case v.HostHalted(host):
                self.halted.add(host)
            case v.HostFailed():
                self.failed = True
            case _:
                pass

    def _answered(self, event: v.LabelArrived | v.LabelMissed) -> None:
        """The first answer of an oracle to what it works on."""
        if self.state[event.sample] != "flying" or self.over is not None:
            return
        self.failures[event.sample] += 1
        self.state[event.sample] = "missed"
        if isinstance(event, v.LabelArrived) and event.admitted:
            self.state[event.sample] = "labelled"
            self.labels += 1

    # --- actions

    def _check(self, action: v.Action) -> None:  # noqa: C901 - one row per action
        match action:
            case v.InspectFirst():
                assert self.ready >= set(self.plan.hosts)
            case v.StartHosts() | v.QuietenExchange() | v.FinishTraining() | v.CloseExchange():
                assert action not in self.done
                self._check_once(action)
            case v.AskBootstrap(count):
                self.bootstrap_due = count
            case v.StartWalkers():
                assert not self.exploring
                self.exploring = True
            case v.Keep(sample):
                assert sample not in self.state
                self.state[sample] = "waiting"
            case v.Discard(samples, why):
                self._check_discard(samples, why)
            case v.Dispatch(host, sample, attempt):
                self._check_dispatch(host, sample, attempt)
            case v.QuarantineSample(sample, attempts):
                assert attempts == self.failures[sample] <= self.plan.retries + 1
                self._move(sample, "missed", "quarantined")
            case v.ReturnToQueue(samples):
                for sample in samples:
                    self._move(sample, "flying", "returned")
            case v.Release(number, samples):
                self.newest += 1
                assert number == self.newest
                for sample in samples:
                    self._move(sample, "labelled", "released")
                self.released[number] = samples
            case v.AskRerank(_, samples):
                assert self.plan.rerank
                assert self.ranking is None
                assert all(self.state[s] == "waiting" for s in samples)
                self.ranking = action
            case v.PauseWalkers() | v.ResumeWalkers():
                assert self.plan.serial
                assert self.paused == isinstance(action, v.ResumeWalkers)
                self.paused = not self.paused
            case v.HaltHost(host):
                assert host not in self.told, f"{host} told to halt twice"
                assert host not in self.halted, f"{host} told to halt after it has"
                self.told.append(host)
            case v.Abandon() | v.Finished():
                self._check_over(action)

    def _check_once(self, action: v.Action) -> None:
        if isinstance(action, v.QuietenExchange):
            self.quietened = True
        elif isinstance(action, v.FinishTraining):
            assert not self.working or self.machine.outcome == "done"
            self.finishing = True
        elif isinstance(action, v.CloseExchange):
            assert self.quiet
            assert self.halted >= {*self.plan.trainers, *self.plan.oracles}
            self.closing = True

    def _move(self, sample: int, before: str, now: str) -> None:
        assert self.state[sample] == before, f"{sample} is {self.state[sample]}"
        self.state[sample] = now

    def _check_discard(self, samples: tuple[int, ...], why: str) -> None:
        assert samples
        for sample in samples:
            assert self.state.get(sample, "waiting") in ("waiting", "missed")
            self.state[sample] = "discarded"
        if why != "stopping":
            assert not self.safe & set(samples)
        elif self.machine.phase == "running":
            raise AssertionError("a sample is discarded for stopping while the run goes on")

    def _check_dispatch(self, host: str, sample: int, attempt: int) -> None:
        if self.state[sample] == "missed":
            self.state[sample] = "waiting"
        self._move(sample, "waiting", "flying")
        assert self.oracle[host] is None, f"{host} has two samples at a time"
        assert attempt == self.failures[sample] + 1 <= self.plan.retries + 1
        self.oracle[host] = sample
        flying = sum(s == "flying" for s in self.state.values())
        limit = self.plan.rules.labels
        assert limit is None or self.labels + flying <= max(limit, self.before)
        if self.machine.phase == "running" and self.plan.serial:
            assert self.paused
        elif self.machine.phase == "running" and self.plan.trainers and self.plan.ahead is not None:
            begun = min(self.begun.values())
            waiting = sum(len(s) for number, s in self.released.items() if number > begun)
            waiting += sum(s == "labelled" for s in self.state.values())
            assert waiting + flying <= max(self.plan.ahead, self.plan.retrain_after)

    def _check_over(self, action: v.Action) -> None:
        self.over = action
        if isinstance(action, v.Abandon):
            assert action.hosts
            blameless = {"finishing": self.training_over, "starting": set() if self.inspecting else self.ready}
            assert not set(action.hosts) & blameless.get(action.doing, self.halted)
            return
        assert isinstance(action, v.Finished)
        assert self.halted == set(self.plan.hosts)
        if action.outcome == "done" and self.plan.trainers and self.plan.final_time > 0:
            assert "labelled" not in self.state.values(), "a label that nobody was trained on"

    # --- invariants

    def _check_arrival(self, event: v.Event, actions: list[v.Action], before: dict[int, str]) -> None:
        for sample, state in self.state.items():
            if state == "missed":
                self.state[sample] = "waiting"
        if not isinstance(event, v.SampleArrived) or self.over is not None:
            return
        assert (v.Keep(event.sample) in actions) != (self.state[event.sample] == "discarded")
        if not event.bootstrap:
            assert self._waiting(self.state) <= max(self.plan.queue, self._waiting(before))
            if self.plan.per_walker is not None and event.walker >= 0:
                held = max(self.plan.per_walker, self._waiting(before, event.walker))
                assert self._waiting(self.state, event.walker) <= held

    def _waiting(self, state: dict[int, str], walker: int | None = None) -> int:
        return sum(s == "waiting" and walker in (None, self.walker.get(n)) for n, s in state.items())

    def check_state(self) -> None:
        m, state = self.machine, self.state
        if self.over is not None:
            return
        assert set(m.queue.waiting) == {n for n, s in state.items() if s == "waiting"}
        assert {t.sample for t in m.queue.flying.values()} == {n for n, s in state.items() if s == "flying"}
        assert set(m.rounds.buffer) == {n for n, s in state.items() if s == "labelled"}
        assert m.tally.labels == self.labels
        assert self.plan.rules.labels is None or self.labels <= max(self.plan.rules.labels, self.before)
        unsafe = sum(s in ("waiting", "flying") and n not in self.safe for n, s in state.items())
        assert unsafe <= self.plan.queue + self.excess + len(self.plan.oracles)
        if m.phase in ("bootstrapping", "running"):
            self._check_work_goes_on()

    def _check_work_goes_on(self) -> None:
        """No oracle is idle, and no round's worth of labels waits, unless a rule of the plan wants it."""
        plan, state = self.plan, list(self.state.values())
        free = [h for h in plan.oracles if self.oracle[h] is None]
        enough = plan.rules.labels is not None and self.labels + state.count("flying") >= plan.rules.labels
        if self.machine.phase == "bootstrapping" or (not plan.serial and (plan.ahead is None or not plan.trainers)):
            assert not free or "waiting" not in state or enough
        if self.machine.phase == "running" and not plan.serial and plan.trainers:
            assert state.count("labelled") < plan.retrain_after
