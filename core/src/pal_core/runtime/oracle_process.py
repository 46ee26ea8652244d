"""What runs in an oracle's process: builds the oracle, then labels until the pipe closes."""

from __future__ import annotations

import faulthandler
import os
import sys
import traceback
from pathlib import Path

from pal_core import messages as m
from pal_core.kernels import Context
from pal_core.runtime.labelling import Labeller
from pal_core.runtime.level import level_of
from pal_core.runtime.spool import Spool
from pal_core.runtime.surroundings import Surroundings
from pal_core.settings.load import Loaded
from pal_core.transport.wire import Wire

__all__ = ["CHUNK", "HEADER", "oracle_wire", "work"]

HEADER = 8
"""Bytes of the length before every frame (uint64, little-endian)."""
CHUNK = 1 << 20


def oracle_wire(loaded: Loaded) -> Wire:
    """Wire format between host and oracle's process."""
    assert loaded.label_schema is not None  # noqa: S101 - there is an oracle
    return Wire([loaded.sample_schema, loaded.label_schema])


def work(read: int, write: int, index: int, seed: int, scratch: Path) -> int:
    """Answer what comes through `read`, until it closes; the exit code of the process."""
    for end in (read, write):
        os.set_inheritable(end, False)  # programs that the oracle starts would keep the pipes open
    faulthandler.enable(2, all_threads=False)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # the last line before a crash is to be seen
    loaded = Loaded.from_json(_read_frame(read).decode())
    wire = oracle_wire(loaded)
    notes: list[m.Message] = []

    def send(*messages: m.Message) -> None:
        for item in (*notes, *messages):
            data = wire.encode("host", "child", item)
            _write_all(write, len(data).to_bytes(HEADER, "little"))
            _write_all(write, data)
        notes.clear()

    def note(text: str) -> None:
        notes.append(m.Note(f"oracle {index}", str(text)))

    assert loaded.oracle is not None  # noqa: S101 - only then is there such a process
    try:
        labeller = _build(loaded, Context(role="oracle", index=index, seed=seed, directory=scratch, note=note))
        send(m.Ready())
        while frame := _read_frame(read):
            message = wire.decode(frame)[2]
            answer = labeller.label(message) if isinstance(message, m.Label) else labeller.inspect(message)  # type: ignore[arg-type]
            # Told before the answer, so that no further label is on its way here.
            send(*([m.Halted()] if labeller.exhausted else []), answer)
            if labeller.exhausted:
                return 1
    except Exception as error:  # of its constructor or of `inspect`; what `label` raises is an answer
        what = f"{type(error).__name__}: {error}"
        send(m.Broken(loaded.oracle.spec.name, "oracle", what, traceback.format_exc()))
        return 1
    labeller.oracle.close()
    return 0


def _build(loaded: Loaded, context: Context) -> Labeller:
    assert loaded.oracle is not None  # noqa: S101
    assert loaded.label_schema is not None  # noqa: S101
    context.directory.mkdir(parents=True, exist_ok=True)
    os.chdir(context.directory)
    oracle = loaded.oracle.load()(loaded.oracle.options, context)
    spool = Spool(loaded.directory, level_of(loaded), oracle_wire(loaded))
    return Labeller(oracle, loaded.label_schema, context.directory, Surroundings(context.directory), spool)  # type: ignore[arg-type]


def _read_frame(file: int) -> bytes:
    header = _read_all(file, HEADER)
    return _read_all(file, int.from_bytes(header, "little")) if header else b""


def _read_all(file: int, count: int) -> bytes:
    parts = []
    while count:
        data = os.read(file, min(count, CHUNK))
        if not data:
            return b""
        parts.append(data)
        count -= len(data)
    return b"".join(parts)


def _write_all(file: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view[:CHUNK]) :]
