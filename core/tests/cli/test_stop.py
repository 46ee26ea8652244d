"""`pal stop`."""

from __future__ import annotations

import json
import threading
import time

import pytest

from pal_core.store.store import Store


@pytest.fixture
def running(tmp_path):
    """A run directory with a status that says whatever it is told."""
    Store(tmp_path / "run", write=True).close()

    def tell(outcome=None, reason=""):
        status = {"outcome": outcome, "reason": reason, "updated": time.time()}
        (tmp_path / "run/status.part").write_text(json.dumps(status))
        (tmp_path / "run/status.part").replace(tmp_path / "run/status.json")

    tell()
    return tell


def test_stop_leaves_a_request_and_says_how_to_watch(pal, running, tmp_path):
    result = pal("stop", "run")
    assert result.exit_code == 0
    assert result.stdout == "asked to stop; watch it: pal status run\n"
    assert (tmp_path / "run/stop").exists()


def test_ended_run_is_left_alone(pal, running, tmp_path):
    running("done", "30 labels")
    result = pal("stop", "run")
    assert result.exit_code == 0
    assert result.stdout == "the run has ended already: done (30 labels)\n"
    assert not (tmp_path / "run/stop").exists()


def test_waiting_ends_with_the_run(pal, running):
    threading.Timer(0.3, running, ["interrupted", "asked to stop"]).start()
    result = pal("stop", "run", "--wait", "30")
    assert result.exit_code == 0
    assert result.stdout == "ended: interrupted (asked to stop)\n"


def test_waiting_has_a_limit(pal, running):
    result = pal("stop", "run", "--wait", "0.3")
    assert result.exit_code == 1
    assert "the run has not ended within 0.3 s" in result.stderr
    assert "see what it is doing: pal status run" in result.stderr


def test_directory_without_a_run_is_refused(pal, tmp_path):
    result = pal("stop", str(tmp_path))
    assert result.exit_code == 1
    assert "holds no run" in result.stderr


def test_directory_that_cannot_be_written_to_is_one_clear_error(pal, running, tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "run/stop"))

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    result = pal("stop", "run")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: run can't be written to, which is how a run is asked to stop: Permission")
    assert "as the user who started it: pal stop, or send SIGTERM to `pal run`" in result.stderr
