"""A deterministic run over MPI whose processes are all killed goes on to the last bit as if it had not been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from outcomes import await_number, number

from pal_core.testing.runs import differences

LIMIT = 60.0
SETTINGS = """
[run]
directory = "run"
seed = 5
schedule = "serial"
batching = "all"
snapshot_every = 0.1
[generator]
kernel = "pal.toy-walker"
walkers = 4
processes = {walkers}
[model]
kernel = "pal.toy-model"
members = 2
processes = 1
options = {{ features = 50 }}
[training]
processes = {trainers}
retrain_after = 10
[oracle]
kernel = "pal.toy-oracle"
processes = {oracles}
options = {{ delay = 0.02 }}
[selection]
options = {{ field = "energy", upper = 3.0 }}
[data]
bootstrap = 20
[stop]
labels = 60
"""


def write(folder: Path, walkers: int = 1, trainers: int = 1, oracles: int = 2) -> Path:
    file = folder / "toy.toml"
    file.write_text(SETTINGS.format(walkers=walkers, trainers=trainers, oracles=oracles))
    return file


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The uninterrupted run, within one process: how many ranks there are must not matter either."""
    folder = tmp_path_factory.mktemp("whole")
    code = "import sys, pal_core; print(pal_core.run(sys.argv[1]).reason)"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(write(folder))], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "60 labels\n"
    return folder / "run"


def start(file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pal_core.cli.main", "run", str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(file: Path) -> None:
    process = start(file)
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        kill_tree(process)
        raise
    assert process.returncode == 0, out + err


def kill_tree(process: subprocess.Popen[str]) -> None:
    """Kill the launcher, mpiexec and every rank, nobody getting a word in."""
    pids = [process.pid]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # so that none is started meanwhile
        pids += children(pid)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    process.communicate()


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]


def break_off(file: Path, sql: str, least: int) -> None:
    """Run until a number out of the store is reached, and kill everything."""
    process = start(file)
    await_number(process, file.parent, sql, least, LIMIT)
    kill_tree(process)


LABELS, ROUNDS = "SELECT COUNT(*) FROM labels", "SELECT COUNT(*) FROM rounds"


@pytest.mark.parametrize(
    ("sql", "least"), [(LABELS, 8), (LABELS, 36), (ROUNDS, 5)], ids=["bootstrap", "labelling", "training"]
)
def test_killed_run_equals_the_uninterrupted_one(whole, tmp_path, sql, least):
    file = write(tmp_path)
    break_off(file, sql, least)
    assert number(tmp_path, LABELS) < 60
    finish(file)
    assert differences(tmp_path / "run", whole) == []
    assert number(tmp_path, "SELECT COUNT(*) FROM attempts") <= 60 + 2  # those under way at the two oracles


def test_other_numbers_of_ranks_make_no_difference(whole, tmp_path):
    break_off(write(tmp_path, walkers=2), LABELS, 25)
    break_off(write(tmp_path, trainers=2), LABELS, 45)
    finish(write(tmp_path, walkers=1, trainers=1, oracles=1))
    assert differences(tmp_path / "run", whole) == []
