"""Host of an oracle worker: one label at a time, in a child process unless told otherwise."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from pathlib import Path

from pal_core import messages as m
from pal_core.data import Batch
from pal_core.kernels import Context
from pal_core.runtime.answers import misfit
from pal_core.runtime.checkpoint import SCRATCH_FOLDER
from pal_core.runtime.child import Child, Garbled
from pal_core.runtime.guard import TERM_GRACE, Report
from pal_core.runtime.host import Host
from pal_core.runtime.labelling import Labeller
from pal_core.runtime.level import level_of
from pal_core.runtime.oracle_process import oracle_wire
from pal_core.runtime.scratch import empty, keep_scratch, kept_path
from pal_core.runtime.spool import Spool
from pal_core.settings.model import OracleTable

__all__ = ["OracleHost"]

RESPAWNS = 3
"""Further attempts to build an oracle anew whose process was lost while it worked."""

_CLOSE_LIMIT = 2.0
"""Seconds that an idle oracle in its own process may take to close."""
_DYING_LIMIT = 1.0
"""Seconds that a process may live on that has closed its pipe."""
_ENDING_LIMIT = TERM_GRACE + 7.0
"""Seconds after which a process that was told to end is ended without the help of its guard."""
_RESPAWN_AFTER = 1.0
"""Seconds until a process is started again that couldn't be started."""
_MB = 1e6


class OracleHost(Host):
    """An oracle worker.

    With isolation whatever happens to the child costs one attempt: the child is replaced. Every child is in one of
    four states: being built, idle, at work (`_flying`), or told to end (`_ending`, with what its attempt has failed
    of); its end is known by its guard's report only, when nothing is left of it.
    """

    table = "oracle"
    _child: Child | None = None
    _labeller: Labeller | None = None
    _flying: m.Label | m.Inspect | None = None
    _last: m.Label | None = None
    """Whose scratch directory is there."""

    @property
    def scratch(self) -> Path:
        """Directory of this worker's own, emptied before every label.

        One that has taken a lost rank over has another: programs of the lost one may live some seconds longer.
        """
        name = self.address.replace("/", "-") + (f"-{self.times}" if self.times else "")
        return self.setup.directory / SCRATCH_FOLDER / name

    @property
    def _settings(self) -> OracleTable:
        oracle = self.setup.loaded.settings.oracle
        assert oracle is not None  # noqa: S101 - a plan has oracle hosts only with this table
        return oracle

    def context(self, index: int) -> Context:
        """Context of the oracle: its directory is the scratch directory."""
        return replace(super().context(index), directory=self.scratch)

    def start(self) -> None:
        """Start the child; it votes when it has built the oracle."""
        self._todo: deque[m.Label | m.Inspect] = deque()
        self._since = self._counted = self._worked = 0.0
        self._voted = False
        self._respawns = 0
        self._respawn_at = float("inf")
        if self._settings.isolate:
            self._spawn()
        else:
            super().start()

    def build(self) -> Batch | None:
        """Construct the oracle in this process."""
        schema = self.setup.loaded.label_schema
        assert schema is not None  # noqa: S101 - there is an oracle
        loaded = self.setup.loaded
        oracle = self.setup.build(self.kernel, self.context(self.part.indices[0]))
        spool = Spool(loaded.directory, level_of(loaded), oracle_wire(loaded))
        self._labeller = Labeller(oracle, schema, self.scratch, spool=spool)
        return None

    def _spawn(self) -> None:
        self._ready = False
        self._ending: tuple[str, str] | None = None
        self._since = time.monotonic()
        self._hung_up_at = self._respawn_at = float("inf")
        log = self.setup.directory / "logs" / f"{self.address.replace('/', '-')}.log"
        try:
            self._child = Child(self.setup.loaded, self.context(self.part.indices[0]), log)
        except OSError as error:
            self._build_again(f"the oracle's process can't be started: {error}", "", _RESPAWN_AFTER)

    def take(self, sender: str, message: m.Message) -> None:
        """Queue a label or an inspection; keep what a refused label has left."""
        if isinstance(message, (m.Label, m.Inspect)):
            self._todo.append(message)
        elif isinstance(message, m.KeepScratch) and self._last is not None and self._last.request == message.request:
            self._keep(self._last)

    def files(self) -> list[int]:
        """The child's pipes."""
        return self._child.files() if self._child is not None else []

    def step(self, now: float) -> bool:
        """Label in this process, or see what the child does."""
        child = self._child
        if child is None:
            if now < self._respawn_at:
                return self._work_here()
            self._spawn()
            return True
        report = child.report()  # asked before reading: all that an ended child has sent is in the pipe
        worked = self._listen(child, now)
        if not self.broken:
            if report is None:
                self._watch(child, now)
            else:
                self._lost(report)
                worked = True
        if self._may_send():
            self._send(self._todo.popleft(), now)
            worked = True
        return worked

    def _listen(self, child: Child, now: float) -> bool:
        """Hear what the child has to say, unless it has been told to end."""
        worked = False
        schema = self.setup.loaded.label_schema
        assert schema is not None  # noqa: S101 - there is an oracle
        try:
            for message in child.messages() if self._ending is None else ():
                worked = True
                problem = misfit(self._flying, message, schema)
                if problem:
                    raise Garbled(problem)
                self._hear(message, now)
        except Garbled as error:
            self._end("crashed", f"the oracle's process sent what is no answer: {error}")
        return worked

    def _may_send(self) -> bool:
        child = self._child
        free = self._ready and self._flying is None and self._ending is None
        return bool(free and child is not None and not child.hung_up and not child.leaving and self._todo)

    def _send(self, task: m.Label | m.Inspect, now: float) -> None:
        assert self._child is not None  # noqa: S101 - asked before
        self._flying = task
        self._last = None
        self._child.send(task)
        self._since = self._counted = now

    def tick(self, now: float) -> None:
        """Count the time of a label that is being made, then send the pulse."""
        self._count_time(now)
        super().tick(now)

    def _count_time(self, now: float) -> None:
        if self._child is not None and self._flying is not None:
            self._busy += now - self._counted
            self._counted = now

    def _work_here(self) -> bool:
        if not self._todo or self._labeller is None:
            return False
        task = self._todo.popleft()
        with self.guarded():
            answer = self._labeller.label(task) if isinstance(task, m.Label) else self._labeller.inspect(task)
            self._answer(task, answer)
        return True

    def _answer(self, task: m.Label | m.Inspect, answer: m.Message) -> None:
        if isinstance(task, m.Label):
            self._last = task
        if isinstance(answer, m.LabelFailed) and isinstance(task, m.Label):
            self._keep(task)
        self.count(labels=isinstance(answer, m.Labelled))
        self.post("manager", answer)

    def _keep(self, task: m.Label) -> None:
        """Keep the scratch directory of a failed or refused attempt."""
        self._last = None
        limit = int(self._settings.keep_scratch * _MB)
        try:
            keep_scratch(self.scratch, kept_path(self.setup.directory, task.request, task.attempt), limit)
            empty(self.scratch)  # at once: what it left may fill the disk
        except OSError as error:
            self.note(self.address, f"the scratch directory of sample {task.request} can't be cleared: {error}")

    def _hear(self, message: m.Message, now: float) -> None:
        match message:
            case m.Ready():
                self._ready = True
                self._respawns = 0
                if not self._voted:
                    self._voted = True
                    self.post("manager", m.Ready())
            case m.Broken(_, key, what, trace):
                self.broken = True
                spec = self.kernel
                origin = f"{spec.spec.name} ({spec.distribution} {spec.version})".replace(" )", ")")
                self.post("manager", m.Broken(origin, key, what, trace))
            case m.Note(source, text):
                self.note(source, text)
            case m.Halted():
                assert self._child is not None  # noqa: S101 - it has just spoken
                self._child.leaving = True
            case m.Labelled() | m.LabelFailed() | m.Inspected():
                self._count_time(now)
                task, self._flying = self._flying, None
                assert task is not None  # noqa: S101 - the answer fits it
                self._answer(task, message)

    def _watch(self, child: Child, now: float) -> None:
        """End a child that takes too long."""
        limit, timeout = self.setup.loaded.settings.run.startup_limit, self._settings.timeout
        if self._ending is not None:
            if now - self._since > _ENDING_LIMIT:
                child.kill()
                self._lost(Report("no word of its guard", ""))
            return
        if child.hung_up or child.leaving:
            self._hung_up_at = min(self._hung_up_at, now)
        if not self._ready and now - self._since > limit:
            self._end("timeout", f"no answer within run.startup_limit = {limit:g} s")
        elif self._flying is not None and now - self._since > timeout:
            self._end("timeout", f"no label within oracle.timeout = {timeout:g} s")
        elif now - self._hung_up_at > _DYING_LIMIT:
            self._end("crashed", "the oracle's process closed its pipe")

    def _end(self, failure: str, text: str) -> None:
        """Tell the child to end; the answer to its task follows when nothing is left of it."""
        assert self._child is not None  # noqa: S101 - there is a child to end
        self._ending = (failure, text)
        now = time.monotonic()
        self._worked, self._since = now - self._since, now
        self._child.terminate()

    def _lost(self, report: Report) -> None:
        """Nothing is left of the child: answer its task, start another."""
        child, task, self._flying = self._child, self._flying, None
        if child is not None:
            child.kill()
        self._child = None
        failure, text = self._ending or ("crashed", f"the oracle's process ended with {report.how}")
        if self._ending is None and report.limit:
            text = f"the oracle's processes were ended: {report.limit}"
        if not self._ready:
            self._build_again(f"{text} while it was being built", report.output)
            return
        if isinstance(task, m.Inspect):
            self.post("manager", m.Inspected((f"{text} while it looked at the walkers' first samples",)))
        elif task is not None:
            seconds = self._worked if self._ending else time.monotonic() - self._since
            self._answer(task, m.LabelFailed(task.request, task.attempt, failure, text, report.output, seconds))
        self._spawn()

    def _build_again(self, text: str, evidence: str, pause: float = 0.0) -> None:
        """Try again to start a process that has been there before; one that never was ends the run."""
        if self._voted and self._respawns < RESPAWNS:
            self._respawns += 1
            self.note(self.address, f"{text}: attempt {self._respawns + 1} follows")
            self._respawn_at = time.monotonic() + pause
            return
        self.broken = True
        self.post("manager", m.Broken(self.kernel.spec.name, "oracle", text, evidence))

    def close(self) -> None:
        """Close the oracle; a child that is at work is killed."""
        if self._child is not None:
            idle = self._ready and self._flying is None and self._ending is None and not self.broken
            child, self._child = self._child, None
            child.finish(_CLOSE_LIMIT) if idle else child.kill()
        elif self._labeller is not None:
            self._labeller.oracle.close()
