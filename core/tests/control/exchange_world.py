"""A model of everything around the exchange machine, which checks each action against what was promised."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from pal_core.control.exchange import (
    PHASES,
    Action,
    Answered,
    Chunk,
    Closed,
    Dismiss,
    Event,
    Exchange,
    GoOn,
    HaltHost,
    HostBack,
    HostHalted,
    HostLost,
    Judge,
    Judged,
    Predict,
    PredictQueue,
    Proposed,
    Quiet,
    Quieten,
    RankQueue,
    Repeat,
    Reply,
    RerankAsked,
    ResumeExchange,
    WalkersGone,
)

BOOKS = ("_waiting", "_groups")


def state_of(machine: Exchange) -> dict[str, Any]:
    """All that a machine and its books hold, but for recent events; can be compared."""
    state = {name: vars(value) if name in BOOKS else value for name, value in vars(machine).items()}
    return deepcopy({name: value for name, value in state.items() if name != "_recent"})


class WatchedExchange(Exchange):
    """Refuses a change of phase that isn't in the table."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "phase" and "phase" in vars(self):
            assert value in PHASES[self.phase], f"{self.phase} -> {value}"
        super().__setattr__(name, value)


class ExchangeWorld:
    """Hosts of walkers and predictors as the machine should see them."""

    def __init__(
        self,
        walkers: dict[str, int],
        groups: list[list[str]],
        batching: str,
        stepwise: bool = False,
        members: dict[str, int] | None = None,
    ) -> None:
        self.machine = WatchedExchange(walkers, groups, batching, stepwise, members or {})
        self.walkers = walkers
        self.groups = groups
        self.members = members or {}
        self.batching = batching
        self.stepwise = self.paused = stepwise
        self.ended: dict[str, set[int]] = {h: set() for h in walkers}
        self.free = dict(walkers)
        """Walkers of each host that live and have no sample on its way."""
        self.seq = dict.fromkeys(walkers, 0)
        self.chunks: dict[Chunk, str] = {}
        self.orphans: set[Chunk] = set()
        """Chunks of hosts that have been lost since."""
        self.batches: dict[int, tuple[Chunk, ...]] = {}
        self.missing: dict[int, list[str]] = {}
        self.group_of: dict[int, int] = {}
        self.to_judge: list[int] = []
        self.rankings: dict[int, int] = {}
        self.requests: list[int] = []
        self.told: list[str] = []
        self.halted: set[str] = set()
        self.lost: set[str] = set()
        self.owed: list[Action] = []
        """What a host that has just come back must be told."""
        self.quietened = self.closing = False
        self.quiet = self.closed = 0

    # --- what the hosts may do next

    @property
    def predictors(self) -> list[str]:
        return [h for g in self.groups for h in g]

    @property
    def hosts(self) -> list[str]:
        return [*self.walkers, *self.predictors]

    @property
    def proposers(self) -> list[str]:
        return [h for h, n in self.free.items() if n and h not in self.halted | self.lost]

    @property
    def answers(self) -> list[tuple[str, int]]:
        return [(h, b) for b, hosts in self.missing.items() for h in hosts if h not in self.lost]

    @property
    def halting(self) -> list[str]:
        return [h for h in self.told if h not in self.halted | self.lost]

    @property
    def running(self) -> list[str]:
        return [h for h in self.hosts if h not in self.halted | self.lost]

    def living(self, host: str) -> int:
        return 0 if host in self.lost else self.walkers[host] - len(self.ended[host])

    def present(self, group: int) -> list[str]:
        """Hosts of a group that would be asked; none if too few members are left to disagree."""
        hosts = self.groups[group]
        left = [h for h in hosts if h not in self.lost]
        return left if len(left) == len(hosts) or sum(self.members.get(h, 1) for h in left) >= 2 else []

    # --- events

    def handle(self, event: Event) -> list[Action]:
        self._before(event)
        actions = self.machine.handle(event)
        for action in actions:
            self._check(action)
        self._forget_stuck()
        assert self.owed == [], "a host that is back isn't asked again"
        self.check_nothing_lies_idle()
        return actions

    def _before(self, event: Event) -> None:  # noqa: C901 - one row per event
        match event:
            case Proposed(chunk):
                self.chunks[chunk] = "waiting"
                if chunk.host in self.lost:
                    self.orphans.add(chunk)
                    return
                self.free[chunk.host] -= chunk.walkers
                self.seq[chunk.host] += 1
            case WalkersGone(host, walkers):
                if host not in self.lost:
                    self.free[host] -= len(walkers)
                    self.ended[host] |= set(walkers)
            case Answered(host, batch):
                if (host, batch) in self.answers:
                    self._give(batch, host)
            case Judged(batch):
                self.to_judge.remove(batch)
            case RerankAsked(request):
                self.requests.append(request)
            case HostHalted(host):
                self.halted.add(host)
            case HostLost(host):
                self._lose(host)
            case HostBack(host, seq):
                self._welcome(host, seq)
            case ResumeExchange():
                self.paused = False
            case Quieten():
                self.quietened = True
            case _:
                self.closing = True
                self.requests.clear()

    def _give(self, batch: int, host: str) -> None:
        self.missing[batch].remove(host)
        if not self.missing[batch]:
            del self.group_of[batch]

    def _lose(self, host: str) -> None:
        if host not in self.hosts or host in self.halted | self.lost:
            return
        self.lost.add(host)
        if host in self.walkers:
            self.free[host] = 0
            self.ended[host] = set()
            states = ("waiting", "predicting", "judging")
            self.orphans |= {c for c, state in self.chunks.items() if c.host == host and state in states}
            return
        group = next(g for g, hosts in enumerate(self.groups) if host in hosts)
        for batch in [b for b, hosts in self.missing.items() if host in hosts and self.present(group)]:
            self._give(batch, host)

    def _welcome(self, host: str, seq: int) -> None:
        if self.quietened:
            return
        self.lost.remove(host)
        if host in self.walkers:
            self.free[host], self.seq[host] = self.walkers[host], seq
            self.owed = [GoOn(host)]
            return
        self.owed = [Repeat(b, host) for b, hosts in self.missing.items() if host in hosts]

    def snapshot(self) -> dict[str, Any]:
        """The machine's state but for its list of recent events."""
        return state_of(self.machine)

    # --- actions

    def _check(self, action: Action) -> None:  # noqa: C901 - one row per action
        match action:
            case Predict(batch, chunks, group):
                assert chunks
                assert not self.paused
                assert not self.quietened
                assert self.batching == "ready" or self._enough(chunks)
                for chunk in chunks:
                    self._move(chunk, "waiting", "predicting")
                self.batches[batch] = chunks
                self.paused = self.stepwise
                self._take_off(batch, group)
            case PredictQueue(batch, request, group):
                assert request == self.requests.pop(0)
                self.rankings[batch] = request
                self._take_off(batch, group)
            case Repeat() | GoOn():
                self.owed.remove(action)
            case Judge(batch):
                assert self.missing.pop(batch) == []
                for chunk in self.batches[batch]:
                    self._move(chunk, "predicting", "judging")
                self.to_judge.append(batch)
            case RankQueue(batch, request):
                assert self.missing.pop(batch) == []
                assert self.rankings.pop(batch) == request
            case Reply(batch, chunk):
                assert chunk in self.batches[batch]
                assert chunk not in self.orphans
                self._move(chunk, "judging", "answered")
            case Dismiss(chunk):
                self._check_dismissed(chunk)
            case HaltHost(host):
                self._check_halt(host)
            case Quiet():
                self.quiet += 1
                assert self.halted | self.lost >= self.walkers.keys()
            case Closed():
                self.closed += 1
                assert self.halted | self.lost >= set(self.predictors)

    def _enough(self, chunks: Iterable[Chunk]) -> bool:
        return sum(c.walkers for c in chunks) >= sum(map(self.living, self.walkers))

    def _move(self, chunk: Chunk, before: str, now: str) -> None:
        assert self.chunks[chunk] == before
        self.chunks[chunk] = now
        if now == "answered" and chunk not in self.orphans:
            self.free[chunk.host] += chunk.walkers

    def _check_dismissed(self, chunk: Chunk) -> None:
        state = self.chunks[chunk]
        if state == "predicting":
            assert any(chunk in self.batches[b] for b in self._stuck())
        else:
            assert chunk in self.orphans or (self.quietened and state == "waiting")
        assert state != "answered"
        self._move(chunk, state, "answered")

    def _stuck(self) -> list[int]:
        """Batches that only lost hosts could still answer, once the end has begun."""
        return [b for b, hosts in self.missing.items() if self.quietened and hosts and set(hosts) <= self.lost]

    def _forget_stuck(self) -> None:
        for batch in self._stuck():
            assert all(self.chunks[c] == "answered" for c in self.batches.get(batch, ()))
            del self.missing[batch], self.group_of[batch]
            self.rankings.pop(batch, None)

    def _take_off(self, batch: int, group: int) -> None:
        busy = {g for b, g in self.group_of.items() if b not in self._stuck()}
        assert group not in busy, "a second batch for a busy group"
        assert batch not in self.missing
        self.group_of[batch] = group
        self.missing[batch] = self.present(group)
        assert self.missing[batch], "a batch for a group that isn't there"

    def _check_halt(self, host: str) -> None:
        assert host not in self.told, f"{host} told to halt twice"
        assert host not in self.halted | self.lost
        self.told.append(host)
        if host in self.walkers:
            assert self.quietened
            assert all(s == "answered" for c, s in self.chunks.items() if c.host == host and c not in self.orphans)
        else:
            assert self.closing
            assert all(host not in self.groups[g] for b, g in self.group_of.items() if b not in self._stuck())

    # --- invariants

    def check_nothing_lies_idle(self) -> None:
        """With a group free nothing waits that may leave; `Quiet` and `Closed` don't wait for anything either."""
        if any(self.present(g) and g not in self.group_of.values() for g in range(len(self.groups))):
            assert not self.requests
            waiting = [c for c, state in self.chunks.items() if state == "waiting"]
            assert not waiting or self.paused or (self.batching == "all" and not self._enough(waiting))
        assert self.quiet == (self.quietened and self.halted | self.lost >= self.walkers.keys())
        assert self.closed == (self.closing and self.halted | self.lost >= set(self.predictors))

    def check_end(self) -> None:
        assert (self.quiet, self.closed, self.machine.phase) == (1, 1, "closed")
        assert set(self.chunks.values()) <= {"answered"}
        assert {*self.told, *self.lost} == set(self.hosts)
        assert not self.missing
        assert not self.to_judge
