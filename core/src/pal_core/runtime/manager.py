"""Shell of the manager machine: stores what arrives, carries out what the machine decides.

Within one turn everything that came in is stored and committed before anything is sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pal_core import messages as m
from pal_core.control import vocabulary as v
from pal_core.data import Batch
from pal_core.observe import Observer
from pal_core.plugins.host import PluginHost
from pal_core.runtime.beginning import begin, changed_settings, read_initial, validation_mask
from pal_core.runtime.checks import CheckRaised, Checks
from pal_core.runtime.host import Post, Setup
from pal_core.runtime.plan import Part
from pal_core.runtime.status import StatusBoard
from pal_core.store.store import Store

__all__ = ["STOP_FILE", "ManagerHost"]

STOP_FILE = "stop"
"""A file of this name in the run directory asks the run to stop and be resumed later."""
_TICK_EVERY = 0.2
_STATUS_EVERY = 1.0
_log = logging.getLogger("pal.manager")


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
        self.outcome: v.Outcome | None = None
        self.reason = ""
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
        self._store.agree(loaded.sample_schema, loaded.label_schema or type(loaded.sample_schema)())
        differences = changed_settings(self._store, loaded.settings, setup.accept_changes)
        packages = {k.distribution: k.version for k in loaded.kernels}
        self._store.open_session(loaded.settings.model_dump_json(exclude_unset=True), packages)
        for change in differences:
            self._store.note("settings", str(change))
        read_initial(setup, self._store, plugins)
        self._machine = begin(setup, self._store)
        self._checks = Checks(setup, self._note)
        self._selected_before = self._store.selected()
        self._board = StatusBoard(self._machine, setup.plan)
        self._observers = [*plugins.observers(), *observers]
        for record in plugins.plugins:
            if record.error:
                _log.warning("plugin %s of %s is broken: %s", record.name, record.package, record.error)
        self._next_sample = self._store.next_sample
        self._fresh: dict[int, dict[str, Any]] = {}
        self._last_failure: dict[int, str] = {}
        self._reranking: dict[int, tuple[int, ...]] = {}
        self._versions: dict[str, int] = {}
        self._trained_on: dict[int, int] = {}
        self._first: list[Batch] = []
        self._heard: dict[str, float] = {}
        self._trouble = ""
        self._began = self._ticked = self._told = time.monotonic()
        self._tell("started")

    def _note(self, text: str) -> None:
        self._store.note("check", text)

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
                self._stop_file.unlink(missing_ok=True)
                self._wish = self._wish or "asked to stop"
            if self._wish:
                wish, self._wish = self._wish, ""
                self._handle(v.StopAsked(wish))
            self._look_for_silence(now)
            self._handle(v.Tick())
        if now - self._told >= _STATUS_EVERY and not self.left:
            self._told = now
            self._tell("progressed")

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
                self._handle(v.HostFailed(host, f"no sign of life for {limit:g} s (run.silence_limit)"))
                return

    def request_stop(self, reason: str) -> None:
        """End the run soon, to be resumed later. May be called from a signal handler."""
        self._wish = reason

    def work(self, now: float) -> bool:
        """Commit, then send."""
        if not self._outbox:
            self._store.commit()
            return False
        self._store.commit()
        outbox, self._outbox = self._outbox, []
        for to, message in outbox:
            self._send(to, message)
        return True

    def receive(self, sender: str, message: m.Message) -> None:
        """Store what a message brings, then tell the machine."""
        if self.left:
            return
        self._heard[sender] = time.monotonic()
        for event in self._events(sender, message):
            self._handle(event)

    # --- messages in

    def _events(self, sender: str, message: m.Message) -> Iterable[v.Event]:  # noqa: C901, PLR0912 - one row per message
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
            case m.Candidates(walkers, batch):
                yield from self._arrivals(batch, walkers, None, 0)
            case m.Selected(walkers, score, version, batch):
                yield from self._arrivals(batch, walkers, score, version)
            case m.Labelled():
                yield from self._labelled(sender, message)
            case m.LabelFailed():
                yield from self._failed(sender, message)
            case m.Progress(predicted, selected):
                yield v.Predicted(predicted, selected)
            case m.WalkersEnded(walkers, reasons):
                yield v.WalkersEnded(len(walkers), reasons[-1])
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
                self._board.epoch(member, version, epoch, metrics)
            case m.Pulse(busy, counts):
                self._board.pulse(sender, busy, counts)
            case m.Note(source, text):
                self._store.note(source, text)
                _log.info("%s: %s", source, text)
            case m.WalkersQuiet():
                yield v.WalkersQuiet()
            case m.Closed():
                yield v.ExchangeClosed()
            case m.Halted():
                yield v.HostHalted(sender)

    def _broken(self, sender: str, message: m.Broken) -> v.Event:
        where = f"rank {self.setup.plan.ranks[sender]}, {sender}"
        what = f"kernel {message.kernel}, settings table [{message.key}], {where}: {message.what}"
        self._store.note(sender, what)
        self._store.note(sender, message.trace)
        _log.error("%s\n%s", what, message.trace)
        self.trace = self.trace or message.trace
        return v.HostFailed(sender, what)

    def _arrivals(self, batch: Batch, walkers: Any, score: Any, version: int) -> Iterable[v.Event]:
        bootstrap = score is None
        for row, sample in enumerate(batch):
            number, walker = self._next_sample, int(walkers[row])
            self._next_sample += 1
            worth = float("inf") if bootstrap else float(score[row])
            origin = "bootstrap" if bootstrap else "active"
            record = {"origin": origin, "walker": walker, "version": version, "score": worth}
            self._fresh[number] = {"sample": sample, **record}
            finite = worth if np.isfinite(worth) else 1e300
            yield v.SampleArrived(number, walker, finite, bootstrap)

    def _flying(self, sender: str, request: int) -> bool:
        ticket = self._machine.queue.flying.get(sender)
        return ticket is not None and ticket.sample == request

    def _labelled(self, sender: str, message: m.Labelled) -> Iterable[v.Event]:
        number = message.request
        if not self._flying(sender, number):
            return
        sample, label = self._store.samples([number])[0], message.batch[0]
        try:
            reason = self._checks.objection(sample, label, None)
        except CheckRaised as error:
            yield self._broken(self.address, error.message)
            return
        self._store.add_attempt(number, message.attempt, sender, seconds=message.seconds)
        if reason is None:
            self._last_failure.pop(number, None)
            kernel = self.setup.loaded.oracle
            assert kernel is not None  # noqa: S101 - it has just answered
            self._store.add_label(number, label, kernel.spec.name, f"{kernel.distribution} {kernel.version}")
        else:
            self._store.quarantine(number, reason, label)
            self._last_failure[number] = reason
            self._trouble = f"label refused: {reason}"
            _log.warning("label of sample %d set aside: %s", number, reason)
        yield v.LabelArrived(sender, number, reason is None)

    def _failed(self, sender: str, message: m.LabelFailed) -> Iterable[v.Event]:
        number = message.request
        if not self._flying(sender, number):
            return
        self._board.failed_attempts += 1
        self._store.add_attempt(
            number,
            message.attempt,
            sender,
            seconds=message.seconds,
            failure=message.failure,
            text=message.text,
            evidence=message.evidence,
        )
        self._last_failure[number] = f"{message.failure}: {message.text}"
        log = f"logs/{sender.replace('/', '-')}.log"
        self._trouble = f"{self._last_failure[number]} (more in {log}, or pal status)"
        _log.warning("sample %d, attempt %d on %s: %s", number, message.attempt, sender, self._last_failure[number])
        yield v.LabelMissed(sender, number, message.failure == "invalid_input")

    def _round(self, sender: str, message: m.RoundEnded) -> v.Event:
        labels = self._trained_on[message.round]
        rows = zip(message.members, message.versions, message.epochs, message.metrics, strict=True)
        for member, version, epoch, metrics in rows:
            self._store.add_round(message.round, member, version=version, epoch=epoch, labels=labels, metrics=metrics)
            self._board.epoch(member, version, epoch, metrics)
            self._versions[str(member)] = version
        return v.RoundOver(sender, message.round)

    # --- actions out

    def _post(self, to: str, message: m.Message) -> None:
        self._outbox.append((to, message))

    def _post_all(self, hosts: Iterable[str], message: m.Message) -> None:
        for host in hosts:
            self._post(host, message)

    def _handle(self, event: v.Event) -> None:
        for action in self._machine.handle(event, time.monotonic() - self._began):
            self._do(action)

    def _do(self, action: v.Action) -> None:  # noqa: C901, PLR0912 - one row per action
        plan = self.setup.plan
        match action:
            case v.InspectFirst(host):
                self._post(host, m.Inspect(Batch.concat(self._first, self.setup.loaded.sample_schema)))
            case v.StartHosts():
                self._first.clear()
                self._post_all((p.address for p in plan.parts if p.address != self.address), m.Go())
            case v.AskBootstrap(count):
                self._ask_bootstrap(count)
            case v.StartWalkers():
                self._post_all(plan.addresses("generator"), m.Explore())
            case v.Keep(number):
                record = self._fresh.pop(number)
                self._store.add_sample(number, record.pop("sample"), **record)
            case v.Discard(numbers, why):
                unseen = [n for n in numbers if self._fresh.pop(n, None) is not None]
                self._store.drop([n for n in numbers if n not in unseen], why, len(unseen))
                self._board.dropped += len(numbers)
            case v.Dispatch(host, number, attempt):
                self._post(host, m.Label(number, attempt, self._store.samples([number])))
            case v.QuarantineSample(number, attempts):
                reason = self._last_failure.pop(number, "no label")
                if not self._store.is_quarantined(number):
                    self._store.quarantine(number, f"{reason} (attempts: {attempts})")
            case v.Release(number, samples):
                self._release(number, samples)
            case v.AskRerank(request, samples):
                self._reranking[request] = samples
                self._post("exchange", m.Rerank(request, self._store.samples(samples)))
            case v.PauseWalkers():
                self._post("exchange", m.Pause())
            case v.ResumeWalkers():
                self._post("exchange", m.Resume())
            case v.QuietenExchange():
                self._post("exchange", m.Quiet())
            case v.FinishTraining(limit):
                self._post_all(plan.addresses("training"), m.Finish(limit))
            case v.CloseExchange():
                self._post("exchange", m.Close(self._versions))
            case v.HaltHost(host):
                self._post(host, m.Halt())
            case v.ReturnToQueue():
                """They are still waiting in the store."""
            case v.Abandon(hosts, doing):
                self.abandoned = hosts
                cause = f"{self._machine.reason}; then " if self._machine.outcome == "failed" else ""
                self._end("failed", f"{cause}no answer from {', '.join(hosts)} while {doing}")
            case v.Finished(outcome, reason):
                self._end(outcome, reason)

    def _ask_bootstrap(self, count: int) -> None:
        """Share the samples out among the walkers' hosts."""
        hosts = [p for p in self.setup.plan.role("generator") if p.indices]
        walkers = sum(len(p.indices) for p in hosts)
        before = 0
        for part in hosts:
            upto = before + len(part.indices)
            share = count * upto // walkers - count * before // walkers
            before = upto
            if share:
                self._post(part.address, m.Bootstrap(share))

    def _release(self, number: int, samples: tuple[int, ...]) -> None:
        batch = self._store.samples(samples).join(self._store.labels(samples))
        settings = self.setup.loaded.settings
        share = settings.training.validation if settings.training else 0.0
        mask = validation_mask(settings.run.seed, share, samples)
        self._store.released(samples, number)
        self._trained_on[number] = self._trained_on.get(number - 1, 0) + len(samples)
        self._post_all(self.setup.plan.addresses("training"), m.Train(number, batch, mask))

    def _end(self, outcome: v.Outcome, reason: str) -> None:
        if outcome == "failed" and self._machine.failures_in_a_row and self._trouble:
            reason = f"{reason}; the last: {self._trouble}"
        self.outcome, self.reason = outcome, reason
        self._store.end_session(outcome, reason)
        self._tell("ended")
        self._post_all((p.address for p in self.setup.plan.parts if p.address != self.address), m.Leave())
        self.left = True

    # --- telling

    def status(self) -> dict[str, Any]:
        """The status now."""
        status = self._board.make(time.monotonic() - self._began)
        status["outcome"] = self.outcome
        status["reason"] = self.reason or status["reason"]
        return status

    def _tell(self, what: str) -> None:
        self._store.check_presence()
        status = self.status()
        tally = self._machine.tally
        self._store.add_history(
            tally.steps, self._selected_before + tally.selected, tally.labels, len(self._machine.queue)
        )
        for observer in list(self._observers):
            try:
                call: Callable[..., None] = getattr(observer, what)
                call(self.setup.directory, status) if what == "started" else call(status)
            except Exception:
                _log.exception("observer %r is dropped", observer)
                self._observers.remove(observer)

    def close(self) -> None:
        """Close checks and store."""
        try:
            self._checks.close()
        finally:
            self._store.close()

    @property
    def directory(self) -> Path:
        """The run directory."""
        return self.setup.directory
