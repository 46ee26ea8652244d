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
    HostHalted,
    IllegalEventError,
    Judged,
    PauseExchange,
    Proposed,
    Quieten,
    RerankAsked,
    ResumeExchange,
    WalkersGone,
)


class ExchangeUnderLoad(RuleBasedStateMachine):
    """Hosts propose, answer, end and are ended in any order."""

    @initialize(
        walkers=st.lists(st.integers(1, 3), max_size=3),
        groups=st.lists(st.integers(1, 3), max_size=3),
        batching=st.sampled_from(["ready", "all"]),
        patience=st.integers(0, 40),
    )
    def begin(self, walkers, groups, batching, patience):
        hosts = iter(f"prediction/{i}" for i in range(9))
        self.world = ExchangeWorld(
            {f"generator/{i}": n for i, n in enumerate(walkers)},
            [[next(hosts) for _ in range(n)] for n in groups],
            batching,
        )
        self.patience = patience
        """Steps before the end may begin, so that some runs have a life before it."""
        self.steps = 0

    def tell(self, event: Event) -> None:
        self.steps += 1
        self.world.handle(event)

    @precondition(lambda self: self.world.proposers)
    @rule(data=st.data())
    def propose(self, data):
        host = data.draw(st.sampled_from(self.world.proposers))
        size = data.draw(st.integers(1, self.world.free[host]))
        self.tell(Proposed(Chunk(host, self.world.seq[host], size)))

    @precondition(lambda self: self.world.proposers)
    @rule(data=st.data())
    def end_walkers(self, data):
        host = data.draw(st.sampled_from(self.world.proposers))
        self.tell(WalkersGone(host, data.draw(st.integers(1, self.world.free[host]))))

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

    @rule(pause=st.booleans())
    def pause_or_resume(self, pause):
        self.tell(PauseExchange() if pause else ResumeExchange())

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
        hosts = [*world.live, *(h for g in world.groups for h in g)]
        events: list[Event] = [Answered("generator/0", 0), Judged(-1), HostHalted("stranger"), WalkersGone("x", 1)]
        events += [Proposed(Chunk(h, n + off, 1)) for h, n in world.seq.items() for off in (-1, 1)]
        events += [Proposed(Chunk(h, world.seq[h], 1)) for h in world.halted if h in world.seq]
        events += [WalkersGone(h, n + 1) for h, n in world.live.items()]
        events += [Answered(h, b) for h in hosts for b in range(4) if (h, b) not in world.answers]
        events += [Judged(b) for b in world.batches if b not in world.to_judge]
        events += [HostHalted(h) for h in world.halted]
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
