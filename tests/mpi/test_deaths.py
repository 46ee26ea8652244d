"""kill -9 of whatever takes part in a run: it goes on, and no label is lost or doubled."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from outcomes import JOURNAL_ORACLE, bring_journal_oracle, made_and_stored

from pal_core.launch.processes import Owner, living_descendants

AGAIN = 30.0
"""Seconds within which a run has to be working again."""
LABELS = 60
ORACLES = 1


@pytest.fixture
def case(toy):
    """A run whose oracle keeps a journal of its own."""
    made = toy(run="stop_limit = 10\nspares = 0", oracle="options = { delay = 0.05 }", stop=f"labels = {LABELS}")
    bring_journal_oracle(made.folder)
    text = made.file.read_text().replace('"pal.toy-oracle"', f'"{JOURNAL_ORACLE}"')
    made.file.write_text(text.replace("processes = 2", "processes = 1").replace("final_time = 20", "final_time = 1"))
    return made


def processes(case):
    """Ranks, mpiexec, and everything else that descends from `pal run`."""
    owner = Owner.of(case.directory)
    ranks, mpiexec, others = [], [], []
    for pid in living_descendants(owner.token):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        name = Path(os.fsdecode(command[0])).name
        kind = mpiexec if name in ("mpiexec", "prterun") else ranks if b"pal_core.worker" in command else others
        kind.append(pid)
    return ranks, [min(mpiexec)], others


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            assert len(pids) > 1, "it was dead already"


def works_again(case, labels, begin):
    """Wait for a label of a new session."""
    while time.monotonic() < begin + AGAIN:
        try:
            if case.rows("SELECT COUNT(*) FROM sessions")[0][0] > 1 and len(case.rows("SELECT 1 FROM labels")) > labels:
                return
        except sqlite3.OperationalError:
            pass  # it is just being opened
        time.sleep(0.05)
    raise AssertionError(f"no label within {AGAIN} s")


def compare(case):
    """The oracles' journal and the store."""
    made, stored = made_and_stored(case.folder, case.directory)
    assert sum(stored.values()) == LABELS
    # Only what was under way when the ranks died was made again, or is still to be asked for again.
    assert sum((made - stored).values()) <= ORACLES
    twice = "SELECT sample FROM attempts WHERE failure IS NULL GROUP BY sample HAVING COUNT(*) > 1"
    assert case.rows(twice) == []


@pytest.mark.parametrize("victim", ["a rank", "mpiexec", "pal run", "the tree"])
def test_run_goes_on_after_kill_9_of(case, victim):
    process = case.start()
    case.wait_for(30, process)
    ranks, mpiexec, others = processes(case)
    assert len(ranks) == 5
    labels, begin = len(case.rows("SELECT 1 FROM labels")), time.monotonic()
    if victim == "a rank":
        kill([random.choice(ranks)])
    elif victim == "mpiexec":
        kill(mpiexec)
    else:
        kill([process.pid] + (ranks + mpiexec + others if victim == "the tree" else []))
        process.communicate()
        process = case.start()
    works_again(case, labels, begin)
    done = case.finish(process)
    assert done.returncode == 0, done.stderr
    if victim in ("a rank", "mpiexec"):
        assert "restart 1 of 3 without progress" in done.stderr
        told = case.rows("SELECT text FROM journal WHERE source = 'launcher'")
        assert [text.startswith("the ranks were started again: the ranks ended with code") for (text,) in told] == [
            True
        ]
    compare(case)


def test_run_begins_again_when_a_rank_is_killed_while_all_are_starting(case):
    process = case.start()
    ranks = []
    while len(ranks) < 5:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
        if (owner := Owner.of(case.directory)) is not None and any(living_descendants(owner.token)):
            ranks = processes(case)[0]
    time.sleep(0.4)
    kill([ranks[2]])
    done = case.finish(process)
    assert done.returncode == 0, done.stderr
    compare(case)


def test_ranks_whose_launcher_was_killed_end_in_order_by_themselves(case):
    process = case.start()
    case.wait_for(30, process)
    token = Owner.of(case.directory).token
    process.kill()
    process.communicate()
    end = time.monotonic() + 20
    while living_descendants(token):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert case.rows("SELECT outcome, reason FROM sessions") == [("interrupted", "pal run has died")]


def test_ranks_whose_mpiexec_and_launcher_were_killed_end_by_themselves(case):
    process = case.start()
    case.wait_for(30, process)
    token, (_, mpiexec, _) = Owner.of(case.directory).token, processes(case)
    process.kill()
    kill(mpiexec)
    process.communicate()
    end = time.monotonic() + 20
    while living_descendants(token):
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_signal_to_mpiexec_stops_the_run_to_be_resumed(case, number):
    process = case.start()
    case.wait_for(30, process)
    os.kill(processes(case)[1][0], number)
    done = case.finish(process, 30)
    assert done.returncode == 75, done.stderr
    assert "go on with: pal run" in done.stdout


def test_second_ctrl_c_stops_at_once_and_says_how_to_go_on(toy):
    case = toy(oracle="options = { delay = 30.0 }", stop="labels = 60")
    process = case.start()
    while not (case.directory / "status.json").exists() or case.status()["phase"] != "bootstrapping":
        assert process.poll() is None
        time.sleep(0.1)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
    begin = time.monotonic()
    done = case.finish(process, 30)
    assert time.monotonic() - begin < 10
    assert done.returncode == 75, done.stderr
    assert done.stdout.splitlines()[0].startswith("stopped (stopped at once, as asked)")
    assert "go on with: pal run" in done.stdout.splitlines()[1]


def test_reader_that_goes_away_does_not_end_the_run(toy):
    case = toy(stop="labels = 40")
    command = [sys.executable, "-m", "pal_core.cli.main", "run", str(case.file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    process.stderr.readline()
    process.stderr.close()
    assert process.wait(60) == 0
    assert case.rows("SELECT COUNT(*) FROM labels") == [(40,)]
