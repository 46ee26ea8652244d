"""What a launcher needs to know of survival, and the watch over processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from pal_core.transport.survival import (
    LOOK_INTERVAL,
    STILL_LOOKS,
    STILL_TIME,
    Watch,
    process_identity,
    survival_options,
    survives,
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched in /proc, which Linux has")
PROGRAM = "from pal_core.transport.survival import process_identity as p; print(p(), flush=True); input()"


@pytest.fixture
def child():
    """A process that waits, and its identity."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process, process.stdout.readline().strip()
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def looks(watch, count, begin=100.0):
    """What so many looks in a row find."""
    return [watch.look(begin + 1.01 * LOOK_INTERVAL * k) for k in range(count)]


def test_ranks_know_from_their_environment(monkeypatch):
    assert survives({"OMPI_MCA_mpi_ft_enable": "1"})
    assert not survives({"OMPI_MCA_mpi_ft_enable": "0"})
    assert not survives({})


def test_options_turn_on_fault_tolerance_but_not_the_heartbeats():
    assert survival_options() == ["--with-ft", "ulfm"]


def test_asking_for_options_starts_no_mpi_and_loads_little():
    program = "import sys, pal_core.transport.survival; print({'mpi4py', 'numpy'}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True).stdout == b"True\n"


@linux
class TestWatch:
    """Processes seen from outside."""

    def test_a_process_that_works_is_never_given_up(self):
        watch = Watch({3: process_identity()})
        assert looks(watch, 50) == [[]] * 50

    def test_a_process_that_exits_is_lost_at_the_next_look(self, child):
        process, identity = child
        watch = Watch({3: identity})
        assert watch.look(100.0) == []
        process.communicate("")
        assert watch.look(101.0) == [3]

    def test_a_process_that_exited_but_was_not_waited_for_is_lost(self, child):
        process, identity = child
        watch = Watch({3: identity})
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert watch.look(101.0) == [3]

    def test_a_process_that_stands_still_is_lost_after_a_while(self, child):
        process, identity = child
        watch = Watch({3: identity})
        stop(process)
        found = looks(watch, 12)
        first = found.index([3])
        assert first == pytest.approx(STILL_TIME / LOOK_INTERVAL, abs=1)
        assert not any(found[:first])

    def test_a_watcher_that_looks_seldom_needs_few_looks(self, child):
        process, identity = child
        watch = Watch({3: identity})
        stop(process)
        assert [watch.look(100.0 + k) for k in range(STILL_LOOKS)] == [[]] * (STILL_LOOKS - 1) + [[3]]

    def test_a_process_that_goes_on_is_not_lost(self, child):
        process, identity = child
        watch = Watch({3: identity})
        stop(process)
        assert looks(watch, 4) == [[]] * 4
        process.send_signal(signal.SIGCONT)
        os.waitid(os.P_PID, process.pid, os.WCONTINUED | os.WNOWAIT)
        assert looks(watch, 20, 110.0) == [[]] * 20

    def test_a_job_suspended_as_a_whole_goes_on(self, child):
        """The watcher stood still for an hour as well, and woke a little earlier."""
        process, identity = child
        watch = Watch({3: identity})
        stop(process)
        assert [watch.look(t) for t in (100.0, 3700.0, 3700.3)] == [[], [], []]

    def test_who_is_given_up_is_killed_and_forgotten(self, child):
        process, identity = child
        watch = Watch({3: identity})
        stop(process)
        watch.forget(3)
        assert process.wait(5.0) == -signal.SIGKILL
        assert watch.look(100.0) == []

    def test_another_process_of_the_same_number_is_left_alone(self, child):
        process, identity = child
        number, start, space = identity.split()
        watch = Watch({3: f"{number} {int(start) - 1} {space}"})
        assert watch.look(100.0) == [3]
        watch.forget(3)
        time.sleep(0.1)
        assert process.poll() is None

    def test_processes_of_other_nodes_are_not_watched(self):
        number, *_ = process_identity().split()
        watch = Watch({3: f"{number} 1 elsewhere", 4: ""})
        assert watch.look(100.0) == []


def stop(process):
    """Stop a process and wait until the kernel says so."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
