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
from pal_core.data.committee import as_floats
from pal_core.kernels import Context, Kernel
from pal_core.runtime.plan import Part, Plan
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

    @cached_property
    def labelled_schema(self) -> Schema:
        """Columns of labelled samples."""
        return self.loaded.sample_schema | (self.loaded.label_schema or Schema())

    def wire(self) -> Wire:
        """Wire format with the schemas of this run."""
        loaded = self.loaded
        floats = as_floats(loaded.prediction_schema)
        schemas = [loaded.sample_schema, loaded.prediction_schema, floats, self.labelled_schema]
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
        self._notes_left = NOTES_AT_ONCE
        self._notes_left_out = 0

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
        return Context(
            role=self.part.role,
            index=index,
            seed=loaded.settings.run.seed,
            directory=self.setup.directory,
            device=self.device,
            note=lambda text: self.note(f"{self.part.role} {index}", text),
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
        elif not self.halted and not self.broken:
            self.take(sender, message)

    @abstractmethod
    def take(self, sender: str, message: m.Message) -> None:
        """Take a message of this host's own kind."""

    def work(self, now: float) -> bool:
        """Do one piece of work; True if there was any. A halted or broken host does nothing."""
        return not self.halted and not self.broken and self.step(now)

    def step(self, now: float) -> bool:
        """One piece of this host's own work; True if there was any."""
        return False

    def files(self) -> list[int]:
        """File descriptors that wake this host."""
        return []

    def halt(self, message: m.Halt) -> None:
        """Save, close and say so; once."""
        if self.halted:
            return
        if not self.broken:
            with self.guarded():
                self.save()
        with self.guarded():
            self.close()
        self._count_notes()
        self.halted = True
        self.post("manager", m.Halted())
        if self.part.role in ("generator", "prediction"):
            self.post("exchange", m.Halted())

    def save(self) -> None:  # noqa: B027 - most hosts have nothing to save
        """Write what must last."""

    @abstractmethod
    def close(self) -> None:
        """Close the kernels."""

    def tick(self, now: float) -> None:
        """Send a pulse about once a second."""
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
            raise KernelError(self.kernel.spec.name, table or self.table) from error
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
        """Tell the manager of an exception in a kernel."""
        cause = error.__cause__ or error
        kernel = f"{error.kernel} ({self.kernel.distribution} {self.kernel.version})".replace(" )", ")")
        what = f"{type(cause).__name__}: {cause}" if not isinstance(cause, AssertionError) else f"assertion: {cause}"
        self.broken = True
        self.post("manager", m.Broken(kernel, error.key, what, "".join(traceback.format_exception(cause))))


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
