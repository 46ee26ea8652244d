"""Labels on their way, and what is left of those that were being written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pal_core import messages as m
from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.data import Batch
from pal_core.runtime.checkpoint import is_temporary
from pal_core.runtime.spool import FOLDER, Spool
from pal_core.transport.wire import Wire


@pytest.fixture
def spool(tmp_path) -> Spool:
    return Spool(tmp_path, "level", Wire([SAMPLE, LABEL]))


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / FOLDER / "level"


def labelled(request: int, attempt: int = 1) -> m.Labelled:
    batch = Batch.from_samples(LABEL, [{"energy": 1.0, "gradient": np.zeros(2)}])
    return m.Labelled(request, attempt, batch, 5.0)


def test_label_lies_there_until_it_is_removed(spool, folder):
    spool.write("oracle/0", labelled(3))
    assert [p.name for p in folder.iterdir()] == ["3-1.label"]
    assert [(host, x.request) for host, x in spool.labels()] == [("oracle/0", 3)]
    spool.remove(3, 1)
    assert list(folder.iterdir()) == []


@pytest.fixture
def half_written(spool, folder, monkeypatch) -> Path:
    """A file as a process leaves it that dies while it writes a label, or has its disk full."""
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("died here")))
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    spool.write("oracle/0", labelled(7))
    monkeypatch.undo()
    (left,) = folder.iterdir()
    return left


def test_half_written_label_has_the_name_of_a_temporary_file(half_written):
    assert is_temporary(half_written)
    assert half_written.name.endswith(f".{os.getpid()}")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_what_dead_processes_were_writing_is_removed_when_all_labels_are_asked_for(spool, folder, half_written):
    dead = subprocess.Popen(["true"])
    dead.wait()
    for name in (f".8-1.label.{dead.pid}", f".note.{dead.pid}", "9-1.label"):
        (folder / name).write_bytes(half_written.read_bytes())
    assert list(spool.labels(8)) == []
    assert (folder / f".8-1.label.{dead.pid}").exists()
    assert list(spool.labels()) == []  # one is written by this process, one isn't the label that its name says
    assert {p.name for p in folder.iterdir()} == {half_written.name, f".note.{dead.pid}", "9-1.label"}
