"""The manager machine under arbitrary orders of events: every promise is checked after every step."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from manager_world import ManagerWorld

from pal_core.control import vocabulary as v
from pal_core.control.manager import ManagerPlan
from pal_core.control.queue import Ticket
from pal_core.control.stopping import StopRules


def maybe(strategy):
    return st.none() | st.none() | strategy


def hosts(role: str, least: int, most: int):
    return st.integers(least, most).map(lambda n: tuple(f"{role}/{i}" for i in range(n)))


SCORES = st.sampled_from([0.0, 0.3, 0.5, 0.9, math.inf, math.nan])
SIZES = st.sampled_from([1, 2, 5])
TICKETS = st.builds(Ticket, sample=st.integers(0, 99), walker=st.integers(-1, 2), score=SCORES, size=SIZES)
RULES = st.builds(
    StopRules,
    labels=maybe(st.integers(1, 30)),
    steps=maybe(st.integers(1, 300)),
    rounds=maybe(st.integers(1, 9)),
    uncertain=maybe(st.just(0.05)),
    window=st.just(50),
    generators=st.sampled_from(["any", "all"]),
    training=st.sampled_from(["any", "all"]),
    walkers=st.just(3),
    members=st.just(2),
)
PLANS = st.builds(
    ManagerPlan,
    oracles=hosts("oracle", 0, 3),
    trainers=hosts("training", 0, 2),
    walker_hosts=hosts("generator", 1, 2),
    predictors=hosts("prediction", 1, 2),
    rules=RULES,
    bootstrap=st.integers(1, 3),
    trained=st.booleans(),
    retrain_after=st.integers(1, 4),
    retries=st.integers(0, 2),
    give_up_after=st.integers(3, 20),
    queue=st.integers(1, 6),
    per_walker=maybe(st.integers(1, 3)),
    ahead=maybe(st.integers(1, 6)),
    rerank=st.booleans(),
    serial=st.booleans(),
    final_time=st.sampled_from([0.0, 5.0]),
    label_limit=st.just(30.0),
    startup_limit=st.just(20.0),
    stop_limit=st.just(10.0),
    spares=st.integers(0, 2),
    snapshot_every=st.sampled_from([2.0, 2.0, math.inf]),
    end=maybe(st.floats(1, 200)),
)


class ManagerUnderLoad(RuleBasedStateMachine):
    """Everybody does anything that is allowed, in any order; answers come late, twice or never."""

    @initialize(
        plan=PLANS,
        waiting=st.lists(TICKETS, max_size=4, unique_by=lambda t: t.sample),
        buffered=st.integers(0, 3),
        new=st.integers(0, 3),
        rounds=st.integers(0, 2),
        patience=st.integers(0, 60),
        silent=st.booleans(),
        start=st.integers(0, 9),
        fragile=st.booleans(),
    )
    def begin(self, plan, waiting, buffered, new, rounds, patience, silent, start, fragile):
        labels = [500 + i for i in range(buffered)]
        self.world = ManagerWorld(plan, waiting, min(new, buffered), labels, rounds)
        self.patience = patience
        """Steps before anybody stops the run or fails, so that some runs have a life before it."""
        self.silent = silent
        """Whether in the end nobody answers any more."""
        self.fragile = fragile
        """Whether ranks die."""
        self.steps = 0
        if start:  # most runs get over the votes, which other tests look at
            for host in plan.hosts:
                self.world.handle(v.HostReady(host))
            if plan.oracles:
                self.world.handle(v.Inspected())

    def tell(self, event: v.Event) -> None:
        self.steps += 1
        self.world.handle(event)

    def choose(self, data, options):
        return data.draw(st.sampled_from(options))

    @precondition(lambda self: self.world.ready < set(self.world.plan.hosts))
    @rule(data=st.data())
    def vote(self, data):
        self.tell(v.HostReady(self.choose(data, self.world.plan.hosts)))

    @precondition(lambda self: self.world.inspecting)
    @rule()
    def inspect(self):
        self.tell(v.Inspected())

    @precondition(lambda self: self.world.bootstrap_due > 0)
    @rule(walker=st.integers(0, 2))
    def bootstrap(self, walker):
        while self.world.bootstrap_due > 0:
            self.tell(v.SampleArrived(next(self.world.numbers), walker, 0.0, True))

    @precondition(lambda self: self.world.bootstrap_due > 0)
    @rule()
    def bootstrap_with_what_is_known(self):
        self.world.bootstrap_due -= 1
        self.tell(v.SampleKnown(bootstrap=True))

    @precondition(lambda self: self.world.turning)
    @rule(samples=st.lists(st.tuples(st.integers(0, 2), SCORES, SIZES, st.booleans()), min_size=1, max_size=4))
    def select(self, samples):
        for walker, score, size, wanted in samples:
            self.tell(v.SampleArrived(next(self.world.numbers), walker, score, size=size, wanted=wanted))

    @precondition(lambda self: self.world.turning and self.world.state)
    @rule(data=st.data())
    def want_again(self, data):
        self.tell(v.SampleKnown(wanted=data.draw(st.sampled_from(sorted(self.world.state)))))

    @precondition(lambda self: self.world.turning)
    @rule(samples=st.integers(0, 9), selected=st.integers(0, 9))
    def predict(self, samples, selected):
        self.tell(v.Predicted(samples, min(selected, samples)))

    @precondition(lambda self: self.world.working)
    @rule(data=st.data(), admitted=st.integers(0, 5), seconds=st.none() | st.floats(0.1, 50))
    def label(self, data, admitted, seconds):
        host, sample = self.choose(data, self.world.working)
        attempt = self.world.failures[sample] + 1
        self.tell(v.LabelArrived(host, sample, admitted > 0, attempt, seconds))

    @precondition(lambda self: self.world.working)
    @rule(data=st.data(), final=st.integers(0, 3))
    def miss(self, data, final):
        host, sample = self.choose(data, self.world.working)
        self.tell(v.LabelMissed(host, sample, final == 0, self.world.failures[sample] + 1))

    @precondition(lambda self: self.world.answers)
    @rule(data=st.data())
    def repeat_answer(self, data):
        """The sample may even be with the same oracle again: the attempt tells the two apart."""
        self.tell(self.choose(data, self.world.answers))

    @precondition(lambda self: self.world.writers)
    @rule(data=st.data(), written=st.integers(0, 9))
    def save(self, data, written):
        self.tell(v.StateSaved(self.choose(data, self.world.writers), self.world.set, written > 0))

    @precondition(lambda self: self.world.set > 1)
    @rule(data=st.data(), written=st.booleans())
    def save_late(self, data, written):
        host = self.choose(data, self.world.plan.stateful)
        self.tell(v.StateSaved(host, self.world.set - 1, written))

    @precondition(lambda self: self.fragile)
    @rule(data=st.data(), both=st.booleans())
    def lose_hosts(self, data, both):
        """The process of one or two hosts, also of one that has halted, or of a new one that has just begun."""
        first = self.choose(data, self.world.plan.hosts)
        second = self.choose(data, self.world.plan.hosts)
        self.tell(v.HostsLost(tuple(dict.fromkeys([first, second] if both else [first])), "killed"))

    @precondition(lambda self: self.fragile and self.world.spares > 0)
    @rule()
    def lose_spare(self):
        self.tell(v.HostsLost((), "killed"))

    @precondition(lambda self: self.world.away)
    @rule(data=st.data())
    def come_back(self, data):
        self.tell(v.HostReady(self.choose(data, sorted(self.world.away))))

    @precondition(lambda self: self.world.to_begin or self.world.to_end)
    @rule(data=st.data())
    def train(self, data):
        world = self.world
        events = [v.RoundOver(h, world.begun[h]) for h in world.to_end]
        events += [v.RoundStarted(h, n + 1) for h in world.to_begin for n in range(world.begun[h], world.newest)]
        self.tell(self.choose(data, events))

    @precondition(lambda self: self.world.ranking is not None)
    @rule(data=st.data())
    def rank(self, data):
        asked, self.world.ranking = self.world.ranking, None
        kept = data.draw(st.lists(st.sampled_from(asked.samples), unique=True))
        self.tell(v.QueueRanked(asked.request, tuple(kept)))

    @rule(request=st.integers(50, 99), kept=st.lists(st.integers(0, 1010)))
    def rank_unasked(self, request, kept):
        self.tell(v.QueueRanked(request, tuple(kept)))

    @precondition(lambda self: self.world.to_finish)
    @rule(data=st.data())
    def finish_training(self, data):
        self.tell(v.TrainingOver(self.choose(data, self.world.to_finish)))

    @precondition(lambda self: self.world.quietened and not self.world.quiet)
    @rule()
    def become_quiet(self):
        self.tell(v.WalkersQuiet())

    @precondition(lambda self: self.world.halting)
    @rule(data=st.data(), saved=st.integers(0, 9))
    def halt(self, data, saved):
        self.tell(v.HostHalted(self.choose(data, self.world.halting), saved > 0))

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0]))
    def pass_time(self, seconds):
        self.world.now += seconds
        self.tell(v.Tick())

    @precondition(lambda self: self.steps >= self.patience)
    @rule(what=st.sampled_from(["stop", "fail", "walkers", "member", "silence", "problem"]), data=st.data())
    def end(self, what, data):
        world = self.world
        if what == "stop":
            self.tell(v.StopAsked("SIGTERM"))
        elif what == "fail":
            self.tell(v.HostFailed(self.choose(data, world.plan.hosts), "broken"))
        elif what == "walkers":
            walkers = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=2))
            self.tell(v.WalkersEnded(tuple(walkers), "found", data.draw(st.booleans())))
        elif what == "member":
            self.tell(v.MemberAsksStop(data.draw(st.integers(0, 1)), "flat"))
        elif what == "problem" and world.inspecting:
            self.tell(v.Inspected(("no such element",)))
        else:
            world.now += 50.0
            self.tell(v.Tick())

    def teardown(self):
        if not hasattr(self, "world") or self.world.over is not None:
            return
        self.world.handle(v.StopAsked("the test is over"))
        if self.silent:
            self.fall_silent()
        else:
            self.answer_everything()
        assert self.world.over is not None

    def fall_silent(self):
        """Nobody answers: time alone brings the end, by way of all limits."""
        for _ in range(200):
            self.world.now += 1.0
            self.world.handle(v.Tick())

    def answer_everything(self):
        """Everybody answers: the run finishes, whatever has happened before."""
        world = self.world
        for _ in range(500):
            if world.over is not None:
                break
            assert self.one_answer() is not None, f"nobody owes anything while {world.machine.phase}"
            world.handle(v.Tick())
        assert isinstance(world.over, v.Finished | v.Restart)

    def one_answer(self) -> v.Event | None:
        world = self.world
        owed: list[v.Event] = [v.LabelArrived(h, s) for h, s in world.working]
        owed += [v.RoundStarted(h, world.newest) for h in world.to_begin]
        owed += [v.RoundOver(h, world.begun[h]) for h in world.to_end]
        owed += [v.TrainingOver(h) for h in world.to_finish]
        owed += [v.WalkersQuiet()] if world.quietened and not world.quiet else []
        owed += [v.HostHalted(h) for h in world.halting if h != "exchange"]
        owed += [v.HostHalted("exchange")] if "exchange" in world.halting else []
        if not owed:
            return None
        world.handle(owed[0])
        return owed[0]


ManagerUnderLoad.TestCase.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
TestManagerUnderLoad = ManagerUnderLoad.TestCase
