"""A rank's watch over its launcher and its parent."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from pal_core.launch import watching
from pal_core.launch.watching import Watch, watch_launcher


class Left(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def alive(monkeypatch):
    """The launcher lives until it is removed; leaving raises."""
    processes = {7}
    monkeypatch.setattr(watching, "is_alive", lambda pid, started: pid in processes)

    def leave(code):
        raise Left(code)

    monkeypatch.setattr(os, "_exit", leave)
    return processes


def test_manager_is_told_once_that_the_launcher_has_died_and_the_rank_goes_on(alive):
    told = []
    watch = Watch(7, 40.0, told.append)
    watch.look(0.0)
    assert told == []
    alive.clear()
    for now in (1.0, 2.0, 40.9):
        watch.look(now)
    assert told == ["pal run has died"]


def test_rank_that_lives_on_too_long_after_its_launcher_leaves(alive, capsys):
    watch = Watch(7, 40.0, lambda text: None)
    alive.clear()
    watch.look(1.0)
    with pytest.raises(Left):
        watch.look(41.1)
    assert "the run did not end in order" in capsys.readouterr().err


def test_rank_leaves_at_once_when_its_parent_has_died(alive, monkeypatch):
    watch = Watch(7, 40.0, lambda text: None)
    monkeypatch.setattr(os, "getppid", lambda: 1)
    with pytest.raises(Left):
        watch.look(0.0)


def test_launcher_of_another_node_is_not_looked_for(alive):
    alive.clear()
    told = []
    Watch(None, 40.0, told.append).look(0.0)
    assert told == []


@pytest.mark.parametrize(
    ("value", "launcher"),
    [(f"{socket.gethostname()}:7", 7), ("another-node:7", None), ("", "no watch")],
)
def test_only_ranks_that_pal_run_has_started_watch(alive, monkeypatch, value, launcher):
    monkeypatch.setenv("PAL_LAUNCHED", value)
    started: list[Watch] = []

    def start(watch):
        started.append(watch)

    monkeypatch.setattr(threading.Thread, "start", start)
    watch_launcher(10.0, lambda text: None)
    assert [w._launcher for w in started] == ([] if launcher == "no watch" else [launcher])
