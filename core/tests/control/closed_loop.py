"""Both machines and simulated hosts over an in-memory network that delivers in any order that MPI might.

Every event goes through the models that check the machines' promises.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from exchange_world import ExchangeWorld
from manager_world import ManagerWorld
from simulated_hosts import Host, Network, Oracle, Predictor, Trainer, Walkers

from pal_core.control import exchange as x
from pal_core.control import vocabulary as v
from pal_core.control.manager import ManagerPlan
from pal_core.control.queue import Ticket

FIRST_SEQ = 10**6
"""Every life of a generator host counts its chunks from a multiple of this on."""


class ExchangeHost(Host):
    """Shell of the exchange machine."""

    def __init__(self, network: Network, world: ExchangeWorld, uncertain: float) -> None:
        super().__init__("exchange", network)
        self.world = world
        self.uncertain = uncertain
        self.queues: dict[int, tuple[int, ...]] = {}

    def receive(self, sender: str, what: str, *rest: Any) -> None:
        if what in ("break", "halt") or self.halted or self.broken:
            super().receive(sender, what, *rest)
        elif what in ("judge", "save"):
            getattr(self, what)(*rest)
        else:
            for action in self.world.handle(self.event(sender, what, *rest)):
                self.act(action)

    def event(self, sender: str, what: str, *rest: Any) -> x.Event:
        match what:
            case "proposals":
                return x.Proposed(x.Chunk(sender, *rest))
            case "gone":
                self.send("manager", "walkers ended", *rest)
                return x.WalkersGone(sender, *rest)
            case "lost":
                return x.HostLost(*rest)
            case "back":
                return x.HostBack(*rest)
            case "prediction":
                return x.Answered(sender, *rest)
            case "rerank":
                self.queues[rest[0]] = rest[1]
                return x.RerankAsked(rest[0])
            case "halted":
                return x.HostHalted(sender)
            case _:
                orders = {"resume": x.ResumeExchange, "quieten": x.Quieten, "close": x.Close}
                return orders[what]()

    def judge(self, batch: int) -> None:
        size = sum(c.size for c in self.world.batches[batch])
        selected = sum(self.rng.random() < self.uncertain for _ in range(size))
        for _ in range(selected):
            self.send("manager", "selected", self.rng.randrange(4), self.rng.random())
        self.send("manager", "progress", size, selected)
        for action in self.world.handle(x.Judged(batch)):
            self.act(action)

    def save(self, number: int) -> None:
        self.send("manager", "saved", number)

    def act(self, action: x.Action) -> None:
        match action:
            case x.Repeat(batch, host):
                self.send(host, "predict", batch)
            case x.GoOn(host):
                self.send(host, "work")
            case x.Predict(batch, _, group) | x.PredictQueue(batch, _, group):
                for host in self.world.groups[group]:
                    self.send(host, "predict", batch)
            case x.Judge(batch):
                self.send("exchange", "judge", batch)
            case x.RankQueue(_, request):
                queue = self.queues.pop(request)
                self.send("manager", "ranked", request, tuple(self.rng.sample(queue, self.rng.randint(0, len(queue)))))
            case x.Reply(_, chunk):
                self.send(chunk.host, "verdicts", chunk.seq)
            case x.HaltHost(host):
                self.send(host, "halt")
            case x.Quiet():
                self.send("manager", "walkers quiet")
            case x.Closed():
                self.halted = True
                self.send("manager", "halted")
            case _:
                pass


class ManagerHost:
    """Shell of the manager machine."""

    def __init__(self, network: Network, world: ManagerWorld, replace: Callable[[str], None]) -> None:
        self.network = network
        self.world = world
        self.replace = replace
        """Begins a lost host anew."""
        self.lives: Counter[str] = Counter()

    def send(self, to: str, *message: Any) -> None:
        self.network.send("manager", to, *message)

    def receive(self, sender: str, what: str, *rest: Any) -> None:
        self.handle(self.event(sender, what, *rest))

    def handle(self, event: v.Event) -> None:
        for action in self.world.handle(event):
            self.act(action)

    def event(self, sender: str, what: str, *rest: Any) -> v.Event:  # noqa: C901 - one row per message
        match what:
            case "candidate":
                return v.SampleArrived(next(self.world.numbers), rest[0], 0.0, True)
            case "selected":
                return v.SampleArrived(next(self.world.numbers), *rest)
            case "labelled" | "refused":
                return v.LabelArrived(sender, rest[0], what == "labelled", rest[1])
            case "missed" | "invalid":
                return v.LabelMissed(sender, rest[0], what == "invalid", rest[1])
            case "saved":
                return v.StateSaved(sender, rest[0], self.network.rng.random() < 0.9)
            case "lost":
                return v.HostsLost((rest[0],), "killed")
            case "ranked":
                self.world.ranking = None
                return v.QueueRanked(*rest)
            case "progress":
                return v.Predicted(*rest)
            case "walkers ended":
                return v.WalkersEnded(rest[0], "found")
            case "asks stop":
                return v.MemberAsksStop(rest[0], "flat")
            case "broken":
                return v.HostFailed(sender, "broken")
            case "began" | "ended round":
                return (v.RoundStarted if what == "began" else v.RoundOver)(sender, rest[0])
            case "ready" | "halted" | "trained":
                return {"ready": v.HostReady, "halted": v.HostHalted, "trained": v.TrainingOver}[what](sender)
            case _:
                news = {"inspected": v.Inspected, "walkers quiet": v.WalkersQuiet}
                return news[what]()

    def act(self, action: v.Action) -> None:  # noqa: C901 - one row per action
        plan = self.world.plan
        match action:
            case v.InspectFirst(host):
                self.send(host, "inspect")
            case v.AskBootstrap(count):
                for k in range(count):
                    self.send(plan.walker_hosts[k % len(plan.walker_hosts)], "bootstrap", 1)
            case v.StartWalkers():
                for host in plan.walker_hosts:
                    self.send(host, "work")
            case v.Dispatch(host, sample, attempt):
                self.send(host, "label", sample, attempt)
            case v.TakeSet(number):
                for host in plan.stateful:
                    self.send(host, "save", number)
            case v.Replace(hosts) | v.Forgo(hosts):
                for host in hosts:
                    self.send("exchange", "lost", host)
                    if isinstance(action, v.Replace):
                        self.replace(host)
            case v.Welcome(host):
                self.welcome(host)
            case v.Release(number):
                for host in plan.trainers:
                    self.send(host, "train", number)
            case v.FinishTraining():
                for host in plan.trainers:
                    self.send(host, "finish")
            case v.AskRerank(request, samples):
                self.send("exchange", "rerank", request, samples)
            case v.HaltHost(host):
                self.send(host, "halt")
            case _:
                self._order_exchange(action)

    def welcome(self, host: str) -> None:
        """What a host that begins anew must know."""
        role = host.partition("/")[0]
        if role in ("generator", "prediction"):
            self.send("exchange", "back", host, *([FIRST_SEQ * self.lives[host]] if role == "generator" else []))
        if role == "training" and self.world.machine.rounds.released:
            self.send(host, "train", self.world.machine.rounds.released)

    def _order_exchange(self, action: v.Action) -> None:
        orders = {"ResumeWalkers": "resume", "QuietenExchange": "quieten", "CloseExchange": "close"}
        if type(action).__name__ in orders:
            self.send("exchange", orders[type(action).__name__])


class ClosedLoop:
    """A whole run.

    Parameters
    ----------
    rng : random.Random
    plan : ManagerPlan
    lives : list of list of int
        Proposals of each walker of each generator host; negative for walkers that never end.
    groups : list of list of str
    batching : {"ready", "all"}
    uncertain : float
        Share of samples that are selected.
    patience : int
        Rounds after which trainers ask to stop; negative for never.
    waiting, labelled, buffered, rounds
        State of a resumed run.
    """

    def __init__(
        self,
        rng: random.Random,
        plan: ManagerPlan,
        lives: list[list[int]],
        groups: list[list[str]],
        batching: str = "ready",
        uncertain: float = 0.3,
        patience: int = -1,
        waiting: tuple[Ticket, ...] = (),
        labelled: int = 0,
        buffered: tuple[int, ...] = (),
        rounds: int = 0,
    ) -> None:
        self.rng = rng
        self.plan = plan
        self.lives = lives
        self.patience = patience
        self.network = Network(rng)
        walkers = {h: len(n) for h, n in zip(plan.walker_hosts, lives, strict=True)}
        self.exchange = ExchangeWorld(walkers, groups, batching, plan.serial)
        self.manager = ManagerWorld(plan, waiting, labelled, buffered, rounds)
        self.shell = ManagerHost(self.network, self.manager, self.begin)
        self.hosts: dict[str, Host] = {"exchange": ExchangeHost(self.network, self.exchange, uncertain)}
        self.dead: set[str] = set()
        for host in plan.hosts[1:]:
            self.hosts[host] = self.make(host)

    def make(self, host: str) -> Host:
        role, number = host.split("/")
        k = int(number)
        match role:
            case "generator":
                first = sum(map(len, self.lives[:k]))
                return Walkers(host, self.network, self.lives[k], first, FIRST_SEQ * self.shell.lives[host])
            case "prediction":
                return Predictor(host, self.network)
            case "training":
                return Trainer(host, self.network, k, self.patience)
            case _:
                return Oracle(host, self.network)

    def begin(self, host: str) -> None:
        """A spare rank begins a lost host anew."""
        self.shell.lives[host] += 1
        self.dead.discard(host)
        self.hosts[host] = self.make(host)
        self.hosts[host].send("manager", "ready")

    def kill(self) -> None:
        """A host dies; the manager hears of it some time later."""
        host = self.rng.choice([h for h in self.plan.hosts if h not in self.dead])
        self.network.cut(host)
        self.dead.add(host)
        self.network.send("fate", "manager", "lost", host)

    def run(self, stop_at: int = -1, break_at: int = -1, kill_at: Collection[int] = ()) -> v.Action:
        """Deliver until the manager has ended; then deliver the rest, which must disturb nobody.

        Parameters
        ----------
        stop_at, break_at : int
            Number of messages after which someone asks to stop, or a host breaks; negative for never.
        kill_at : collection of int
            Numbers of messages after which a host dies.
        """
        for host in self.hosts.values():
            host.send("manager", "ready")
        step = 0
        while self.manager.over is None:
            step += 1
            assert step < 20_000, f"no end in sight in phase {self.manager.machine.phase}"
            if step == stop_at:
                self.shell.handle(v.StopAsked("SIGTERM"))
            if step == break_at:
                self.network.send("fate", self.rng.choice(self.plan.hosts), "break")
            if step in kill_at:
                self.kill()
            self.manager.now += 0.01
            if not self.deliver() or step % 20 == 0:
                self.manager.now += 1.0
                self.shell.handle(v.Tick())
        while isinstance(self.manager.over, v.Finished) and self.deliver():
            pass
        return self.manager.over

    def deliver(self) -> bool:
        found = self.network.take()
        if found is None:
            return False
        sender, to, message = found
        if to in self.dead:
            return True
        (self.shell if to == "manager" else self.hosts[to]).receive(sender, *message)
        return True

    def check_end(self) -> None:
        """Nobody runs any more, and nobody waits for an answer of an exchange that ended in good order."""
        assert all(h.halted for name, h in self.hosts.items() if name not in self.manager.forgone)
        if "exchange" not in self.manager.told:
            self.exchange.check_end()
