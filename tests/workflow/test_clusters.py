"""The cluster example, small: sets made by the oracle, a run of three charges, errors of each, as a user makes them."""

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

EXAMPLE = ROOT / "examples" / "clusters"
LIMIT = 240.0
CHARGES = (-1, 0, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    copy = tmp_path_factory.mktemp("clusters") / "clusters"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("runs", "__pycache__"))
    done = subprocess.run(
        [sys.executable, "clusters.py", "clusters-xtb.toml", "--small", "--initial", "6", "--held-out", "4"],
        cwd=copy,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return copy / "runs" / "small"


def _frames(folder: Path, name: str) -> list[ase.Atoms]:
    return ase.io.read(folder / "sets" / f"clusters-xtb-{name}.extxyz", index=":")


def _charge(atoms: ase.Atoms) -> int:
    return int(atoms.info.get("charge", 0))


def test_sets_hold_labels_of_an_independent_calculation_for_every_charge(folder):
    for name, count in (("initial", 6), ("held-out", 4)):
        frames = _frames(folder, name)
        assert sorted(_charge(atoms) for atoms in frames) == sorted(CHARGES * count)
        for charge in CHARGES:
            atoms = next(a for a in frames if _charge(a) == charge)
            electrons = 83 * len(atoms) - charge
            wanted, forces = atoms.info["REF_energy"], atoms.arrays["REF_forces"]
            atoms.calc = TBLite(method="GFN1-xTB", charge=charge, multiplicity=1 + electrons % 2, verbosity=0)
            assert atoms.get_potential_energy() == pytest.approx(wanted, abs=1e-4)
            np.testing.assert_allclose(atoms.get_forces(), forces, atol=2e-3)


def test_no_held_out_geometry_is_trained_on(folder):
    known = [atoms.positions for atoms in ase.io.read(folder / "clusters-xtb" / "labels.extxyz", index=":")]
    for atoms in _frames(folder, "held-out"):
        assert not any(len(atoms) == len(p) and np.allclose(atoms.positions, p, atol=1e-3) for p in known)


def test_walkers_of_all_charges_and_both_sizes_share_the_run(folder):
    labels = ase.io.read(folder / "clusters-xtb" / "labels.extxyz", index=":")
    assert len(labels) == 18 + 24
    assert {_charge(atoms) for atoms in labels[18:]} == set(CHARGES)
    assert {len(atoms) for atoms in labels} == {2, 3}


def test_report_tells_errors_uncertainty_and_labels_of_each_charge(folder):
    found = json.loads((folder / "clusters-xtb" / "report.json").read_text())
    rows = found["charges"]
    assert set(rows) == {"-1", "0", "1"}
    assert sum(row["labels"] for row in rows.values()) == 24
    assert all(row["initial"] == 6 and row["held_out"] == 4 for row in rows.values())
    assert all(0 < row[key] < 5 for row in rows.values() for key in ("before", "after", "deviation_after"))
    assert found["curve"][0]["labels"] == 18
    assert found["curve"][-1]["labels"] == 42
    assert (folder / "clusters-xtb" / "learning.png").stat().st_size > 1000


def test_settings_for_pyscf_and_turbomole_differ_in_oracle_and_paths_only():
    texts = {name: (EXAMPLE / f"{name}.toml").read_text() for name in ("clusters", "clusters-turbomole")}
    lines = [set(text.replace("clusters-turbomole", "clusters").splitlines()[2:]) for text in texts.values()]
    only = {line.split("=")[0].strip() for line in lines[0] ^ lines[1]}
    assert only == {"kernel", "gradient_convergence", "grid_response", "max_iterations", "stability"}
