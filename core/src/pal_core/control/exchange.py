"""The fast cycle as a pure state machine: walkers propose, a committee predicts, walkers are answered.

Theory of operation
-------------------
The machine never sees a sample. Its shell keeps the payloads; events and actions speak of *chunks* (what one
generator host sent in one message, named ``(host, seq)``) and *batches* (chunks that are predicted together, or one
re-ranking request). A *group* is a set of prediction hosts that hold all members between them; groups are replicas and
share the batches.

A chunk goes through these states, and through no others:

=========  ======================================  =======================================
state      entered by                              left by
=========  ======================================  =======================================
waiting    `Proposed`                              `Predict` (a group is free), `Dismiss`
predicting `Predict`                               last `Answered` of the group: `Judge`
judging    `Judge`                                 `Judged`: `Reply`
answered   `Reply` or `Dismiss`                    never
=========  ======================================  =======================================

The machine itself goes through ``open -> quieting -> quiet -> closing -> closed``. While open, a batch leaves when a
group is free, samples wait, and the batching rule is content: ``"ready"`` takes all that waits, ``"all"`` waits until
every live walker has proposed (lock step; a walker may propose several samples at once) and joins the chunks in an
order that doesn't depend on who was faster.
Stepwise, every batch of walkers needs a `Resume` of its own; re-ranking goes on meanwhile.

A host may be lost and come back. Without a generator host the others go on; what it had proposed is forgotten. In its
new life it waits for `GoOn`, so that nothing it proposes can overtake the news that it is back. A group
that has lost a host goes on with the members left, if they are at least two, whose disagreement still says something;
otherwise its batch waits, and is sent to the host again when it is back.

Promises
--------
* every chunk is answered exactly once, by `Reply` or `Dismiss`;
* a group has one batch at a time; a chunk or an answer that comes twice changes nothing, and one that can't be is
  refused: it raises `IllegalEventError` and changes nothing either;
* once the end has begun, a batch that only lost hosts could still answer is forgotten, its chunks are dismissed;
* every generator host and every prediction host is told to halt exactly once, unless it has halted already because the
  manager told it: generator hosts as soon as their chunks are answered after `Quieten`, prediction hosts as soon as
  their group is idle after `Close`; a host that is lost meanwhile counts as halted;
* `Quiet` and `Closed` come exactly once each, after the last host concerned has halted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from pal_core.control.exchange_books import Flight, Groups, Waiting
from pal_core.control.exchange_vocabulary import (
    PHASES,
    Action,
    Answered,
    Chunk,
    Close,
    Closed,
    Dismiss,
    Event,
    GoOn,
    HaltHost,
    HostBack,
    HostHalted,
    HostLost,
    IllegalEventError,
    Judge,
    Judged,
    Phase,
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

__all__ = [
    "Action",
    "Answered",
    "Chunk",
    "Close",
    "Closed",
    "Dismiss",
    "Event",
    "Exchange",
    "GoOn",
    "HaltHost",
    "HostBack",
    "HostHalted",
    "HostLost",
    "IllegalEventError",
    "Judge",
    "Judged",
    "PHASES",
    "Phase",
    "Predict",
    "PredictQueue",
    "Proposed",
    "Quiet",
    "Quieten",
    "RankQueue",
    "Repeat",
    "Reply",
    "RerankAsked",
    "ResumeExchange",
    "WalkersGone",
]


@dataclass
class Exchange:
    """State machine of the fast cycle; `handle` is its only entrance.

    Parameters
    ----------
    walkers : mapping of str to int
        Generator hosts and how many walkers each has.
    groups : iterable of iterable of str
        Prediction hosts of each replica of the committee.
    batching : {"ready", "all"}
    stepwise : bool
        Whether every batch of walkers needs a `ResumeExchange`.
    members : mapping of str to int
        Members on each prediction host; one each, where left out.

    Raises
    ------
    ValueError
        If a group has no host or a host has two places: such a group would never, or twice, be told to halt.
    """

    walkers: Mapping[str, int]
    groups: Iterable[Iterable[str]]
    batching: Literal["ready", "all"] = "ready"
    stepwise: bool = False
    members: Mapping[str, int] = field(default_factory=dict)
    phase: Phase = "open"
    _requests: deque[int] = field(default_factory=deque)
    _flights: dict[int, Flight] = field(default_factory=dict)
    _next_batch: int = 0
    _recent: deque[Event] = field(default_factory=lambda: deque(maxlen=20))

    def __post_init__(self) -> None:
        self.paused = self.stepwise
        self._lost: set[str] = set()
        self._orphans: set[Chunk] = set()
        self._ended: dict[str, set[int]] = {h: set() for h in self.walkers}
        self._walkers_live = sum(self.walkers.values())
        self._waiting = Waiting(self.walkers, ordered=self.batching == "all")
        self._running = set(self.walkers)
        self._told: set[str] = set()
        self._expected = dict.fromkeys(self.walkers, 0)
        self._groups = Groups(self.groups, self.members, self._lost)
        groups = self._groups.groups
        hosts = [h for g in groups for h in g]
        self._predicting = set(hosts)
        if not all(groups) or len({*self.walkers, *hosts}) != len(self.walkers) + len(hosts):
            raise ValueError(f"a group without hosts, or a host with two places: {self.walkers} and {groups}")

    def handle(self, event: Event) -> list[Action]:  # noqa: PLR0911 - one return per row of the event table
        """Take one event, return what must be done, in order.

        Raises
        ------
        IllegalEventError
            If the event can't happen in this state.
        """
        self._recent.append(event)
        match event:
            case Proposed(chunk):
                return self._proposed(chunk)
            case WalkersGone(host, walkers):
                return self._gone(host, walkers)
            case Answered(host, batch):
                return self._answered(host, batch)
            case Judged(batch):
                return self._judged(batch)
            case RerankAsked(request):
                return self._rerank(request)
            case ResumeExchange():
                self.paused = False
                return self._leave()
            case Quieten():
                return self._quieten()
            case Close():
                return self._close()
            case HostHalted(host):
                return self._halted(host)
            case HostLost(host):
                return self._host_lost(host)
            case HostBack(host, seq):
                return self._host_back(host, seq)

    @property
    def walkers_present(self) -> list[str]:
        """Generator hosts that are not lost."""
        return [h for h in self.walkers if h not in self._lost]

    def _refuse(self, why: str) -> NoReturn:
        recent = "\n  ".join(str(e) for e in self._recent)
        raise IllegalEventError(f"exchange ({self.phase}): {why}; last events:\n  {recent}")

    def _refuse_if(self, bad: bool, why: str) -> None:
        if bad:
            self._refuse(why)

    # --- chunks and batches

    def _proposed(self, chunk: Chunk) -> list[Action]:
        if chunk.host in self._lost:
            return [Dismiss(chunk)]
        if chunk.seq < self._expected.get(chunk.host, 0):
            return []
        self._refuse_if(chunk.host not in self._running, f"{chunk.host} is not a running generator host")
        expected = self._expected[chunk.host]
        self._refuse_if(chunk.seq != expected, f"chunk {chunk.seq} of {chunk.host}, {expected} expected")
        self._expected[chunk.host] += 1
        if self.phase != "open":
            return [Dismiss(chunk)]
        self._waiting.add(chunk)
        return self._leave()

    def _gone(self, host: str, walkers: tuple[int, ...]) -> list[Action]:
        if host in self._lost:
            return []
        ended = self._ended.get(host, set()) | set(walkers)
        self._refuse_if(len(ended) > self.walkers.get(host, -1), f"{host} has ended more walkers than it had")
        self._walkers_live -= len(ended) - len(self._ended[host])
        self._ended[host] = ended
        return self._leave()

    def _rerank(self, request: int) -> list[Action]:
        self._refuse_if(self.phase in ("closing", "closed"), f"asked for ranking {request} after the end")
        self._requests.append(request)
        return self._leave()

    def _leave(self) -> list[Action]:
        """Send off what may leave: re-ranking requests first, they are few."""
        actions: list[Action] = []
        while self._groups.any_free and self._requests:
            group, request = self._groups.take(), self._requests.popleft()
            batch = self._take_off(Flight(group, self._groups.present(group), request=request))
            actions.append(PredictQueue(batch, request, group))
        if self._groups.any_free and self._may_leave():
            group, chunks = self._groups.take(), self._waiting.take()
            batch = self._take_off(Flight(group, self._groups.present(group), chunks))
            actions.append(Predict(batch, chunks, group))
            self.paused = self.stepwise
        return actions

    def _may_leave(self) -> bool:
        if self.phase != "open" or self.paused or not self._waiting:
            return False
        return self.batching == "ready" or self._waiting.walkers >= self._walkers_live

    def _take_off(self, flight: Flight) -> int:
        batch = self._next_batch
        self._next_batch += 1
        self._flights[batch] = flight
        return batch

    def _answered(self, host: str, batch: int) -> list[Action]:
        flight = self._flights.get(batch)
        if not 0 <= batch < self._next_batch or host not in self._groups:
            self._refuse(f"{host} answers batch {batch}, for which nobody waits")
        if flight is None or host not in flight.missing or host in self._lost:
            return []
        flight.missing.discard(host)
        return self._forget_stuck() if flight.missing else self._complete(batch, flight)

    def _complete(self, batch: int, flight: Flight) -> list[Action]:
        """Every host of the group that is there has answered."""
        # The group is free again before the selection has judged: the next batch overlaps with judging.
        self._groups.free(flight.group)
        if flight.request is not None:
            del self._flights[batch]
            return [RankQueue(batch, flight.request), *self._leave(), *self._end_idle_groups()]
        flight.judging = True
        return [*self._leave(), Judge(batch), *self._end_idle_groups()]

    def _judged(self, batch: int) -> list[Action]:
        flight = self._flights.get(batch)
        if flight is None or not flight.judging:
            self._refuse(f"batch {batch} was not to be judged")
        del self._flights[batch]
        orphans = self._orphans.intersection(flight.chunks)
        self._orphans -= orphans
        return [*(Dismiss(c) if c in orphans else Reply(batch, c) for c in flight.chunks), *self._end_walkers()]

    # --- hosts that are lost and come back

    def _host_lost(self, host: str) -> list[Action]:
        """Forget a host; at the end of the run, for good."""
        if host in self._lost or host not in self._running | self._predicting:
            return []
        self._lost.add(host)
        if host in self._predicting:
            return [*self._go_on_without(host), *self._forget_stuck(), *self._end_idle_groups()]
        self._walkers_live -= self.walkers[host] - len(self._ended[host])
        self._ended[host] = set()
        gone = self._waiting.drop(host)
        self._orphans.update(c for f in self._flights.values() for c in f.chunks if c.host == host)
        return [*(Dismiss(c) for c in gone), *self._leave(), *self._end_walkers()]

    def _go_on_without(self, host: str) -> list[Action]:
        group = self._groups.of(host)
        if not self._groups.present(group):
            self._groups.rest(group)
            return []
        for batch, flight in [(b, f) for b, f in self._flights.items() if host in f.missing]:
            flight.missing.discard(host)
            if not flight.missing:
                return self._complete(batch, flight)
        return []

    def _host_back(self, host: str, seq: int) -> list[Action]:
        self._refuse_if(host not in self._lost, f"{host} is back, but was never lost")
        if self.phase != "open":
            return []
        self._lost.discard(host)
        if host in self._running:
            self._expected[host] = seq
            self._walkers_live += self.walkers[host]
            return [GoOn(host)]
        group = self._groups.of(host)
        if not self._busy(group):
            self._groups.free(group)
        repeats = [Repeat(b, host) for b, f in self._flights.items() if host in f.missing]
        return [*repeats, *self._leave()]

    def _busy(self, group: int) -> bool:
        return any(f.group == group and f.missing for f in self._flights.values())

    def _forget_stuck(self) -> list[Action]:
        """At the end nobody waits for the answer of a lost host: forget batches that lack nothing else."""
        if self.phase == "open":
            return []
        stuck = [(b, f) for b, f in self._flights.items() if f.missing and f.missing <= self._lost]
        for batch, flight in stuck:
            del self._flights[batch]
            self._orphans.difference_update(flight.chunks)
            self._groups.free(flight.group)
        actions: list[Action] = [Dismiss(c) for _, f in stuck for c in f.chunks]
        return [*actions, *self._end_walkers(), *self._leave(), *self._end_idle_groups()] if stuck else []

    # --- the end

    def _quieten(self) -> list[Action]:
        self._refuse_if(self.phase != "open", "told to quieten twice")
        self.phase = "quieting"
        return [*(Dismiss(c) for c in self._waiting.take()), *self._forget_stuck(), *self._end_walkers()]

    def _end_walkers(self) -> list[Action]:
        """Halt the generator hosts that wait for no answer."""
        if self.phase != "quieting":
            return []
        busy = {c.host for f in self._flights.values() for c in f.chunks}
        hosts = [h for h in self.walkers if h not in busy and h not in self._told | self._lost]
        self._told.update(hosts)
        actions: list[Action] = [HaltHost(h) for h in hosts]
        if not self._running - self._lost:
            self.phase = "quiet"
            actions.append(Quiet())
        return actions

    def _close(self) -> list[Action]:
        self._refuse_if(self.phase != "quiet", "told to close before the walkers are quiet, or twice")
        self.phase = "closing"
        self._requests.clear()
        return self._end_idle_groups()

    def _end_idle_groups(self) -> list[Action]:
        if self.phase != "closing":
            return []
        free = (h for g, hosts in enumerate(self._groups.groups) for h in hosts if not self._busy(g))
        hosts = dict.fromkeys(h for h in free if h not in self._told | self._lost)
        self._told.update(hosts)
        actions: list[Action] = [HaltHost(h) for h in hosts]
        if not self._predicting - self._lost:
            self.phase = "closed"
            actions.append(Closed())
        return actions

    def _halted(self, host: str) -> list[Action]:
        known = host in self.walkers or host in self._groups
        self._refuse_if(not known, f"{host} halted, but it is no host of this exchange")
        if host not in self._running | self._predicting:
            return []
        # After a failure the manager halts everyone, and a host's answer may overtake its order to the exchange.
        self._told.add(host)
        if host in self._running:
            self._running.remove(host)
            return self._end_walkers()
        self._predicting.remove(host)
        return self._end_idle_groups()
