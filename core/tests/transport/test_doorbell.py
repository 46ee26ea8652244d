"""Waking ranks of the same node."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import threading
import time

import pytest

from pal_core.transport import doorbell
from pal_core.transport.doorbell import Doorbell


@pytest.fixture(params=["as here", "with files"])
def bells(request, tmp_path, monkeypatch):
    """Makes bells of one run, with names as on this system and as where there are files only."""
    if request.param == "with files":
        monkeypatch.setattr(doorbell.sys, "platform", "somewhere")
        monkeypatch.setattr(doorbell.tempfile, "gettempdir", lambda: str(tmp_path))
    made = []
    token = secrets.token_hex(6)

    def make(*ranks: int, neighbours=(0, 1, 2)) -> list[Doorbell]:
        made.extend(Doorbell(token, rank, neighbours) for rank in ranks)
        return made[-len(ranks) :]

    yield make
    for bell in made:
        bell.close()
    assert list(tmp_path.iterdir()) == []


def test_ring_wakes_a_sleeper(bells):
    a, b = bells(0, 1)
    threading.Timer(0.05, a.ring, [1]).start()
    begin = time.monotonic()
    assert b.wait(10.0, []) == (True, True)
    assert time.monotonic() - begin < 5


def test_ring_before_the_sleep_is_not_lost_and_many_rings_wake_once(bells):
    a, b = bells(0, 1)
    for _ in range(1000):  # more than a socket holds: the others fall away
        a.ring(1)
    assert b.wait(10.0, []) == (True, True)
    assert b.wait(0.0, []) == (False, False)


def test_only_the_rank_that_is_meant_wakes(bells):
    a, b, c = bells(0, 1, 2)
    a.ring(2)
    assert b.wait(0.0, []) == (False, False)
    assert c.wait(0.0, [])[0]


def test_missing_and_foreign_bells_are_harmless(bells):
    a, b = bells(0, 1)
    a.ring(2)  # not there yet
    a.ring(7)  # on another node
    a.ring(0)  # itself
    b.close()
    a.ring(1)
    assert a.wait(0.0, []) == (False, False)


def test_readable_file_wakes_without_a_ring(bells):
    (a,) = bells(0)
    read, write = os.pipe()
    os.write(write, b"x")
    assert a.wait(10.0, [read]) == (False, True)
    os.close(read)
    os.close(write)


def test_bell_knows_whether_everybody_can_ring_it(bells):
    (a,) = bells(0)
    assert a.covers(3)
    assert not a.covers(4)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names outside the file system")
def test_rank_that_is_killed_leaves_no_file_and_a_long_folder_does_no_harm(tmp_path):
    long = tmp_path / ("x" * 120)
    long.mkdir()
    code = (
        "import os; from pal_core.transport.doorbell import Doorbell\n"
        "bell = Doorbell('t' * 12, 0, [0]); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(long)}, check=False, timeout=60
    )
    assert done.returncode == -9
    assert list(long.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the socket is a file of this user")
@pytest.mark.timeout(30)
def test_stranger_who_rings_without_end_keeps_nobody_from_working():
    token, stop = secrets.token_hex(6), threading.Event()
    bell = Doorbell(token, 0, ())

    def flood():
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
            stranger.settimeout(1.0)
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    stranger.sendto(b"x" * 4096, f"\0pal-{token}-0")

    strangers = [threading.Thread(target=flood) for _ in range(2)]
    for thread in strangers:
        thread.start()
    begin = time.monotonic()
    for _ in range(20):
        bell.wait(0.1, [])
    assert time.monotonic() - begin < 10
    stop.set()
    for thread in strangers:
        thread.join()
    bell.close()
