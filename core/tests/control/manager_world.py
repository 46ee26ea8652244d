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
        self.measured: dict[int, list[float]] = {}
        """Durations of labels by size."""
        self.size = {t.sample: t.size for t in waiting}
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
        self.spares = plan.spares
        self.away: set[str] = set()
        """Lost hosts that a spare rank takes over."""
        self.forgone: set[str] = set()
        self.dying: tuple[str, ...] = ()
        self.turn = False
        """Whether the exchange takes a turn of the serial schedule."""
        self.set = 0
        self.parts: dict[int, set[str]] = {}
        """Who has written his part of each set."""
        self.spoiled: set[int] = set()
        """Sets of which a part could not be written, or is of a host that is lost."""
        self.committed: list[int] = []
        self.exploring = self.quietened = self.quiet = self.finishing = False
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
        return [(h, s) for h, s in self.oracle.items() if s is not None and h not in self.gone]

    @property
    def gone(self) -> set[str]:
        """Hosts that have halted or are lost."""
        return self.halted | self.away | self.forgone

    @property
    def turning(self) -> bool:
        """Whether walkers may have proposed something that isn't judged."""
        return self.exploring and not self.quiet and (self.turn or not self.plan.serial)

    @property
    def writers(self) -> list[str]:
        """Hosts that still owe their part of the newest set."""
        written = self.parts.get(self.set, set())
        return [h for h in self.plan.stateful if h not in self.gone | written and self.set and not self.quietened]

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
        return host not in self.gone | self.training_over

    @property
    def halting(self) -> list[str]:
        """Hosts told to halt, by the manager or the exchange, that haven't."""
        told = list(self.told)
        told += self.plan.walker_hosts if self.quietened else ()
        told += (*self.plan.predictors, "exchange") if self.closing else ()
        return [h for h in dict.fromkeys(told) if h not in self.gone]

    # --- events

    def handle(self, event: v.Event) -> list[v.Action]:
        before = dict(self.state)
        self.event = event
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
            case v.SampleArrived(sample, walker, _, bootstrap, size):
                self.walker[sample], self.size[sample] = walker, size
                self.bootstrap_due -= bootstrap
                if bootstrap:
                    self.safe.add(sample)
            case v.SampleKnown(_, int(wanted)) if self.state.get(wanted) in ("waiting", "flying"):
                self.safe.add(wanted)
            case v.LabelArrived(host, sample) | v.LabelMissed(host, sample):
                self.answers.append(event)
                if self.oracle.get(host) == sample and event.attempt in (None, self.failures[sample] + 1):
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
            case v.Predicted():
                self.turn = False
            case v.StateSaved(host, number, written):
                self.parts.setdefault(number, set()).update((host,) if written else ())
                self.spoiled.update(() if written else (number,))
            case v.HostHalted(host, saved):
                self.halted.add(host)
                self.parts.setdefault(self.set, set()).update((host,) if saved else ())
            case v.HostsLost(hosts):
                self._lose(tuple(h for h in hosts if h not in self.halted | self.forgone))
                self.spares -= not hosts
            case v.HostFailed():
                self.failed = True
            case _:
                pass

    def _lose(self, hosts: tuple[str, ...]) -> None:
        self.dying = hosts
        if not hosts:
            return
        if set(hosts) & set(self.plan.stateful):
            self.spoiled.add(self.set)
        for sample in [s for h in hosts if (s := self.oracle.get(h)) is not None]:
            if self.machine.phase in ("bootstrapping", "running"):
                self.failures[sample] += 1
                self.state[sample] = "missed"
        self.oracle.update({h: None for h in hosts if h in self.oracle})

    def _answered(self, event: v.LabelArrived | v.LabelMissed) -> None:
        """The first answer of an oracle to what it works on."""
        if self.state[event.sample] != "flying" or self.over is not None:
            return
        if isinstance(event, v.LabelArrived) and event.seconds is not None:
            self.measured.setdefault(self.size[event.sample], []).append(event.seconds)
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
                    self._move(sample, "flying", "waiting")
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
            case v.ResumeWalkers():
                assert self.plan.serial
                assert not self.turn, "a turn before the last one is over"
                assert not self.writers or self.set in self.spoiled, "a turn while a set is written"
                self.turn = True
            case v.TakeSet(number):
                assert not self.plan.serial or not self.turn
                assert not self.away & set(self.plan.stateful)
                self._begin_set(number)
            case v.CommitSet(number):
                self._check_commit(number)
            case v.Replace() | v.Forgo() | v.Welcome() | v.Restart():
                self._check_loss(action)
            case v.HaltHost(host):
                assert host not in self.told, f"{host} told to halt twice"
                assert host not in self.gone, f"{host} told to halt after it has, or was lost"
                self.told.append(host)
            case v.Abandon() | v.Finished():
                self._check_over(action)

    def _check_once(self, action: v.Action) -> None:
        if isinstance(action, v.QuietenExchange):
            self.quietened = True
            self._begin_set(action.set)
        elif isinstance(action, v.FinishTraining):
            assert not self.working or self.machine.outcome == "done"
            self.finishing = True
        elif isinstance(action, v.CloseExchange):
            assert self.quiet
            assert self.gone >= {*self.plan.trainers, *self.plan.oracles}
            self.closing = True

    def _begin_set(self, number: int) -> None:
        assert number > self.set
        self.set = number

    def _check_commit(self, number: int) -> None:
        assert number == self.set
        assert number not in self.committed
        assert self.parts[number] >= set(self.plan.stateful), "a set is committed before it is whole"
        assert number not in self.spoiled
        assert not (self.failed and self.quietened)
        if self.plan.serial:
            assert min(self.ended.values(), default=self.newest) == self.newest, "in the middle of training"
            assert self.quiet or not self.turn
            assert not self.working
        self.committed.append(number)

    def _check_loss(self, action: v.Replace | v.Forgo | v.Welcome | v.Restart) -> None:
        if isinstance(action, v.Replace):
            assert self.machine.phase in ("bootstrapping", "running")
            assert action.hosts == self.dying
            assert self.spares > 0
            self.spares -= 1
            self.away |= set(action.hosts)
        elif isinstance(action, v.Forgo):
            assert action.hosts
            assert not set(action.hosts) & (self.halted | self.forgone)
            assert set(action.hosts) <= self.away | set(self.dying)
            self.away -= set(action.hosts)
            self.forgone |= set(action.hosts)
        elif isinstance(action, v.Welcome):
            self.away.remove(action.host)
        else:
            assert isinstance(self.event, v.HostsLost | v.Tick)
            self.over = action

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
        assert host not in self.gone
        assert self._may_end(sample), "a label that can't end in time is begun"
        if self.machine.phase == "running" and self.plan.serial:
            assert not self.turn
        elif self.machine.phase == "running" and self.plan.trainers and self.plan.ahead is not None:
            begun = min(self.begun.values())
            waiting = sum(len(s) for number, s in self.released.items() if number > begun)
            waiting += sum(s == "labelled" for s in self.state.values())
            assert waiting + flying <= max(self.plan.ahead, self.plan.retrain_after)

    def _may_end(self, sample: int) -> bool:
        """Whether nothing that was measured speaks against it."""
        last = self.plan.drain_at
        recent = self.measured.get(self.size.get(sample, 1), [0.0])[-20:]
        return last is None or self.now + max(recent) <= last

    def _surely_ends(self) -> bool:
        """Whether any sample would have time enough, even if it is far larger than those measured."""
        longest = max((s for seconds in self.measured.values() for s in seconds), default=0.0)
        return self.plan.drain_at is None or self.now + 200 * longest <= self.plan.drain_at

    def _check_over(self, action: v.Action) -> None:
        self.over = action
        if isinstance(action, v.Abandon):
            assert action.hosts
            blameless = {"finishing": self.training_over, "starting": set() if self.inspecting else self.ready}
            assert not set(action.hosts) & blameless.get(action.doing, self.gone)
            return
        assert isinstance(action, v.Finished)
        assert self.halted | self.forgone == set(self.plan.hosts)
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
        if event.wanted and self.state[event.sample] != "discarded":
            self.safe.add(event.sample)
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
        free = [h for h in plan.oracles if self.oracle[h] is None and h not in self.gone and self._surely_ends()]
        enough = plan.rules.labels is not None and self.labels + state.count("flying") >= plan.rules.labels
        if self.machine.phase == "bootstrapping" or (not plan.serial and (plan.ahead is None or not plan.trainers)):
            assert not free or "waiting" not in state or enough
        if self.machine.phase == "running" and not plan.serial and plan.trainers:
            assert state.count("labelled") < plan.retrain_after
