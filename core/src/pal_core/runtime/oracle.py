"""Host of an oracle worker: one label at a time, in a child process unless told otherwise."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from pathlib import Path

from pal_core import messages as m
from pal_core.data import Batch
from pal_core.kernels import Context
from pal_core.runtime.checkpoint import SCRATCH_FOLDER
from pal_core.runtime.child import Child
from pal_core.runtime.host import Host
from pal_core.runtime.labelling import Labeller

__all__ = ["OracleHost"]

RESPAWNS = 3
"""Further attempts to build an oracle anew whose process was lost while it worked."""

_CLOSE_LIMIT = 2.0
"""Seconds that an idle oracle in its own process may take to close."""


class OracleHost(Host):
    """An oracle worker.

    With isolation a segfault, a kill or a hang costs one attempt: the child is replaced.
    """

    table = "oracle"
    _child: Child | None = None
    _labeller: Labeller | None = None
    _flying: m.Label | m.Inspect | None = None

    @property
    def scratch(self) -> Path:
        """Directory of this worker's own, emptied before every label."""
        return self.setup.directory / SCRATCH_FOLDER / self.address.replace("/", "-")

    def context(self, index: int) -> Context:
        """Context of the oracle: its directory is the scratch directory."""
        return replace(super().context(index), directory=self.scratch)

    def start(self) -> None:
        """Start the child; it votes when it has built the oracle."""
        oracle = self.setup.loaded.settings.oracle
        assert oracle is not None  # noqa: S101 - a plan has oracle hosts only with this table
        self._timeout = oracle.timeout
        self._todo: deque[m.Label | m.Inspect] = deque()
        self._since = self._counted = 0.0
        self._voted = False
        self._respawns = 0
        if oracle.isolate:
            self._spawn()
        else:
            super().start()

    def build(self) -> Batch | None:
        """Construct the oracle in this process."""
        schema = self.setup.loaded.label_schema
        assert schema is not None  # noqa: S101 - there is an oracle
        self._labeller = Labeller(
            self.setup.build(self.kernel, self.context(self.part.indices[0])), schema, self.scratch
        )
        return None

    def _spawn(self) -> None:
        self._ready = False
        self._since = time.monotonic()
        log = self.setup.directory / "logs" / f"{self.address.replace('/', '-')}.log"
        self._child = Child(self.setup.loaded, self.context(self.part.indices[0]), log)

    def take(self, sender: str, message: m.Message) -> None:
        """Queue a label or an inspection."""
        if isinstance(message, (m.Label, m.Inspect)):
            self._todo.append(message)

    def files(self) -> list[int]:
        """The child's pipe."""
        return [self._child.read_end] if self._child is not None else []

    def step(self, now: float) -> bool:
        """Label in this process, or see what the child does."""
        child = self._child
        if child is None:
            return self._work_here()
        how = child.ended()  # asked before reading: all that an ended child has sent is in the pipe
        worked = False
        for message in child.messages():
            worked = True
            self._hear(message, now)
        if not self.broken:
            self._watch(child, how, now)
        if self._may_send():
            self._flying = self._todo.popleft()
            child.send(self._flying)
            self._since = self._counted = now
            worked = True
        return worked

    def _may_send(self) -> bool:
        child = self._child
        return bool(child and not child.hung_up and self._ready and self._flying is None and self._todo)

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
            self.count(labels=isinstance(answer, m.Labelled))
            self.post("manager", answer)
        return True

    def _hear(self, message: m.Message, now: float) -> None:
        match message:
            case m.Ready():
                self._ready = True
                self._respawns = 0
                if not self._voted:
                    self._voted = True
                    self.post("manager", message)
                return
            case m.Broken(kernel, key, what, trace):
                self.broken = True
                origin = f"{kernel} ({self.kernel.distribution} {self.kernel.version})".replace(" )", ")")
                self.post("manager", m.Broken(origin, key, what, trace))
                return
            case m.Note(source, text):
                self.note(source, text)
                return
            case m.Labelled() | m.LabelFailed() | m.Inspected():
                self._count_time(now)
                self._flying = None
                self.count(labels=isinstance(message, m.Labelled))
        self.post("manager", message)

    def _watch(self, child: Child, how: str | None, now: float) -> None:
        """Replace a child that has died or takes too long."""
        limit = self.setup.loaded.settings.run.startup_limit
        if how is not None:
            self._lost("crashed", f"the oracle's process ended with {how}", child.last_output())
        elif not self._ready and now - self._since > limit:
            self._lost("timeout", f"no answer within run.startup_limit = {limit:g} s", child.last_output())
        elif self._flying is not None and now - self._since > self._timeout:
            self._lost("timeout", f"no label within oracle.timeout = {self._timeout:g} s", child.last_output())

    def _lost(self, failure: str, text: str, evidence: str) -> None:
        child, task, self._flying = self._child, self._flying, None
        if child is not None:
            child.kill()
        self._child = None
        if not self._ready and self._voted and self._respawns < RESPAWNS:
            self._respawns += 1
            self.note(self.address, f"{text} while it was being built anew: attempt {self._respawns + 1} follows")
            self._spawn()
            return
        if not self._ready:
            self.broken = True
            self.post(
                "manager", m.Broken(self.kernel.spec.name, "oracle", f"{text} while it was being built", evidence)
            )
            return
        if isinstance(task, m.Inspect):
            self.post("manager", m.Inspected((f"{text} while it looked at the walkers' first samples",)))
        elif task is not None:
            seconds = time.monotonic() - self._since
            self.post("manager", m.LabelFailed(task.request, task.attempt, failure, text, evidence, seconds))
        self._spawn()

    def close(self) -> None:
        """Close the oracle; a child that is at work is killed."""
        if self._child is not None:
            idle = self._ready and self._flying is None and not self.broken
            child, self._child = self._child, None
            child.finish(_CLOSE_LIMIT) if idle else child.kill()
        elif self._labeller is not None:
            self._labeller.oracle.close()
