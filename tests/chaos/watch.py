"""What must hold at every moment of a campaign: checked at every event, by book-keeping of its own."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from scenario import SIZES

from pal_core.control import exchange as x
from pal_core.control import vocabulary as v

if TYPE_CHECKING:
    from hosts import Oracle
    from session import Session

__all__ = ["Violation", "Watch"]

_AWAKE = ("bootstrapping", "running")


class Violation(AssertionError):
    """A promise was broken."""


class Watch:
    """Looks at the actions and the state of both machines of a session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        plan = session.plan
        self.computing: dict[int, Oracle] = {}
        """Who computes each label."""
        self.assigned: dict[str, tuple[int, int]] = {}
        """Sample and attempt that each oracle has been sent and hasn't answered."""
        self.flying: set[int] = set()
        self.free = set(plan.oracles)
        self.measured: dict[int, deque[float]] = {}
        self.told: set[str] = set()
        self.gone: set[str] = set()
        """Hosts that have halted or are done without."""
        self.away: set[str] = set()
        self.replies: set[tuple[str, int]] = set()
        self.phase = "starting"
        self.since = self.predicted = session.clock.now
        self.released = self.completed = 0
        self.before_labels = len(session.store.labels)
        self.excess = 0
        self.turn = False
        self.ticks = 0
        self.recent: deque[tuple[float, Any]] = deque(maxlen=25)

    def fail(self, why: str) -> None:
        raise Violation(why)

    def check(self, good: object, why: str) -> None:
        if not good:
            self.fail(why)

    def note(self, event: object) -> None:
        """Remember an event, to be shown should something go wrong."""
        self.recent.append((self.session.clock.now, event))

    # --- oracles

    def computes(self, host: Oracle, sample: int) -> None:
        other = self.computing.get(sample)
        self.check(other is None or not other.alive, f"sample {sample} is labelled by two oracles at the same time")
        self.computing[sample] = host

    def rests(self, host: Oracle, sample: int) -> None:
        if self.computing.get(sample) is host:
            del self.computing[sample]

    def is_due(self, host: str, sample: int, attempt: int) -> bool:
        """Whether this answer is awaited."""
        return self.assigned.get(host) == (sample, attempt) and self.phase != "ended"

    def label(self, due: bool, counted: int, event: v.LabelArrived) -> None:
        """A label has been received: it counts once if it is due and good, and not at all otherwise."""
        self.check(counted == due, f"{event} counts {counted} times instead of {int(due)}")

    def answered(self, host: str, seq: int, waits: bool) -> None:
        self.check(waits, f"chunk {seq} of {host} is answered twice, or was never sent")

    # --- actions

    def hears(self, event: v.Event) -> None:
        """Take note of an event."""
        match event:
            case v.LabelArrived(host, sample, _, attempt, seconds):
                if self.is_due(host, sample, attempt or 0):
                    size = self.session.store.samples[sample].size
                    self.measured.setdefault(size, deque(maxlen=20)).append(seconds or 0.0)
                    self._rest(host)
            case v.LabelMissed(host, sample, _, attempt):
                if self.is_due(host, sample, attempt or 0):
                    self._rest(host)
            case v.HostsLost(hosts):
                for host in hosts:
                    self.free.discard(host)
                    self.flying.discard(self.assigned.pop(host, (0, 0))[0])
            case v.HostHalted(host):
                self.gone.add(host)
            case v.Predicted():
                self.turn, self.predicted = False, self.session.clock.now

    def _rest(self, host: str) -> None:
        self.flying.discard(self.assigned.pop(host)[0])
        self.free.add(host)

    def acts(self, action: v.Action) -> None:
        """Compare an action with what was promised, before it is carried out."""
        match action:
            case v.Dispatch(host, sample, attempt):
                self._dispatch(host, sample, attempt)
            case v.ReturnToQueue(samples):
                back = [h for h, (s, _) in self.assigned.items() if s in samples]
                for host in back:
                    self.flying.discard(self.assigned.pop(host)[0])
            case v.HaltHost(host):
                self.check(host not in self.told, f"{host} is told to halt twice")
                self.check(host not in self.gone, f"{host} is told to halt, but isn't there any more")
                self.told.add(host)
            case v.CommitSet(number):
                self._commit(number)
            case v.Release(number, samples):
                self.released = max(self.released, self.machine.rounds.before) + 1
                self.check(number == self.released, f"round {number} is released, not {self.released}")
                self.check(samples and set(samples) <= self.session.store.labels.keys(), "a release of no labels")
            case v.Replace(hosts):
                self.away |= set(hosts)
            case v.Forgo(hosts):
                self.check(not self.gone & set(hosts), f"{hosts} are given up twice")
                self.away -= set(hosts)
                self.gone |= set(hosts)
                self.free -= set(hosts)
            case v.Welcome(host):
                self.check(host in self.away, f"{host} is welcomed, but wasn't away")
                self.away.discard(host)
                self.free |= {host} & set(self.session.plan.oracles)
            case v.ResumeWalkers():
                self.check(not self.turn, "a turn before the last one is over")
                self.turn = True

    @property
    def machine(self) -> Any:
        return self.session.manager.machine

    def _dispatch(self, host: str, sample: int, attempt: int) -> None:
        plan, row = self.session.plan, self.session.store.samples[sample]
        self.check(sample not in self.flying, f"sample {sample} is dispatched while it flies")
        self.check(row.state == "waiting", f"sample {sample} is dispatched, but is {row.state}")
        self.check(host in self.free, f"{host} gets a sample, but is busy or away")
        self.check(attempt <= plan.retries + 1, f"attempt {attempt} at sample {sample}")
        self.check(self._fits(row.size), f"the label of sample {sample} can't end in time")
        self.check(not self.turn, f"sample {sample} is dispatched during a turn")
        self.free.remove(host)
        self.assigned[host] = (sample, attempt)
        self.flying.add(sample)
        limit, made = plan.rules.labels, len(self.session.store.labels)
        self.check(limit is None or made + len(self.flying) <= max(limit, self.before_labels), "more labels than asked")

    def _fits(self, size: int) -> bool:
        plan = self.session.plan
        recent = self.measured.get(size)
        now = self.session.clock.now - self.session.start
        return plan.drain_at is None or now + (max(recent) if recent else 0.0) <= plan.drain_at

    def _commit(self, number: int) -> None:
        parts, lives = self.session.disk.get(number, {}), self.session.manager.lives
        good = {h for h, (life, _) in parts.items() if life == lives[h] or h in self.gone}
        missing = [h for h in self.session.plan.stateful if h not in good]
        self.check(not missing, f"set {number} is committed without {missing}")
        self.check(number not in self.session.store.sets, f"set {number} is committed twice")
        if self.session.plan.serial:
            m = self.machine
            calm = not self.turn and not self.flying and m.rounds.completed == m.rounds.released
            self.check(calm or m.phase in ("halting", "ended"), f"set {number} is taken out of the middle of a turn")

    def exchange_acts(self, machine: x.Exchange, action: x.Action) -> None:
        """Nobody who is lost is told anything, and no chunk is answered twice."""
        match action:
            case x.HaltHost(host) | x.Repeat(_, host):
                self.check(host not in machine._lost, f"{host} is lost, but told {action}")
            case x.Reply(_, chunk) | x.Dismiss(chunk):
                key = (chunk.host, chunk.seq)
                self.check(key not in self.replies, f"{chunk} is answered twice")
                self.check(isinstance(action, x.Dismiss) or chunk.host not in machine._lost, f"{chunk} of a lost host")
                self.replies.add(key)

    # --- state

    def after(self) -> None:
        """Look at the machine after an event."""
        m = self.machine
        if m.phase != self.phase:
            self.phase, self.since = m.phase, self.session.clock.now
            self.session.phase_changed(m.phase)
        self.check(m.rounds.completed >= self.completed, "rounds go backwards")
        self.completed = m.rounds.completed
        if m.phase not in _AWAKE:
            return
        if self.free and m.queue.waiting and not self._may_idle():
            self.fail(f"{len(self.free)} oracles are idle while {len(m.queue.waiting)} samples wait")

    def _may_idle(self) -> bool:
        """Whether a policy of the plan keeps samples waiting."""
        m, plan = self.machine, self.session.plan
        if plan.serial and m.phase == "running" and (m.stage == "exploring" or self.turn):
            return True
        limit = plan.rules.labels
        if limit is not None and len(self.session.store.labels) + len(self.flying) >= limit:
            return True
        ahead = max(plan.ahead or 0, plan.retrain_after)
        if plan.ahead and m.phase == "running" and m.rounds.waiting_labels + len(self.flying) >= ahead:
            return True
        return not all(self._fits(size) and self.measured.get(size) for size in SIZES) and plan.drain_at is not None

    def tick(self) -> None:
        """Now and then: no phase takes longer than its limits, the queue is what the store says, nothing stalls."""
        session, plan, m = self.session, self.session.plan, self.machine
        now = session.clock.now
        limits = {
            "starting": 2 * plan.startup_limit,
            "draining": plan.label_limit + plan.stop_limit,
            "finishing": plan.final_time + plan.stop_limit,
            "halting": 2 * plan.stop_limit,
        }
        limit = limits.get(m.phase)
        self.check(limit is None or now - self.since <= limit + 60.0, f"{m.phase} takes more than {limit} s")
        if m.phase == "running" and not plan.serial:
            stalled = now - max(self.predicted, self.since)
            self.check(stalled <= 6 * session.scenario.turn + 7200.0, "nothing is predicted any more")
        self.ticks += 1
        if self.ticks % 6 == 0:
            self.bookkeeping()

    def bookkeeping(self) -> None:
        m, plan, rows = self.machine, self.session.plan, self.session.store.samples
        held = m.queue.waiting.keys() | {t.sample for t in m.queue.flying.values()}
        waiting = {n for n, row in rows.items() if row.state == "waiting"}
        self.check(held == waiting, f"queue and store differ: {sorted(held ^ waiting)[:5]}")
        self.check({t.sample for t in m.queue.flying.values()} == self.flying, "what flies")
        self.check(not self.session.manager.fresh, f"neither kept nor dropped: {list(self.session.manager.fresh)[:5]}")
        droppable = sum(not rows[n].bootstrap for n in held)
        self.check(droppable <= plan.queue + len(plan.oracles) + self.excess, f"{droppable} samples in the queue")
