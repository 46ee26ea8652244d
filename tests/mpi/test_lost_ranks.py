"""Ranks are killed, stopped and exit while all exchange messages at full speed; see lost_ranks.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE

import pytest

from pal_core.launch.ways import can_survive, find_mpiexec
from pal_core.transport.survival import survival_options

PROGRAM = Path(__file__).parent / "lost_ranks.py"
LIMIT = 35.0
CONTROLLER_LOST = 25.0
KILLED, STOPPED = 2.0, 2.5
"""Seconds until a loss is noticed; a stopped rank is given up after one."""


@pytest.fixture(scope="module")
def mpiexec():
    program = find_mpiexec()
    if not can_survive(program):
        pytest.skip(f"{program} isn't Open MPI 5 or later, built for it: there the death of a rank ends the run")
    return [program, "--oversubscribe", "--bind-to", "none", *(["--allow-run-as-root"] if os.geteuid() == 0 else [])]


def run(mpiexec, ranks, *arguments):
    command = [*mpiexec, *survival_options(), "-n", str(ranks), sys.executable, str(PROGRAM), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=environment, check=False)


EARLY = """
import os, signal, time
from pal_core.transport.mpi import RankLostError, World

world = World()
if world.rank == 2:
    os.kill(os.getpid(), signal.SIGKILL)
time.sleep(0.5)
try:
    world.nodes()
    world.share("text" if world.rank == 0 else None)
except RankLostError as error:
    print(f"rank {world.rank}: {error}", flush=True)
    world.abort(1)
"""


def test_rank_lost_while_all_are_starting_is_called_that(mpiexec):
    command = [*mpiexec, *survival_options(), "-n", "4", sys.executable, "-c", EARLY]
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True, start_new_session=True) as process:
        try:
            said, errors = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:  # Open MPI's mpiexec now and then outlives an abort; `pal run` ends it
            os.killpg(process.pid, signal.SIGKILL)
            said, errors = process.communicate()
    assert process.returncode != 0
    assert "a rank was lost while the ranks were starting" in said, errors


def test_messages_among_the_living_arrive_once_and_in_order_whoever_is_lost(mpiexec):
    done = run(mpiexec, 10, 6, 4, "kill:2", "stop:3", "exit:4", "kill:1")
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    assert result["problems"] == []
    assert result["lost"] == [1, 2, 3, 4]
    assert result["living"] == [5, 6, 7, 8, 9]
    assert set(map(tuple, result["seen"].values())) == {(1, 2, 3, 4)}
    assert result["messages"] > 1000
    for fault, seconds in result["notices"].items():
        assert seconds < (STOPPED if fault.startswith("stop") else KILLED), result["notices"]


def test_all_ranks_leave_together_when_none_is_lost(mpiexec):
    done = run(mpiexec, 5, 1, 1)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["problems"] == []
    assert result["lost"] == []


def test_all_ranks_end_soon_when_the_controller_is_lost(mpiexec):
    begin = time.monotonic()
    done = run(mpiexec, 5, 1, 1, "hub")
    assert time.monotonic() - begin < CONTROLLER_LOST
    hub, *left = done.stdout.splitlines()
    assert any(line.endswith("leaves, the hub is lost") for line in left), done.stdout + done.stderr
    pids = json.loads(hub)["pids"]
    while alive := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:  # mpiexec may end before its ranks
        assert time.monotonic() - begin < CONTROLLER_LOST, alive
        time.sleep(0.1)
