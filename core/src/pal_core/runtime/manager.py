"""Shell of the manager machine: stores what arrives, carries out what the machine decides.

Within one turn everything that came in is stored and committed before anything is sent.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pal_core import messages as m
from pal_core.control import vocabulary as v
from pal_core.data import Batch
from pal_core.errors import PalError
from pal_core.observe import Observer
from pal_core.plugins.host import PluginHost
from pal_core.reading import read_plain
from pal_core.runtime.beginning import begin, changed_files, changed_settings, settle_validation
from pal_core.runtime.bootstrapping import Bootstrapping
from pal_core.runtime.checks import CheckRaised, expected_schema
from pal_core.runtime.committing import Committing
from pal_core.runtime.host import Post, Setup
from pal_core.runtime.initial import read_initial
from pal_core.runtime.labels import LabelDesk
from pal_core.runtime.plan import Part
from pal_core.runtime.replacing import Replacing
from pal_core.runtime.snapshots import remove_sets
from pal_core.runtime.starting import find_start, shares
from pal_core.runtime.teaching import Teaching
from pal_core.runtime.telling import Telling
from pal_core.store.store import Store

__all__ = ["STOP_FILE", "ManagerHost", "RestartNeededError"]

STOP_FILE = "stop"
"""A file of this name in the run directory asks the run to stop and be resumed later; it may say why."""
_TICK_EVERY = 0.2
_FAILURES_TOLD = 20
"""Failed attempts of oracles that are announced one by one."""
_WORDS = 4096
_log = logging.getLogger("pal.manager")


class RestartNeededError(PalError):
    """The run can go on from the store, but only with ranks that are started anew."""

    passes = True


class ManagerHost:
    """The slow cycle's half of the controller, and the only writer of the store.

    Parameters
    ----------
    part : Part
    setup : Setup
    post : callable
        ``post(to, message)`` sends.
    plugins : PluginHost
        For readers of initial data and for observers.
    observers : iterable of Observer
        Besides those of the plugins.
    launched : bool
        Whether a launcher has removed what an earlier run may have left, and may have asked to stop since then.
    """

    def __init__(
        self,
        part: Part,
        setup: Setup,
        post: Post,
        plugins: PluginHost,
        observers: Iterable[Observer] = (),
        *,
        launched: bool = False,
    ) -> None:
        self.part = part
        self.address = part.address
        self.setup = setup
        self.left = False
        self.abandoned: tuple[str, ...] = ()
        self.trace = ""
        self._wish = ""
        self._send = post
        self._outbox: list[tuple[str, m.Message]] = []
        self._stop_file = setup.directory / STOP_FILE
        self._store = Store(setup.directory, write=True)
        try:
            if not launched:
                self._stop_file.unlink(missing_ok=True)
            self._open(plugins, observers)
        except BaseException:
            self._store.close(commit=False)
            raise

    def _open(self, plugins: PluginHost, observers: Iterable[Observer]) -> None:
        """Begin a session of the stored run."""
        setup, loaded = self.setup, self.setup.loaded
        self._store.agree(
            loaded.sample_schema,
            loaded.label_schema or type(loaded.sample_schema)(),
            expected_schema(loaded.prediction_schema),
        )
        differences = changed_settings(self._store, loaded.settings, setup.accept_changes)
        differences += changed_files(self._store, loaded, setup.accept_changes)
        settle_validation(self._store)
        begun_from = find_start(loaded.start) if loaded.start is not None and not self._store.sessions() else None
        packages = {k.distribution: k.version for k in loaded.kernels}
        self._store.open_session(loaded.settings.model_dump_json(exclude_unset=True), packages)
        for change in differences:
            self._store.note("settings", str(change))
        if begun_from is not None:
            self._store.note("model.start", f"{loaded.start}: {shares(begun_from, loaded.settings.model.members)}")
        read_initial(setup, self._store, plugins)
        remove_sets(setup.directory, tuple(n for n, _ in self._store.sets()))
        self._began = self._ticked = time.monotonic()
        self._desk = LabelDesk(setup, self._store)
        if not setup.repeats:
            self._desk.remind_checks(self._last_asked)
        taken_in = self._desk.take_in()
        if taken_in:
            self._store.note("manager", f"{taken_in} labels were finished when an earlier part of the run ended")
        self._machine, self._desk.next_sample, self._desk.repeating = begin(setup, self._store)
        if setup.repeats:
            self._desk.remind_checks(self._last_asked)
        self._replacing = Replacing(setup.plan, self._post)
        self._bootstrapping = Bootstrapping(setup.plan, self._post)
        self._committing = Committing(setup, self._store, self._desk, self.address)
        self._teaching = Teaching(setup, self._store, self._post)
        everyone = [*plugins.observers(), *observers]
        self._telling = Telling(self._machine, setup.plan, self._store, setup.directory, everyone)
        for record in plugins.plugins:
            if record.error:
                _log.warning("plugin %s of %s is broken: %s", record.name, record.package, record.error)
        self._reranking: dict[int, tuple[int, ...]] = {}
        self._versions: dict[str, int] = {}
        self._failures_told = 0
        self._first: list[Batch] = []
        newest = max((n for n, _ in self._store.sets()), default=0)
        if newest != setup.set and not setup.repeats:
            found = f"from set {setup.set}" if setup.set else "without one: walkers and training begin anew"
            self._telling.announce(
                "manager", f"snapshot set {newest} can't be used; the run goes on {found} (see pal doctor)"
            )
        self._heard: dict[str, float] = {}
        self._later: deque[v.Event] = deque()
        self._telling.started()

    @property
    def _last_asked(self) -> float:
        """When the label checks gave what they remember to the snapshot set that the run goes on from."""
        return float(dict(self._store.sets()).get(self.setup.set, {}).get("time", 0.0))

    def note(self, source: str, text: str) -> None:
        """Write into the journal."""
        self._store.note(source, text)

    # --- the interface of a host

    def start(self) -> None:
        """The manager has built everything already."""

    def files(self) -> list[int]:
        """Nothing but messages wakes the manager."""
        return []

    def tick(self, now: float) -> None:
        """Let the machine look at the clock, and tell the observers."""
        if now - self._ticked >= _TICK_EVERY and not self.left:
            self._ticked = now
            if self._stop_file.exists():
                asked = ""
                with contextlib.suppress(OSError):
                    asked = read_plain(self._stop_file, _WORDS).decode(errors="replace").strip()
                self._stop_file.unlink(missing_ok=True)
                self._wish = self._wish or asked or "asked to stop"
            if self._wish:
                wish, self._wish = self._wish, ""
                self._handle(v.StopAsked(wish))
            self._look_for_silence(now)
            self._handle(v.Tick())
        if not self.left:
            self._telling.tick(now)

    def _look_for_silence(self, now: float) -> None:
        """A host that sends no pulse is stuck in a kernel: after the limit the run can't wait for it any longer."""
        settings = self.setup.loaded.settings
        if self._machine.phase not in ("bootstrapping", "running"):
            return
        for host, heard in self._heard.items():
            limit = settings.run.silence_limit
            if host.startswith("oracle/") and settings.oracle is not None:
                limit = max(limit, settings.oracle.timeout + settings.run.stop_limit)
            if now - heard > limit:
                self._do(v.Restart(f"{host} has given no sign of life for {limit:g} s (run.silence_limit)"))
                return

    def lost(self, ranks: Sequence[int]) -> None:
        """Ranks are gone: let the machine decide what follows."""
        for rank in ranks:
            event = self._replacing.lost(rank)
            for host in event.hosts if event is not None and not self.left else ():
                label = self._rescued(host)
                if label is not None:
                    self._handle(replace(label, lost=True) if isinstance(label, v.LabelArrived) else label)
            if event is not None and not self.left:
                self._telling.announce("manager", event.why)
                for host in event.hosts:
                    self._heard.pop(host, None)
                self._handle(event)

    def request_stop(self, reason: str) -> None:
        """End the run soon, to be resumed later. May be called from a signal handler."""
        self._wish = reason

    def work(self, now: float) -> bool:
        """Commit, then send."""
        self._store.commit()
        if self._desk.dear:
            self._store.synchronise()
        self._desk.committed()
        if not self._outbox:
            return False
        outbox, self._outbox = self._outbox, []
        for to, message in outbox:
            self._send(to, message)
        return True

    def receive(self, sender: str, message: m.Message) -> None:
        """Store what a message brings, then tell the machine."""
        if self.left or sender == self.address:
            return
        self._heard[sender] = time.monotonic()
        for event in self._events(sender, message):
            self._handle(event)

    # --- messages in

    def _events(self, sender: str, message: m.Message) -> Iterable[v.Event]:  # noqa: C901, PLR0912, PLR0915 - one row per message
        match message:
            case m.Ready(first):
                if first is not None:
                    self._first.append(first)
                yield v.HostReady(sender)
            case m.Broken():
                yield self._broken(sender, message)
            case m.Inspected(problems):
                kernel = self.setup.loaded.oracle.spec.name if self.setup.loaded.oracle else ""
                text = f"oracle {kernel} (settings table [oracle]) can't label a walker's first sample"
                yield v.Inspected(tuple(f"{text}: {p}" for p in problems))
            case m.Fault():
                self._fault(sender, message)
            case m.Candidates():
                found = self._bootstrapping.collect(sender, message)
                yield from self._desk.arrivals(found) if found is not None else ()
            case m.Selected():
                yield from self._desk.arrivals(message)
            case m.Labelled(request):
                if self._flying(sender, request):
                    yield self._labelled(sender, message)
            case m.LabelFailed(request):
                if self._flying(sender, request):
                    yield self._rescued(sender) or self._label_failed(sender, message)
            case m.Saved(number, error):
                if error:
                    self._store.note(sender, f"snapshot set {number} is given up: {error}")
                yield v.StateSaved(sender, number, not error)
            case m.Progress(predicted, selected):
                yield v.Predicted(predicted, selected)
            case m.WalkersEnded(walkers, reasons, disabled):
                yield v.WalkersEnded(walkers, reasons[-1], disabled)
            case m.Ranked(request, kept):
                asked = self._reranking.pop(request)
                yield v.QueueRanked(request, tuple(asked[i] for i in kept))
            case m.RoundBegan(number):
                yield v.RoundStarted(sender, number)
            case m.RoundEnded():
                yield self._round(sender, message)
            case m.Trained():
                yield v.TrainingOver(sender)
            case m.TrainerAsksStop(member, reason):
                yield v.MemberAsksStop(member, reason)
            case m.EpochDone(member, version, epoch, metrics):
                self._telling.board.epoch(member, version, epoch, metrics)
            case m.Pulse(busy, counts):
                self._telling.board.pulse(sender, busy, counts)
            case m.Note(source, text):
                self._store.note(source, text)
                _log.info("%s: %s", source, text)
            case m.WalkersQuiet():
                yield v.WalkersQuiet()
            case m.Halted(number):
                yield v.HostHalted(sender, bool(number))

    def _where(self, sender: str, kernel: str, key: str) -> str:
        return f"kernel {kernel}, settings table [{key}], rank {self._replacing.rank(sender)}, {sender}"

    def _broken(self, sender: str, message: m.Broken) -> v.Event:
        what = f"{self._where(sender, message.kernel, message.key)}: {message.what}"
        self._telling.announce(sender, what, message.trace)
        self.trace = self.trace or message.trace
        return v.HostFailed(sender, what)

    def _fault(self, sender: str, message: m.Fault) -> None:
        what = f"{self._where(sender, message.kernel, message.key)}: {message.what}; {message.remedy}"
        self._telling.board.faults += 1
        self._telling.announce(sender, what, message.trace)

    def _flying(self, sender: str, request: int) -> bool:
        ticket = self._machine.queue.flying.get(sender)
        return ticket is not None and ticket.sample == request

    def _rescued(self, host: str) -> v.Event | None:
        """Take in the label that an oracle had finished before its attempt failed or its rank was lost."""
        ticket = self._machine.queue.flying.get(host)
        found = None if ticket is None else self._desk.finished(ticket.sample, ticket.attempts + 1)
        return None if found is None else self._labelled(host, found)

    def _labelled(self, sender: str, message: m.Labelled) -> v.Event:
        try:
            event = self._desk.labelled(sender, message)
        except CheckRaised as error:
            return self._broken(self.address, error.message)
        if not event.admitted:
            self._post(sender, m.KeepScratch(message.request))
        return event

    def _label_failed(self, sender: str, message: m.LabelFailed) -> v.Event:
        self._telling.board.failed_attempts += 1
        event = self._desk.failed(sender, message)
        what = f"{sender}: sample {message.request}, attempt {message.attempt}: {message.failure}: {message.text}"
        if self._failures_told < _FAILURES_TOLD:
            self._failures_told += 1
            last = "; of further ones pal status tells the number" if self._failures_told == _FAILURES_TOLD else ""
            self._telling.announce(sender, what + last)
        oracle = self.setup.loaded.settings.oracle
        if oracle is not None and oracle.on_error == "stop":
            return v.HostFailed(sender, f"{self._desk.trouble} (oracle.on_error)")
        return event

    def _round(self, sender: str, message: m.RoundEnded) -> v.Event:
        labels = self._teaching.labels(message.round)
        rows = zip(message.members, message.versions, message.epochs, message.metrics, strict=True)
        for member, version, epoch, metrics in rows:
            self._store.add_round(message.round, member, version=version, epoch=epoch, labels=labels, metrics=metrics)
            self._telling.board.epoch(member, version, epoch, metrics)
            self._versions[str(member)] = version
        return v.RoundOver(sender, message.round)

    # --- actions out

    def _post(self, to: str, message: m.Message) -> None:
        self._outbox.append((to, message))

    def _post_all(self, hosts: Iterable[str], message: m.Message) -> None:
        for host in hosts:
            self._post(host, message)

    def _handle(self, event: v.Event) -> None:
        """Let the machine take an event, and those that follow from what it wants done."""
        self._later.append(event)
        if len(self._later) > 1:
            return  # within an action: its turn comes
        while self._later:
            for action in self._machine.handle(self._later[0], time.monotonic() - self._began):
                self._do(action)
            self._later.popleft()

    def _do(self, action: v.Action) -> None:  # noqa: C901, PLR0912, PLR0915 - one row per action
        plan = self.setup.plan
        match action:
            case v.InspectFirst(host):
                self._post(host, m.Inspect(Batch.concat(self._first, self.setup.loaded.sample_schema)))
            case v.StartHosts():
                self._first.clear()
                self._post_all(self._replacing.present(), m.Go())
                self._teaching.recall(plan.addresses("training"), self._machine.rounds.before)
            case v.AskBootstrap(count):
                self._bootstrapping.ask(count)
            case v.StartWalkers():
                self._post("exchange", m.Explore())
            case v.Keep(number):
                self._desk.keep(number)
            case v.Discard(numbers, why):
                self._desk.discard(numbers, why)
                self._telling.board.dropped += len(numbers)
            case v.Dispatch(host, number, attempt):
                self._dispatch(host, number, attempt)
            case v.QuarantineSample(number, attempts):
                self._desk.given_up(number, attempts)
            case v.Release(number, samples):
                self._teaching.release(number, samples)
            case v.AskRerank(request, samples):
                self._reranking[request] = samples
                self._post("exchange", m.Rerank(request, self._store.samples(samples)))
            case v.ResumeWalkers():
                self._post("exchange", m.Resume(self._versions))
            case v.TakeSet(number):
                with contextlib.suppress(CheckRaised):  # told when the set is to be committed
                    self._committing.begin(number)
                self._post_all(["exchange", *plan.addresses("training")], m.Snapshot(number))
            case v.CommitSet(number):
                self._committing.commit(number, self._machine.state())
            case v.Replace(hosts):
                self._telling.announce("manager", self._replacing.replace(hosts))
            case v.Forgo(hosts):
                self._telling.announce("manager", self._replacing.forgo(hosts))
            case v.Welcome(host):
                self._welcome(host)
            case v.QuietenExchange(number):
                self._post("exchange", m.Quiet(number))
            case v.FinishTraining(limit):
                self._post_all(plan.addresses("training"), m.Finish(limit))
            case v.CloseExchange():
                self._post("exchange", m.Close(self._versions))
            case v.HaltHost(host, number):
                self._post(host, m.Halt(set=number))
            case v.ReturnToQueue(samples):
                self._telling.announce(
                    "manager", f"the run has to end before labels are finished: {len(samples)} wait again"
                )
            case v.Abandon(hosts, doing):
                self.abandoned = hosts
                cause = "" if self._machine.outcome == "done" else f"{self._machine.reason}; then "
                outcome: v.Outcome = "interrupted" if self._machine.outcome == "interrupted" else "failed"
                self._end(outcome, f"{cause}no answer from {', '.join(hosts)} while {doing}")
            case v.Restart(reason):
                self._store.note("manager", f"the ranks must be started anew: {reason}")
                self._store.commit()
                raise RestartNeededError(reason, "what was labelled is stored; go on with: pal run SETTINGS")
            case v.Finished(outcome, reason):
                self._end(outcome, reason)

    def _dispatch(self, host: str, number: int, attempt: int) -> None:
        event: v.Event | None
        try:
            event = self._desk.stored_label(host, number, attempt)
        except CheckRaised as error:
            event = self._broken(self.address, error.message)
        if event is not None:
            self._handle(event)
        else:
            self._post(host, m.Label(number, attempt, self._store.samples([number])))

    def _welcome(self, host: str) -> None:
        """Give a host that runs again on another rank what it needs to go on."""
        self._telling.announce("manager", f"{host} runs again at rank {self._replacing.rank(host)}")
        self._replacing.back(host)
        self._post(host, m.Go())
        if host.startswith("training/"):
            self._teaching.rejoin(host, self._machine.rounds)

    # --- the end

    def _end(self, outcome: v.Outcome, reason: str) -> None:
        if outcome == "failed" and self._machine.failures_in_a_row and self._desk.trouble:
            reason = f"{reason}; the last: {self._desk.trouble}"
        self._store.end_session(outcome, reason)
        if outcome == "done":
            self._store.forget_ahead()
        self._telling.ended(outcome, reason)
        self._post_all(self._replacing.present(), m.Leave())
        self.left = True

    # --- what others ask

    @property
    def outcome(self) -> v.Outcome | None:
        """How the run has ended; None while it goes on."""
        return self._telling.outcome

    @property
    def reason(self) -> str:
        """Why the run has ended; empty while it goes on."""
        return self._telling.reason

    def status(self) -> dict[str, Any]:
        """The status now."""
        return self._telling.status()

    def close(self) -> None:
        """Close checks and store."""
        try:
            self._desk.checks.close()
        finally:
            self._store.close()

    @property
    def directory(self) -> Path:
        """The run directory."""
        return self.setup.directory
