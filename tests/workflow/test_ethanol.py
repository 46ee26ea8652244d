"""From a structure to labels, an export and errors, as README promises it."""

from __future__ import annotations

import json
import math

import ase.io
import numpy as np
import pytest
from stack import ETHANOL, Done, Workflow
from tblite.ase import TBLite

LABELS = 40
FIRST = 12


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Workflow, Done]:
    workflow = Workflow(tmp_path_factory.mktemp("ethanol"))
    workflow.write(ETHANOL, labels=LABELS)
    return workflow, workflow.pal("run", "small.toml")


def test_run_ends_by_its_stop_rule_within_a_minute(run):
    _, done = run
    assert done.code == 0, done.err
    assert "40 labels" in done.out
    assert done.seconds < 60


def test_run_has_exactly_the_labels_asked_for(run):
    workflow, _ = run
    assert workflow.rows("SELECT COUNT(*), COUNT(DISTINCT sample) FROM labels") == [(LABELS, LABELS)]
    origins = dict(workflow.rows("SELECT origin, COUNT(*) FROM samples JOIN labels ON sample = samples.id GROUP BY 1"))
    assert origins == {"bootstrap": FIRST, "active": LABELS - FIRST}


def test_every_member_has_learnt_from_all_labels(run):
    workflow, _ = run
    last = workflow.rows("SELECT member, labels FROM rounds ORDER BY round DESC, member LIMIT 2")
    assert last == [(0, LABELS), (1, LABELS)]


def test_exported_labels_equal_fresh_single_points(run):
    workflow, _ = run
    done = workflow.pal("export", "small.toml", "--format", "extxyz", "-o", "labels.extxyz")
    assert done.code == 0, done.err
    frames = ase.io.read(workflow.folder / "labels.extxyz", index=":")
    assert len(frames) == LABELS
    for atoms in frames:
        atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
        assert atoms.info["REF_energy"] == pytest.approx(atoms.get_potential_energy(), rel=0, abs=1e-6)
        np.testing.assert_allclose(atoms.arrays["REF_forces"], atoms.get_forces(), rtol=0, atol=1e-6)


def test_committee_has_a_finite_error_on_frames_that_it_has_not_seen(run):
    workflow, _ = run
    dynamics = ["--temperature", "500", "--frames", "4", "--interval", "5", "--seed", "3"]
    structure = ["--oracle", "xtb.gfn2", "--structure", str(ETHANOL)]
    made = workflow.pal("reference", *structure, *dynamics, "-o", "test.extxyz")
    assert made.code == 0, made.err
    done = workflow.pal("evaluate", "small.toml", "test.extxyz", "--json")
    assert done.code == 0, done.err
    records = json.loads(done.out)
    assert records[-1]["labels"] == LABELS
    for record in records:
        errors = record["errors"]["forces"]
        assert all(math.isfinite(v) for v in errors.values())
        assert 0 < errors["mae"] <= errors["worst"]
