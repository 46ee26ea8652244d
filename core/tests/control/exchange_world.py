"""A model of everything around the exchange machine, which checks each action against what was promised."""

from __future__ import annotations

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
    HaltHost,
    HostHalted,
    Judge,
    Judged,
    PauseExchange,
    Predict,
    PredictQueue,
    Proposed,
    Quiet,
    Quieten,
    RankQueue,
    Reply,
    RerankAsked,
    ResumeExchange,
    WalkersGone,
)


class WatchedExchange(Exchange):
    """Refuses a change of phase that isn't in the table."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "phase" and "phase" in vars(self):
            assert value in PHASES[self.phase], f"{self.phase} -> {value}"
        super().__setattr__(name, value)


class ExchangeWorld:
    """Hosts of walkers and predictors as the machine should see them."""

    def __init__(self, walkers: dict[str, int], groups: list[list[str]], batching: str) -> None:
        self.machine = WatchedExchange(walkers, groups, batching)
        self.groups = groups
        self.batching = batching
        self.live = dict(walkers)
        self.free = dict(walkers)
        """Walkers of each host that have no sample on its way."""
        self.seq = dict.fromkeys(walkers, 0)
        self.chunks: dict[Chunk, str] = {}
        self.batches: dict[int, tuple[Chunk, ...]] = {}
        self.missing: dict[int, list[str]] = {}
        self.group_of: dict[int, int] = {}
        self.to_judge: list[int] = []
        self.rankings: dict[int, int] = {}
        self.requests: list[int] = []
        self.told: list[str] = []
        self.halted: set[str] = set()
        self.paused = self.quietened = self.closing = False
        self.quiet = self.closed = 0

    # --- what the hosts may do next

    @property
    def proposers(self) -> list[str]:
        return [h for h, n in self.free.items() if n and h not in self.halted]

    @property
    def answers(self) -> list[tuple[str, int]]:
        return [(h, b) for b, hosts in self.missing.items() for h in hosts]

    @property
    def halting(self) -> list[str]:
        return [h for h in self.told if h not in self.halted]

    # --- events

    def handle(self, event: Event) -> list[Action]:
        self._before(event)
        actions = self.machine.handle(event)
        for action in actions:
            self._check(action)
        self.check_nothing_lies_idle()
        return actions

    def _before(self, event: Event) -> None:
        match event:
            case Proposed(chunk):
                self.chunks[chunk] = "waiting"
                self.free[chunk.host] -= chunk.size
                self.seq[chunk.host] += 1
            case WalkersGone(host, count):
                self.free[host] -= count
                self.live[host] -= count
            case Answered(host, batch):
                self.missing[batch].remove(host)
                if not self.missing[batch]:
                    del self.group_of[batch]
            case Judged(batch):
                self.to_judge.remove(batch)
            case RerankAsked(request):
                self.requests.append(request)
            case HostHalted(host):
                self.halted.add(host)
            case PauseExchange() | ResumeExchange():
                self.paused = isinstance(event, PauseExchange)
            case Quieten():
                self.quietened = True
            case _:
                self.closing = True
                self.requests.clear()

    def snapshot(self) -> dict[str, Any]:
        """The machine's state but for its list of recent events."""
        return deepcopy({name: value for name, value in vars(self.machine).items() if name != "_recent"})

    # --- actions

    def _check(self, action: Action) -> None:
        match action:
            case Predict(batch, chunks, group):
                assert chunks
                assert not self.paused
                assert not self.quietened
                assert self.batching == "ready" or sum(c.size for c in chunks) >= sum(self.live.values())
                for chunk in chunks:
                    self._move(chunk, "waiting", "predicting")
                self.batches[batch] = chunks
                self._take_off(batch, group)
            case PredictQueue(batch, request, group):
                assert request == self.requests.pop(0)
                self.rankings[batch] = request
                self._take_off(batch, group)
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
                self._move(chunk, "judging", "answered")
            case Dismiss(chunk):
                assert self.quietened
                self._move(chunk, "waiting", "answered")
            case HaltHost(host):
                self._check_halt(host)
            case Quiet():
                self.quiet += 1
                assert self.halted >= self.live.keys()
            case Closed():
                self.closed += 1
                assert self.halted >= {h for g in self.groups for h in g}

    def _move(self, chunk: Chunk, before: str, now: str) -> None:
        assert self.chunks[chunk] == before
        self.chunks[chunk] = now
        if now == "answered":
            self.free[chunk.host] += chunk.size

    def _take_off(self, batch: int, group: int) -> None:
        assert group not in self.group_of.values(), "a second batch for a busy group"
        assert batch not in self.missing
        self.group_of[batch] = group
        self.missing[batch] = list(self.groups[group])

    def _check_halt(self, host: str) -> None:
        assert host not in self.told, f"{host} told to halt twice"
        self.told.append(host)
        if host in self.live:
            assert self.quietened
            assert all(state == "answered" for chunk, state in self.chunks.items() if chunk.host == host)
        else:
            assert self.closing
            assert all(host not in self.groups[g] for g in self.group_of.values())

    # --- invariants

    def check_nothing_lies_idle(self) -> None:
        """With a group free nothing waits that may leave; `Quiet` and `Closed` don't wait for anything either."""
        if len(self.group_of) < len(self.groups):
            assert not self.requests
            waiting = [c for c, state in self.chunks.items() if state == "waiting"]
            enough = self.batching == "ready" or sum(c.size for c in waiting) >= sum(self.live.values())
            assert not (waiting and enough) or self.paused
        assert self.quiet == (self.quietened and self.halted >= self.live.keys())
        assert self.closed == (self.closing and self.halted >= {h for g in self.groups for h in g})

    def check_end(self) -> None:
        assert (self.quiet, self.closed, self.machine.phase) == (1, 1, "closed")
        assert set(self.chunks.values()) <= {"answered"}
        assert sorted(self.told) == sorted([*self.live, *(h for g in self.groups for h in g)])
        assert not self.missing
        assert not self.to_judge
