"""One life of a run: from its start out of the store to its end, or until everything is killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from clock import HOUR, Clock
from hosts import Oracle, make
from network import Address, Network
from scenario import CAMPAIGN, SIZES, Scenario
from shells import ExchangeShell, ManagerShell
from store import Finished, Journal, Store
from watch import Watch

from pal_core.control import vocabulary as v
from pal_core.control.manager import Manager

__all__ = ["Session"]

_SETS_KEPT = 2


@dataclass
class Spare:
    """An idle rank, or what has become of it."""

    alive: bool = True
    hosts: tuple[str, ...] = ()


@dataclass
class Session:
    """Machines, shells and hosts of one start of the run, and the troubles that come over them."""

    scenario: Scenario
    rng: Random
    clock: Clock
    store: Store
    journal: Journal
    faults: Counter[str]
    disk: dict[int, dict[str, tuple[int, int]]]
    """Parts of snapshot sets: who has written, in which life, what."""
    manager_class: type[Manager] = Manager
    over: v.Action | None = None
    killed: str = ""
    full: bool = False
    spares: list[Spare] = field(default_factory=list)

    def __post_init__(self) -> None:
        s = self.scenario
        self.start = self.clock.now
        self.plan = replace(s.plan, end=s.walltime)
        self.spares = [Spare() for _ in range(s.plan.spares)]
        self.network = Network(self.clock, self.rng, s.late, s.doubled, self.faults)
        self.watch = Watch(self)
        self.manager = ManagerShell(self)
        waiting = len(self.manager.machine.queue.waiting)
        self.watch.excess = max(waiting - self.plan.queue, 0)
        self.watch.completed = self.manager.machine.rounds.completed
        exchange = ExchangeShell(self)
        self.network.hosts = {"manager": self.manager, "exchange": exchange}
        for name in self.plan.hosts[1:]:
            self._begin(name, 0)
        for name in self.rng.sample(self.plan.oracles, 20):
            host = self.network.hosts[name]
            assert isinstance(host, Oracle)
            host.factor = 5.0
            self.faults["slow node"] += 1
        self.clock.after(5.0, exchange.post, "manager", "ready")
        self._tick()
        self._trouble()

    def _begin(self, name: str, life: int) -> None:
        host = make(self, name, life)
        self.network.hosts[name] = host
        host.build()

    def run(self) -> None:
        """Until it is over, or killed, or the time of the campaign is up."""
        while self.over is None and not self.killed and self.clock.now < CAMPAIGN:
            if not self.clock.step():
                break
        if isinstance(self.over, v.Finished):
            self.watch.bookkeeping()
            self.store.outcome = self.over.outcome

    def _tick(self) -> None:
        self.manager.handle(v.Tick())
        if self.over is None:
            self.watch.tick()
            self.clock.after(600.0 if self.watch.phase in ("bootstrapping", "running") else 20.0, self._tick)

    # --- what hosts need

    def size(self) -> int:
        return self.rng.choice(SIZES)

    def restored(self, host: str) -> int:
        """What the newest committed set holds of a host."""
        return self.store.sets[max(self.store.sets)].get(host, 0) if self.store.sets else 0

    def write(self, host: Address, number: int) -> bool:
        """Write a part of a set, unless the disk is full."""
        if self.full:
            self.faults["part of a set not written"] += 1
            return False
        self.disk.setdefault(number, {})[host.name] = (host.life, host.state())
        return True

    def commit_set(self, number: int) -> None:
        """Make a set count; a full disk costs the set."""
        if self.full:
            self.faults["set not committed"] += 1
            return
        self.store.sets[number] = {host: state for host, (_, state) in self.disk[number].items()}
        for old in sorted(self.store.sets)[:-_SETS_KEPT]:
            del self.store.sets[old]
            self.disk.pop(old, None)

    def store_label(self, sample: int, entry: Finished) -> None:
        """Write a label."""
        watch, row = self.watch, self.store.samples[sample]
        watch.check(sample not in self.store.labels, f"a second label of sample {sample} is stored")
        watch.check(entry.sample == sample, f"label of sample {entry.sample} is stored with {sample}")
        watch.check(row.state == "waiting", f"a label of sample {sample}, which is {row.state}, is stored")
        self.store.labels[sample] = entry
        row.state = "labelled"

    def replace(self, hosts: tuple[str, ...]) -> None:
        """Let a spare rank be these hosts."""
        spare = self.spares.pop(0)
        spare.hosts = hosts
        if spare.alive:
            for name in hosts:
                self._begin(name, self.manager.lives[name])

    # --- troubles

    def _trouble(self) -> None:
        s = self.scenario
        for role, rate in s.deaths.items():
            self._every(rate, self._die_spare if role == "spare" else lambda role=role: self._die(role))
        self._every(s.kills, lambda: self._kill("kill of everything"))
        self._every(s.stops, self._stop)
        self._every(s.full, self._fill)
        self._every(s.refusals, lambda: self._kill("store refuses to commit"))
        self._every(s.breaks, self._break)

    def _every(self, rate: float, trouble: Callable[[], None]) -> None:
        """Let a trouble come so many times an hour."""

        def come() -> None:
            if self.over is None:
                trouble()
                self._every(rate, trouble)

        self.clock.after(self.rng.expovariate(rate) * HOUR, come)

    def phase_changed(self, phase: str) -> None:
        """Short phases have their share of troubles too."""
        if phase in ("running", "ended") or self.rng.random() > 0.1:
            return
        troubles: list[Callable[[], None]] = [
            lambda: self._kill("kill of everything"),
            lambda: self._die(self.rng.choice([r for r in self.scenario.deaths if r != "spare"])),
            lambda: self._die("oracle"),
            lambda: self._die("prediction"),
            self._stop,
            self._fill,
            self._break,
        ]
        seconds = self.rng.uniform(0.0, 60.0 if phase in ("draining", "halting") else 3600.0)
        self.clock.after(seconds, self.rng.choice(troubles))

    def _kill(self, why: str) -> None:
        self.faults[why] += 1
        self.killed = self.killed or why

    def _die(self, role: str) -> None:
        """A rank dies; the transport finds out a little later."""
        names = [role] if role == "exchange" else [n for n in self.plan.hosts if n.startswith(role)]
        living = [n for n in names if n in self.network.hosts]
        if not living:
            return
        hosts = tuple(self.rng.sample(living, min(len(living), self.rng.choice([1, 1, 1, 2]))))
        self.faults[f"death of {role}"] += 1
        lives = {h: self.network.hosts.pop(h).life for h in hosts}
        self.clock.after(self.rng.choice([0.5, 2.0, 60.0]) * self.rng.random(), self._notice, lives)

    def _notice(self, lives: dict[str, int]) -> None:
        """Ranks that have been replaced since, or have left, aren't missed."""
        hosts = tuple(h for h, life in lives.items() if self.manager.lives[h] == life)
        if hosts:
            self._lose(hosts)

    def _die_spare(self) -> None:
        idle = [s for s in self.spares if s.alive]
        if idle:
            spare = self.rng.choice(idle)
            spare.alive = False
            self.faults["death of spare"] += 1
            self.clock.after(self.rng.uniform(0.1, 2.0), self._notice_spare, spare)

    def _notice_spare(self, spare: Spare) -> None:
        """It may have been made to replace someone meanwhile."""
        if spare in self.spares:
            self.spares = [s for s in self.spares if s is not spare]
        self._lose(spare.hosts)

    def _lose(self, hosts: tuple[str, ...]) -> None:
        for host in hosts:
            if host in self.watch.assigned:
                self.store.samples[self.watch.assigned[host][0]].attempts += 1
        self.manager.lose(hosts)

    def _stop(self) -> None:
        self.faults["stop"] += 1
        self.manager.handle(v.StopAsked("SIGTERM"))

    def _fill(self) -> None:
        if not self.full:
            self.faults["full disk"] += 1
            self.full = True
            self.clock.after(self.rng.uniform(0.1, 3.0) * HOUR, self._empty)

    def _empty(self) -> None:
        self.full = False

    def _break(self) -> None:
        self.faults["broken kernel"] += 1
        self.manager.handle(v.HostFailed(self.rng.choice(self.plan.hosts), "broken"))
