"""The exchange machine under arbitrary orders of events: every promise is checked after every step."""

from __future__ import annotations

import pytest
from exchange_world import ExchangeWorld
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from pal_core.control.exchange import (
    Answered,
    Chunk,
    Close,
    Event,
    HostBack,
    HostHalted,
    HostLost,
    IllegalEventError,
    Judged,
    Proposed,
    Quieten,
    RerankAsked,
    ResumeExchange,
    WalkersGone,
)


class ExchangeUnderLoad(RuleBasedStateMachine):
    """Hosts propose, answer, end, are ended, are lost and come back in any order; some say things twice."""

    @initialize(
        walkers=st.lists(st.integers(1, 3), max_size=3),
        groups=st.lists(st.integers(1, 3), max_size=3),
        batching=st.sampled_from(["ready", "all"]),
        stepwise=st.booleans(),
        members=st.lists(st.integers(1, 2), min_size=9, max_size=9),
        patience=st.integers(0, 40),
        fragile=st.booleans(),
    )
    def begin(self, walkers, groups, batching, stepwise, members, patience, fragile):
        hosts = iter(f"prediction/{i}" for i in range(9))
        self.world = ExchangeWorld(
            {f"generator/{i}": n for i, n in enumerate(walkers)},
            [[next(hosts) for _ in range(n)] for n in groups],
            batching,
            stepwise,
            {f"prediction/{i}": n for i, n in enumerate(members)},
        )
        self.said: list[Event] = []
        """What hosts have said, which may come once more."""
        self.fragile = fragile
        """Whether hosts are lost."""
        self.patience = patience
        """Steps before the end may begin, so that some runs have a life before it."""
        self.steps = 0

    def tell(self, event: Event) -> None:
        self.steps += 1
        if isinstance(event, Proposed | WalkersGone | Answered | HostHalted):
            self.said.append(event)
        self.world.handle(event)

    @precondition(lambda self: self.world.proposers)
    @rule(data=st.data())
    def propose(self, data):
        host = data.draw(st.sampled_from(self.world.proposers))
        walkers = data.draw(st.integers(1, self.world.free[host]))
        size = walkers + data.draw(st.integers(0, 5))
        self.tell(Proposed(Chunk(host, self.world.seq[host], size, walkers)))

    @precondition(lambda self: self.world.proposers)
    @rule(data=st.data())
    def end_walkers(self, data):
        host = data.draw(st.sampled_from(self.world.proposers))
        count = data.draw(st.integers(1, self.world.free[host]))
        left = [w for w in range(self.world.walkers[host]) if w not in self.world.ended[host]]
        self.tell(WalkersGone(host, tuple(left[:count])))

    @precondition(lambda self: self.world.answers)
    @rule(data=st.data())
    def answer(self, data):
        self.tell(Answered(*data.draw(st.sampled_from(self.world.answers))))

    @precondition(lambda self: self.world.to_judge)
    @rule(data=st.data())
    def judge(self, data):
        self.tell(Judged(data.draw(st.sampled_from(self.world.to_judge))))

    @precondition(lambda self: not self.world.closing)
    @rule()
    def ask_for_ranking(self):
        self.tell(RerankAsked(self.steps))

    @precondition(lambda self: self.world.stepwise)
    @rule()
    def resume(self):
        self.tell(ResumeExchange())

    @precondition(lambda self: self.fragile and self.world.running)
    @rule(data=st.data())
    def lose_host(self, data):
        self.tell(HostLost(data.draw(st.sampled_from(self.world.running))))

    @precondition(lambda self: self.world.lost)
    @rule(data=st.data())
    def host_is_back(self, data):
        host = data.draw(st.sampled_from(sorted(self.world.lost)))
        self.said = [e for e in self.said if getattr(e, "host", None) != host]
        self.tell(HostBack(host, self.world.seq.get(host, 0) + 10))

    @precondition(lambda self: self.world.lost & self.world.walkers.keys())
    @rule(data=st.data())
    def lost_host_is_heard_late(self, data):
        host = data.draw(st.sampled_from(sorted(self.world.lost & self.world.walkers.keys())))
        chunk = Chunk(host, self.world.seq[host] + 5, 1, 1)
        if chunk not in self.world.chunks:
            self.tell(Proposed(chunk))

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def repeat_what_was_said(self, data):
        """In vain, but for a chunk of a host that has been lost since: it is dismissed once more."""
        event = data.draw(st.sampled_from(self.said))
        if isinstance(event, Proposed) and event.chunk.host in self.world.lost:
            return
        if isinstance(event, Answered) and (event.host, event.batch) in self.world.answers:
            return
        before = self.world.snapshot()
        assert self.world.machine.handle(event) == []
        assert self.world.snapshot() == before

    @precondition(lambda self: not self.world.quietened and self.steps >= self.patience)
    @rule()
    def quieten(self):
        self.tell(Quieten())

    @precondition(lambda self: self.world.quiet and not self.world.closing)
    @rule()
    def close(self):
        self.tell(Close())

    @precondition(lambda self: self.world.halting)
    @rule(data=st.data())
    def halt(self, data):
        self.tell(HostHalted(data.draw(st.sampled_from(self.world.halting))))

    @rule(data=st.data())
    def refuse_what_cannot_happen(self, data):
        event = data.draw(st.sampled_from(self.impossible()))
        before = self.world.snapshot()
        with pytest.raises(IllegalEventError) as caught:
            self.world.machine.handle(event)
        assert self.world.snapshot() == before
        assert str(event) in str(caught.value)

    def impossible(self) -> list[Event]:
        world = self.world
        events: list[Event] = [Answered("generator/0", 0), Judged(-1), HostHalted("stranger"), WalkersGone("x", (1,))]
        here = [h for h in world.walkers if h not in world.lost]
        events += [Proposed(Chunk(h, world.seq[h] + 1, 1, 1)) for h in here]
        events += [Proposed(Chunk(h, world.seq[h], 1, 1)) for h in here if h in world.halted]
        events += [WalkersGone(h, tuple(range(world.walkers[h] + 1))) for h in here]
        events += [Answered(h, 10**6) for h in world.predictors]
        events += [Judged(b) for b in world.batches if b not in world.to_judge]
        events += [HostBack(h) for h in world.hosts if h not in world.lost]
        events += [Quieten()] if world.quietened else []
        events += [Close()] if world.closing or not world.quiet else []
        events += [RerankAsked(0)] if world.closing else []
        return events

    def teardown(self):
        """Whatever has happened, once the hosts answer the exchange ends."""
        if not hasattr(self, "world"):
            return
        world = self.world
        if not world.quietened:
            world.handle(Quieten())
        while world.answers or world.to_judge or world.halting or world.closed == 0:
            if world.answers:
                world.handle(Answered(*world.answers[0]))
            elif world.to_judge:
                world.handle(Judged(world.to_judge[0]))
            elif world.halting:
                world.handle(HostHalted(world.halting[-1]))
            else:
                assert world.quiet, "nobody owes the exchange anything, yet it isn't quiet"
                world.handle(Close())
        world.check_end()


ExchangeUnderLoad.TestCase.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestExchangeUnderLoad = ExchangeUnderLoad.TestCase
