"""Processes as /proc shows them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from pal_core.runtime.processes import children, descendants, end_all, identities, memory

SLEEPER = "import time; print('up', flush=True); time.sleep(1000)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEPER!r}])"


def begun(code: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_descendants_are_found_and_ended():
    with begun(PARENT) as process:
        (sleeper,) = children(process.pid)
        assert {process.pid, sleeper} <= set(descendants(os.getpid()))
        end_all(lambda: [p for p in descendants(os.getpid()) if p in (process.pid, sleeper)], 5.0)
        assert identities([sleeper]) == set() or children(process.pid) == []


def test_spared_processes_keep_what_descends_from_them():
    with begun(PARENT) as process:
        (sleeper,) = children(process.pid)
        spared = identities([process.pid])
        assert not {process.pid, sleeper} & set(descendants(os.getpid(), spared))
        another = {(process.pid, next(iter(spared))[1] + 1)}  # the same id, used again
        assert process.pid in descendants(os.getpid(), another)
        os.kill(sleeper, 9)


def test_children_belong_to_the_thread_that_has_started_them():
    found = []

    def start() -> None:
        with begun(SLEEPER) as process:
            mine = children(os.getpid(), threading.get_native_id())
            found.extend([process.pid in mine, process.pid in children(os.getpid())])
            process.kill()

    thread = threading.Thread(target=start)
    before = children(os.getpid(), threading.get_native_id())
    thread.start()
    thread.join()
    assert found == [True, True]
    assert children(os.getpid(), threading.get_native_id()) == before


def test_memory_is_counted_once_where_it_is_shared():
    code = "import os, time; held = b'x' * 100_000_000; os.fork(); print('up', flush=True); time.sleep(1000)"
    with begun(code) as process:
        both = [process.pid, *descendants(process.pid)]
        assert len(both) == 2
        assert 200_000_000 < memory(both, 10**12) < 300_000_000  # both resident sets: cheap, and enough to acquit
        assert 100_000_000 < memory(both, 10**8) < 150_000_000
        for pid in reversed(both):
            os.kill(pid, 9)


def test_processes_that_are_gone_have_nothing():
    with begun("print()") as process:
        process.wait()
    assert (children(process.pid), descendants(process.pid), identities([process.pid])) == ([], [], set())
    assert memory([process.pid], 0) == 0
