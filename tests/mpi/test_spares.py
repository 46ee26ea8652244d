"""Ranks that die or hang one after the other, in a run that goes on in place: spare ranks take them over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pal_core.launch.processes import Owner, living_descendants
from pal_core.launch.ways import can_survive, find_mpiexec

pytestmark = pytest.mark.skipif(not can_survive(find_mpiexec()), reason="this MPI doesn't survive the death of a rank")

NOTICED = 5.0
"""Seconds, on a machine that is shared; 2 s are promised on a free one."""
BACK = 30.0


def process_of(case, rank: int) -> int:
    """The process of a rank."""
    for pid in living_descendants(Owner.of(case.directory).token):
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if f"OMPI_COMM_WORLD_RANK={rank}".encode() in environment and b"pal_core.worker" in command:
            return pid
    raise AssertionError(f"rank {rank} has no process")


def ranks(case) -> dict[str, int]:
    """Rank of every host."""
    plan = subprocess.run(
        [sys.executable, "-m", "pal_core.cli.main", "plan", str(case.file)], capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, int] = {}
    for rank, _, role, *_ in (line.split() for line in plan.splitlines() if line[:1].isdigit()):
        number = sum(host.startswith(f"{role}/") for host in found)
        found[f"{role}/{number}"] = int(rank)
    return found


def journal(case) -> list[str]:
    return [text for (text,) in case.rows("SELECT text FROM journal WHERE source = 'manager'")]


def await_text(case, text: str, limit: float, process) -> float:
    begin = time.monotonic()
    while not any(text in line for line in journal(case)):
        assert process.poll() is None, "the run has ended"
        assert time.monotonic() < begin + limit, f"nothing of {text!r} in {journal(case)}"
        time.sleep(0.05)
    return time.monotonic() - begin


def test_hosts_of_every_role_are_taken_over_in_place(toy):
    case = toy(run="spares = 5\nsnapshot_every = 1", oracle="options = { delay = 0.1 }", stop="labels = 100000")
    process = case.start()
    case.wait_for(30, process)
    where = ranks(case)
    victims = ["oracle/0", "generator/1", "prediction/0", "training/1"]
    for host in victims:
        os.kill(process_of(case, where[host]), signal.SIGKILL)
        await_text(case, f"rank {where[host]} on ", NOTICED, process)
        await_text(case, f"{host} runs again", BACK, process)
    os.kill(process_of(case, where["oracle/1"]), signal.SIGSTOP)
    await_text(case, f"rank {where['oracle/1']} on ", NOTICED, process)
    await_text(case, "oracle/1 runs again", BACK, process)
    before = case.status()
    case.wait_for(before["labels"] + 10, process)
    after = case.status()
    assert after["spares"] == 0
    assert after["steps"] > before["steps"]
    assert after["rounds"] > 0
    process.send_signal(signal.SIGINT)
    done = case.finish(process)
    assert done.returncode == 75, done.stderr
    assert case.rows("SELECT COUNT(*) FROM sessions") == [(1,)]
    labels, distinct = case.rows(
        "SELECT COUNT(*), COUNT(DISTINCT hash) FROM samples WHERE id IN (SELECT sample FROM labels)"
    )[0]
    assert labels == distinct > 30
    failures = case.rows("SELECT COUNT(*) FROM attempts WHERE failure IS NOT NULL")[0][0]
    assert failures <= 2, "only what the two oracles worked on"


def test_both_ranks_of_the_controller_reach_hosts_that_were_taken_over(toy):
    case = toy(
        run="controllers = 2\nspares = 2\nsnapshot_every = 1",
        oracle="options = { delay = 0.05 }",
        stop="labels = 100000",
    )
    process = case.start()
    case.wait_for(30, process)
    where = ranks(case)
    for host in ("training/1", "oracle/0"):
        os.kill(process_of(case, where[host]), signal.SIGKILL)
        await_text(case, f"{host} runs again", BACK, process)
    newest = "SELECT COALESCE(MAX(round), 0) FROM rounds WHERE member >= 2"
    before, last = case.status(), case.rows(newest)[0][0]
    by_it = "SELECT COUNT(*) FROM attempts WHERE host = 'oracle/0' AND failure IS NULL"
    labels = case.rows(by_it)[0][0]
    end = time.monotonic() + BACK
    while (
        case.rows(newest)[0][0] <= last
        or case.rows(by_it)[0][0] <= labels + 5
        or case.status()["steps"] <= before["steps"]
    ):
        assert process.poll() is None, "the run has ended"
        assert time.monotonic() < end, "no round, no label of those that were taken over, or no step"
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    done = case.finish(process)
    assert done.returncode == 75, done.stderr
    assert case.rows("SELECT COUNT(*) FROM sessions") == [(1,)]


def test_without_a_spare_the_ranks_are_started_again(toy):
    case = toy(run="spares = 1", oracle="options = { delay = 0.05 }", stop="labels = 120")
    process = case.start()
    case.wait_for(30, process)
    where = ranks(case)
    os.kill(process_of(case, where["generator/0"]), signal.SIGKILL)
    await_text(case, "generator/0 runs again", BACK, process)
    os.kill(process_of(case, where["generator/1"]), signal.SIGKILL)
    done = case.finish(process)
    assert done.returncode == 0, done.stderr
    assert "no spare rank is left" in done.stderr
    assert case.rows("SELECT COUNT(*) FROM sessions") == [(2,)]
    assert case.rows("SELECT COUNT(*) FROM labels") == [(120,)]
