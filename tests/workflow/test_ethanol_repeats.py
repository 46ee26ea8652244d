"""SchNet, Langevin dynamics and GFN2-xTB: a run that was killed equals the uninterrupted one to the last bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from outcomes import await_number, number
from stack import ETHANOL

from pal_core.testing.runs import differences

LIMIT = 90.0
SETTINGS: dict[str, Any] = {
    "run": {"seed": 7, "snapshot_every": 0.02, "schedule": "serial", "batching": "all", "threads": 1},
    "generator": {
        "kernel": "ase.langevin",
        "walkers": 3,
        "options": {"structure": str(ETHANOL), "temperature": 600, "friction": 0.02, "rattle": 0.15, "trajectory": 1},
    },
    "model": {
        "kernel": "schnet.committee",
        "members": 2,
        "options": {"features": 16, "interactions": 2, "max_epochs": 15},
    },
    "training": {"retrain_after": 6, "publish_every": 4},
    "oracle": {"kernel": "xtb.gfn2", "isolate": False},
    "selection": {"options": {"field": "forces", "upper": 1.2}},
    "data": {"bootstrap": 8},
    "stop": {"labels": 26},
}
CODE = "import json, sys, pal_core; print(pal_core.run(json.loads(sys.argv[1]), base=sys.argv[2]).reason)"
SETS, ROUNDS, LABELS = ("SELECT MAX(number) FROM sets", "SELECT COUNT(*) FROM rounds", "SELECT COUNT(*) FROM labels")


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CODE, json.dumps(SETTINGS), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finish(folder: Path) -> Path:
    process = start(folder)
    try:
        out, err = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    assert out == "26 labels\n", err
    return folder / "run"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The uninterrupted run: three rounds, and sets between them."""
    directory = finish(tmp_path_factory.mktemp("whole"))
    assert number(directory.parent, ROUNDS) >= 6
    assert number(directory.parent, SETS) >= 3
    assert number(directory.parent, "SELECT COUNT(*) FROM samples WHERE origin = 'active'") >= 18
    return directory


def break_off(folder: Path, sql: str, least: int) -> None:
    process = start(folder)
    await_number(process, folder, sql, least, LIMIT)
    process.kill()
    process.communicate()
    assert process.returncode != 0


PLACES = {"bootstrap": (LABELS, 4), "labelling": (LABELS, 17), "exploring": (SETS, 2), "training": (ROUNDS, 3)}


@pytest.mark.parametrize("place", PLACES)
def test_killed_run_equals_the_uninterrupted_one(whole, tmp_path, place):
    break_off(tmp_path, *PLACES[place])
    directory = finish(tmp_path)
    assert differences(directory, whole) == []
    for path in whole.glob("trajectories/*"):
        assert (directory / "trajectories" / path.name).read_bytes() == path.read_bytes()


def test_run_broken_off_again_and_again_equals_the_uninterrupted_one(whole, tmp_path):
    for labels in (10, 16, 22):
        break_off(tmp_path, LABELS, labels)
    assert differences(finish(tmp_path), whole) == []
