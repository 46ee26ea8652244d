"""What all hosts have in common: building kernels, answering the manager, telling of failures."""

from __future__ import annotations

import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pal_core import messages as m
from pal_core.data import Batch, Schema
from pal_core.data.committee import as_floats, covariance_schema
from pal_core.kernels import Context, Kernel
from pal_core.runtime.plan import Part, Plan
from pal_core.runtime.snapshots import Notes, Saver, SetReader, States, write_part
from pal_core.settings.kernels import ResolvedKernel
from pal_core.settings.load import Loaded
from pal_core.transport.wire import Wire

__all__ = ["Host", "KernelError", "Setup"]

Post = Callable[[str, m.Message], None]
PULSE_EVERY = 1.0
NOTES_AT_ONCE = 20
NOTES_PER_PULSE = 2
"""Notes that a host passes on at once, and between two pulses in the long run; of others it tells the number only."""


class KernelError(Exception):
    """A kernel raised; its exception is the cause."""

    def __init__(self, kernel: str, key: str) -> None:
        super().__init__(kernel, key)
        self.kernel = kernel
        self.key = key


@dataclass(frozen=True)
class Setup:
    """What every rank knows of the run."""

    loaded: Loaded
    plan: Plan
    directory: Path
    devices: bool = True
    """Whether a rank sees its own GPUs only, numbered from 0; False within one process."""
    accept_changes: bool = False
    """Go on although settings have changed that the stored data depend on."""
    set: int = 0
    """Snapshot set that the run goes on from, 0 for none."""
    repeats: bool = False
    """Whether the run repeats itself from that set (0: from the start) until it is where it was interrupted."""
    end: float | None = None
    """When the run must have ended, in seconds since 1970."""

    @property
    def deterministic(self) -> bool:
        """Whether nothing depends on who is faster."""
        return self.loaded.settings.run.deterministic

    @cached_property
    def past(self) -> SetReader:
        """States of the snapshot set that the run goes on from."""
        return SetReader(self.directory, self.set)

    @cached_property
    def labelled_schema(self) -> Schema:
        """Columns of labelled samples."""
        return self.loaded.sample_schema | (self.loaded.label_schema or Schema())

    def wire(self) -> Wire:
        """Wire format with the schemas of this run."""
        loaded = self.loaded
        floats = as_floats(loaded.prediction_schema)
        covariances = covariance_schema(loaded.prediction_schema, loaded.generator.interface.covariances)
        schemas = [loaded.sample_schema, loaded.prediction_schema, floats, covariances, self.labelled_schema]
        return Wire([*schemas, *([loaded.label_schema] if loaded.label_schema is not None else [])])

    def build(self, kernel: ResolvedKernel, context: Context) -> Any:
        """Construct a kernel."""
        return kernel.load()(kernel.options, context)


class Host(ABC):
    """One role on one rank: holds kernels, takes messages, works when it has work.

    Parameters
    ----------
    part : Part
        What of the plan this host is.
    setup : Setup
    post : callable
        ``post(to, message)`` sends.
    """

    table = ""
    """Table of the settings that names this host's kernel."""
    times = 0
    """How often another rank has taken this host over."""

    def __init__(self, part: Part, setup: Setup, post: Post) -> None:
        self.part = part
        self.setup = setup
        self.post = post
        self.address = part.address
        self.halted = False
        self.left = False
        self.broken = False
        self._busy = 0.0
        self._counts: dict[str, float] = {}
        self._last_pulse = time.monotonic()
        self._saver = Saver(setup.directory, part.address)
        self._wanted_set = 0
        self._notes_left = NOTES_AT_ONCE
        self._notes_left_out = 0
        self._faults_left = NOTES_AT_ONCE

    @property
    def kernel(self) -> ResolvedKernel:
        """The kernel that this host runs."""
        resolved: ResolvedKernel = getattr(self.setup.loaded, self.table)
        return resolved

    @property
    def device(self) -> str:
        """``"cpu"``, or the GPU's name among those that this process sees."""
        gpu = self.part.gpu
        if gpu is None:
            return "cpu"
        mine = sorted({p.gpu for p in self.setup.plan.on(self.part.rank) if p.gpu is not None})
        return f"cuda:{mine.index(gpu) if self.setup.devices else gpu}"

    def context(self, index: int) -> Context:
        """Context of this host's kernel number `index`."""
        loaded = self.setup.loaded
        count = len({i for part in self.setup.plan.role(self.part.role) for i in part.indices})
        return Context(
            role=self.part.role,
            index=index,
            seed=loaded.settings.run.seed,
            directory=self.setup.directory,
            device=self.device,
            note=lambda text: self.note(f"{self.part.role} {index}", text),
            count=max(count, 1),
        )

    def note(self, source: str, text: str) -> None:
        """Pass a kernel's note on to the journal, unless it talks too much."""
        if self._notes_left:
            self._notes_left -= 1
            self.post("manager", m.Note(source, text))
        else:
            self._notes_left_out += 1

    def _count_notes(self) -> None:
        """Say how many notes were left out since the last pulse."""
        self._notes_left = min(self._notes_left + NOTES_PER_PULSE, NOTES_AT_ONCE)
        self._faults_left = min(self._faults_left + NOTES_PER_PULSE, NOTES_AT_ONCE)
        if self._notes_left_out:
            self.post("manager", m.Note(self.address, f"{self._notes_left_out} further notes are left out"))
            self._notes_left_out = 0

    def start(self) -> None:
        """Build the kernels and vote: `Ready`, or `Broken` if one raises."""
        try:
            with self.timed(self.table):
                first = self.build()
        except KernelError as error:
            self.fail(error)
            return
        self.post("manager", m.Ready(first))

    @abstractmethod
    def build(self) -> Batch | None:
        """Construct the kernels; generators return their walkers' first samples."""

    def receive(self, sender: str, message: m.Message) -> None:
        """Take a message. What takes long is left to `work`."""
        if isinstance(message, m.Leave):
            self.left = True
        elif isinstance(message, m.Halt):
            self.halt(message)
        elif isinstance(message, m.Snapshot):
            self._wanted_set = message.set
        elif not self.halted and not self.broken:
            self.take(sender, message)

    @abstractmethod
    def take(self, sender: str, message: m.Message) -> None:
        """Take a message of this host's own kind."""

    def work(self, now: float) -> bool:
        """Do one piece of work; True if there was any. A halted or broken host does nothing."""
        if self.halted or self.broken:
            return False
        if self._wanted_set and self.at_rest():
            self._begin_part()
        return self.step(now)

    def step(self, now: float) -> bool:
        """One piece of this host's own work; True if there was any."""
        return False

    def files(self) -> list[int]:
        """File descriptors that wake this host."""
        return []

    def lost(self, ranks: Sequence[int]) -> None:  # noqa: B027 - most hosts needn't know
        """The manager decides what follows from a loss."""

    # --- snapshot sets

    def at_rest(self) -> bool:
        """Whether a snapshot may be taken now."""
        return True

    def states(self) -> tuple[States, Notes]:
        """States of all kernels with what belongs to them; most hosts have none."""
        return {}, {}

    def captured(self) -> tuple[States, Notes]:
        """`states`, with exceptions that name the kernel."""
        with self.timed():
            return self.states()

    def _begin_part(self) -> None:
        """Take the states, let a thread write them."""
        number, self._wanted_set = self._wanted_set, 0
        try:
            self._saver.start(number, *self.captured())
        except KernelError as error:
            self.report(error, "the snapshot set is given up")
            self.post("manager", m.Saved(number, f"{error.kernel} can't give its state"))

    def _tell_saved(self, wait: bool = False) -> None:
        news = self._saver.finished(wait)
        if news is not None:
            self.post("manager", m.Saved(*news))

    def _last_part(self, number: int) -> int:
        """Write the last part before the end; returns the set's number, 0 if there is none to write or it failed."""
        if not number or self.broken:
            return 0
        try:
            states, notes = self.captured()
            if states or notes:
                write_part(self.setup.directory, number, self.address, states, notes)
        except KernelError as error:
            self.report(error, "the last snapshot is not written")
            return 0
        except Exception as error:  # of the disk: the run goes on from an earlier set
            self.note(self.address, f"the last snapshot can't be written: {type(error).__name__}: {error}")
            return 0
        return number

    # --- the end

    def halt(self, message: m.Halt) -> None:
        """Save, close and say so; once."""
        if self.halted:
            return
        self._tell_saved(wait=True)
        number = self._last_part(message.set)
        with self.guarded():
            self.close()
        self._count_notes()
        self.halted = True
        self.post("manager", m.Halted(number))
        if self.part.role in ("generator", "prediction"):
            self.post("exchange", m.Halted())

    @abstractmethod
    def close(self) -> None:
        """Close the kernels."""

    def tick(self, now: float) -> None:
        """Send a pulse about once a second, and tell of a part that has been written."""
        self._tell_saved()
        elapsed = now - self._last_pulse
        if elapsed < PULSE_EVERY or self.halted or self.broken:
            return
        self._count_notes()
        self.post("manager", m.Pulse(min(self._busy / elapsed, 1.0), dict(self._counts)))
        self._busy, self._last_pulse = 0.0, now

    def count(self, **counts: float) -> None:
        """Add to this host's counters."""
        for name, value in counts.items():
            self._counts[name] = self._counts.get(name, 0) + value

    @contextmanager
    def timed(self, table: str | None = None) -> Iterator[None]:
        """Code in a kernel: its time is busy time, its exceptions are the kernel's."""
        begin = time.monotonic()
        try:
            yield
        except KernelError:
            raise
        except Exception as error:
            raise self.kernel_error(error, table) from error
        finally:
            self._busy += time.monotonic() - begin

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Code whose kernel may raise: tells the manager, and the host does nothing more."""
        try:
            with self.timed():
                yield
        except KernelError as error:
            self.fail(error)

    def fail(self, error: KernelError) -> None:
        """Tell the manager of an exception in a kernel that this host can't go on after."""
        self.broken = True
        self.post("manager", m.Broken(*self._told_of(error)))

    def report(self, error: KernelError, remedy: str) -> None:
        """Tell the manager of an exception in a kernel, and what has been done about it."""
        self.count(faults=1)
        if self._faults_left:
            self._faults_left -= 1
            self.post("manager", m.Fault(*self._told_of(error), remedy))

    def _told_of(self, error: KernelError) -> tuple[str, str, str, str]:
        cause = error.__cause__ or error
        kernel = f"{error.kernel} ({self.kernel.distribution} {self.kernel.version})".replace(" )", ")")
        what = f"{type(cause).__name__}: {cause}" if not isinstance(cause, AssertionError) else f"assertion: {cause}"
        return kernel, error.key, what, "".join(traceback.format_exception(cause))

    def kernel_error(self, cause: Exception, table: str | None = None) -> KernelError:
        """An error of this host's kernel."""
        error = KernelError(self.kernel.spec.name, table or self.table)
        error.__cause__ = cause
        return error


def close_all(kernels: Sequence[Kernel]) -> None:
    """Close every kernel, even if one raises; the first exception is raised in the end."""
    first: Exception | None = None
    for kernel in kernels:
        try:
            kernel.close()
        except Exception as error:
            first = first or error
    if first is not None:
        raise first
