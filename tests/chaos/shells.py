"""Shells of the two machines, like the runtime's: messages into events, actions into messages, facts into the store."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from hosts import LIFE
from store import Finished, Sample

from pal_core.control import exchange as x
from pal_core.control import vocabulary as v

if TYPE_CHECKING:
    from session import Session

__all__ = ["ExchangeShell", "ManagerShell"]


class Shell:
    """What both have in common: they know which life of a host they speak with."""

    name = ""
    life = 0

    def __init__(self, session: Session) -> None:
        self.session = session
        self.lives: Counter[str] = Counter()

    def hears(self, sender: str, life: int) -> bool:
        return self.lives[sender] == life

    def post(self, to: str, what: str, *rest: Any) -> None:
        self.session.network.send(self, to, what, *rest, life=self.lives[to])


class ExchangeShell(Shell):
    """Shell of the exchange machine."""

    name = "exchange"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        s = session.scenario
        walkers = dict.fromkeys(s.plan.walker_hosts, s.walkers)
        self.machine = x.Exchange(walkers, s.groups, s.batching, s.plan.serial, {"prediction/0": 2})
        self.halted = False
        self.set = 0
        self.sizes: dict[int, int] = {}
        self.queues: dict[int, tuple[int, ...]] = {}
        self.chunks: dict[int, tuple[x.Chunk, ...]] = {}

    def handle(self, event: x.Event) -> None:
        if not self.halted:
            self.session.watch.note(event)
            for action in self.machine.handle(event):
                self.session.watch.exchange_acts(self.machine, action)
                self.act(action)

    def state(self) -> int:
        return 0

    # --- messages in

    def proposals(self, sender: str, seq: int, size: int, walkers: int) -> None:
        self.handle(x.Proposed(x.Chunk(sender, seq, size, walkers)))

    def gone(self, sender: str, walkers: tuple[int, ...], disabled: bool) -> None:
        self.post("manager", "walkers_ended", walkers, disabled)
        self.handle(x.WalkersGone(sender, walkers))

    def predicted(self, sender: str, batch: int) -> None:
        self.handle(x.Answered(sender, batch))

    def judge(self, batch: int) -> None:
        if self.halted:
            return
        s, rng = self.session.scenario, self.session.rng
        walkers = [self.first(c.host) + k % c.walkers for c in self.chunks[batch] for k in range(c.size)]
        chosen = [w for w in walkers if rng.random() < s.share]
        scores = [(w, float("nan") if rng.random() < s.nan else rng.random(), self.session.size()) for w in chosen]
        if scores:
            self.post("manager", "selected", scores)
        self.post("manager", "progress", len(walkers), len(chosen))
        self.handle(x.Judged(batch))

    def first(self, host: str) -> int:
        return int(host.partition("/")[2]) * self.session.scenario.walkers

    def rerank(self, sender: str, request: int, samples: tuple[int, ...]) -> None:
        self.queues[request] = samples
        self.handle(x.RerankAsked(request))

    def resume(self, sender: str) -> None:
        self.handle(x.ResumeExchange())

    def lost(self, sender: str, host: str) -> None:
        self.lives[host] += 1
        self.handle(x.HostLost(host))

    def back(self, sender: str, host: str) -> None:
        self.handle(x.HostBack(host, self.lives[host] * LIFE))

    def quieten(self, sender: str, number: int) -> None:
        self.set = number
        self.handle(x.Quieten())

    def close(self, sender: str) -> None:
        self.handle(x.Close())

    def has_halted(self, sender: str, saved: bool) -> None:
        self.handle(x.HostHalted(sender))

    def save(self, sender: str, number: int) -> None:
        self.post("manager", "saved", number, self.session.write(self, number))

    def halt(self, sender: str, number: int) -> None:
        if not self.halted:
            self.halted = True
            self.post("manager", "has_halted", self.session.write(self, number) if number else False)

    # --- actions out

    def act(self, action: x.Action) -> None:
        match action:
            case x.Predict(batch, chunks, group):
                self.chunks[batch] = chunks
                self.send_off(batch, group, sum(c.size for c in chunks))
            case x.PredictQueue(batch, request, group):
                self.send_off(batch, group, len(self.queues[request]))
            case x.Repeat(batch, host):
                self.post(host, "predict", batch, self.sizes[batch])
            case x.GoOn(host):
                self.post(host, "explore")
            case x.Judge(batch):
                self.session.clock.after(0.1, self.judge, batch)
            case x.RankQueue(_, request):
                queue, rng = list(self.queues.pop(request)), self.session.rng
                rng.shuffle(queue)
                self.post("manager", "ranked", request, tuple(queue[: rng.randint(len(queue) // 2, len(queue))]))
            case x.Reply(_, chunk):
                self.post(chunk.host, "verdicts", chunk.seq)
            case x.HaltHost(host):
                self.post(host, "halt", self.set)
            case x.Quiet():
                self.post("manager", "walkers_quiet")
            case x.Closed():
                self.halt("exchange", self.set)
            case x.Dismiss():
                """Nobody waits for an answer."""

    def send_off(self, batch: int, group: int, size: int) -> None:
        self.sizes[batch] = size
        for host in self.session.scenario.groups[group]:
            self.post(host, "predict", batch, size)


class ManagerShell(Shell):
    """Shell of the manager machine, and the only writer of the store."""

    name = "manager"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        plan, store = session.plan, session.store
        self.machine = session.manager_class(plan, **store.beginning(plan.trainers, plan.retries))
        self.fresh: dict[int, Sample] = {}
        self.ranking: dict[int, tuple[int, ...]] = {}

    def handle(self, event: v.Event) -> None:
        session = self.session
        if session.over is None:
            session.watch.note(event)
            self.carry_out(event, self.machine.handle(event, session.clock.now - session.start))

    def carry_out(self, event: v.Event, actions: list[v.Action]) -> None:
        watch = self.session.watch
        watch.hears(event)
        for action in actions:
            watch.acts(action)
            self.act(action)
        watch.after()

    # --- messages in

    def ready(self, sender: str) -> None:
        self.handle(v.HostReady(sender))

    def inspected(self, sender: str) -> None:
        self.handle(v.Inspected())

    def candidate(self, sender: str, walker: int, size: int) -> None:
        self.arrive(Sample(walker, 0.0, size, True))

    def selected(self, sender: str, scores: list[tuple[int, float, int]]) -> None:
        for walker, score, size in scores:
            self.arrive(Sample(walker, score, size, False))

    def arrive(self, sample: Sample) -> None:
        store = self.session.store
        store.numbered += 1
        number = store.numbered
        self.fresh[number] = sample
        self.handle(v.SampleArrived(number, sample.walker, sample.score, sample.bootstrap, sample.size))

    def labelled(self, sender: str, sample: int, attempt: int, seconds: float, entry: Finished) -> None:
        """The machine says whether the label counts; then it is stored with what follows from it."""
        session, watch = self.session, self.session.watch
        if session.over is not None:
            return
        due, before = watch.is_due(sender, sample, attempt), self.machine.tally.labels
        event = v.LabelArrived(sender, sample, entry.good, attempt, seconds)
        watch.note(event)
        actions = self.machine.handle(event, session.clock.now - session.start)
        counted = self.machine.tally.labels - before
        if counted:
            session.store_label(sample, entry)
        watch.label(due and entry.good, counted, event)
        self.carry_out(event, actions)

    def missed(self, sender: str, sample: int, attempt: int, final: bool) -> None:
        if self.session.watch.is_due(sender, sample, attempt):
            self.session.store.samples[sample].attempts += 1
        self.handle(v.LabelMissed(sender, sample, final, attempt))

    def saved(self, sender: str, number: int, written: bool) -> None:
        self.handle(v.StateSaved(sender, number, written))

    def progress(self, sender: str, samples: int, selected: int) -> None:
        self.session.store.steps += samples
        self.session.store.selected += selected
        self.handle(v.Predicted(samples, selected))

    def walkers_ended(self, sender: str, walkers: tuple[int, ...], disabled: bool) -> None:
        self.handle(v.WalkersEnded(walkers, "found", disabled))

    def ranked(self, sender: str, request: int, kept: tuple[int, ...]) -> None:
        self.handle(v.QueueRanked(request, kept))

    def began(self, sender: str, number: int) -> None:
        self.handle(v.RoundStarted(sender, number))

    def ended(self, sender: str, number: int) -> None:
        self.handle(v.RoundOver(sender, number))
        self.session.store.rounds_done = self.machine.tally.rounds

    def trained(self, sender: str) -> None:
        self.handle(v.TrainingOver(sender))

    def walkers_quiet(self, sender: str) -> None:
        self.handle(v.WalkersQuiet())

    def has_halted(self, sender: str, saved: bool) -> None:
        self.handle(v.HostHalted(sender, saved))

    def lose(self, hosts: tuple[str, ...]) -> None:
        """The transport says that a rank is gone; nothing that it has sent is heard any more."""
        for host in hosts:
            self.lives[host] += 1
        self.handle(v.HostsLost(hosts, "killed"))

    # --- actions out

    def act(self, action: v.Action) -> None:  # noqa: C901 - one row per action
        session, plan, store = self.session, self.session.plan, self.session.store
        match action:
            case v.Keep(number):
                store.samples[number] = self.fresh.pop(number)
            case v.Discard(numbers, why):
                for number in numbers:
                    store.samples.setdefault(number, self.fresh.pop(number, None)).state = why
                    store.dropped[why] += 1
            case v.QuarantineSample(number):
                store.samples[number].state = "quarantined"
            case v.Dispatch(host, number, attempt):
                self.post(host, "label", number, attempt, store.samples[number].size)
            case v.Release(number, samples):
                store.used.update(dict.fromkeys(samples, number))
                self.post_all(plan.trainers, "train", number)
            case v.InspectFirst(host):
                self.post(host, "inspect")
            case v.AskBootstrap(count):
                for k, host in enumerate(plan.walker_hosts):
                    share = len(range(k, count, len(plan.walker_hosts)))
                    if share:
                        self.post(host, "bootstrap", share)
            case v.StartWalkers():
                self.post_all(plan.walker_hosts, "explore")
            case v.AskRerank(request, samples):
                self.post("exchange", "rerank", request, samples)
            case v.ResumeWalkers():
                self.post("exchange", "resume")
            case v.TakeSet(number):
                self.post_all(plan.stateful, "save", number)
            case v.CommitSet(number):
                session.commit_set(number)
            case v.FinishTraining(limit):
                self.post_all(plan.trainers, "finish", limit)
            case v.QuietenExchange(number):
                self.post("exchange", "quieten", number)
            case v.CloseExchange():
                self.post("exchange", "close")
            case v.HaltHost(host, number):
                self.post(host, "halt", number)
            case v.Replace(hosts):
                self.tell_lost(hosts)
                session.replace(hosts)
            case v.Forgo(hosts):
                self.tell_lost(hosts)
            case v.Welcome(host):
                self.welcome(host)
            case v.Finished() | v.Abandon() | v.Restart():
                session.over = action

    def post_all(self, hosts: tuple[str, ...], what: str, *rest: Any) -> None:
        for host in hosts:
            self.post(host, what, *rest)

    def tell_lost(self, hosts: tuple[str, ...]) -> None:
        for host in hosts:
            if host.startswith(("generator/", "prediction/")):
                self.post("exchange", "lost", host)

    def welcome(self, host: str) -> None:
        if host.startswith(("generator/", "prediction/")):
            self.post("exchange", "back", host)
        elif host.startswith("training/") and self.machine.rounds.released:
            self.post(host, "train", self.machine.rounds.released)
