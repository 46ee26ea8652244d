"""The HAT example, small: barriers of the oracle, a run, barriers of its committee, as a user makes them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from documents import ROOT
from tblite.ase import TBLite

EXAMPLE = ROOT / "examples" / "hat"
LIMIT = 240.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    copy = tmp_path_factory.mktemp("hat") / "hat"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("runs", "__pycache__"))
    return copy


@pytest.fixture(scope="module")
def run(folder) -> Path:
    done = subprocess.run(
        [sys.executable, "hat.py", "hat-xtb-schnet.toml", "--small"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "small" / "hat-xtb-schnet"


def test_barrier_of_the_oracle_is_that_of_an_independent_calculation(run, folder):
    (path,) = (folder / "runs" / "reference").glob("methyl-methane-*.extxyz")
    energies, forces = [], []
    for atoms, unpaired in zip(ase.io.read(path, index=":"), (1, 0, 1, 1, 0), strict=True):
        atoms.set_initial_magnetic_moments([unpaired, *([0] * (len(atoms) - 1))])
        atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
        energies.append(atoms.get_potential_energy())
        forces.append(np.abs(atoms.get_forces()).max())
    record = json.loads(path.with_suffix(".json").read_text())
    assert max(forces) < 0.003
    assert record["barrier"] == pytest.approx((energies[0] - energies[1] - energies[2]) * 23.060548, abs=1e-3)
    assert record["energy"] == pytest.approx(0.0, abs=1e-3)
    assert len(record["modes"]) == 1
    assert record["lengths"][0] == pytest.approx(record["lengths"][1], abs=2e-3)


def test_report_compares_the_committee_with_the_oracle(run):
    report = json.loads((run / "report.json").read_text())
    (row,) = report["reactions"]
    assert (row["name"], row["group"]) == ("methyl + methane", "seen")
    # An untrained committee is off by about ten.
    assert report["curve"][-1]["seen"] < 8
    assert report["curve"][-1]["labels"] == 40
    assert (run / "learning.png").stat().st_size > 1000


def test_found_transition_states_are_written(run):
    (state,) = ase.io.read(run / "transition-states.extxyz", index=":")
    assert state.symbols.formula.count() == {"C": 2, "H": 7}
    assert state.info["name"] == "methyl + methane"


def test_no_unseen_reaction_has_start_structures():
    starts = ase.io.read(EXAMPLE / "structures" / "seen.extxyz", index=":")
    script = "import json; from reactions import REACTIONS; print(json.dumps({r.name: r.seen for r in REACTIONS}))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=EXAMPLE, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    assert {atoms.info["name"].split(" of ")[-1] for atoms in starts} == {name for name in seen if seen[name]}
    assert len(seen) >= 10
    assert sum(not s for s in seen.values()) >= 3
