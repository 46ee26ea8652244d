"""The label checks of a run."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import make_setup, odd

from pal_core.data import Field, Schema
from pal_core.kernels import Expected
from pal_core.runtime.checks import CheckRaised, Checks, expected_columns, expected_from, expected_schema

SUSPICIOUS = odd("Suspicious")


def label(energy: float) -> dict:
    return {"energy": np.array(energy), "gradient": np.zeros(2)}


def test_first_objection_counts(tmp_path):
    limits = (-10.0, 0.0)
    tables = [{"kernel": SUSPICIOUS, "options": {"below": limit}} for limit in limits]
    checks = Checks(make_setup(tmp_path, check=[{"kernel": "pal.finite"}, *tables]), print)
    sample = {"x": np.zeros(2)}
    assert checks.objection(sample, label(1.0), None) is None
    assert checks.objection(sample, label(-1.0), None) == "energy -1.0"
    assert checks.objection(sample, label(float("-inf")), None) == "energy: 1 of 1 values are not finite"
    checks.close()


def test_without_checks_every_label_passes(tmp_path):
    assert Checks(make_setup(tmp_path), print).objection({}, label(float("nan")), None) is None


def test_only_what_all_let_pass_is_remembered(tmp_path):
    tables = [{"kernel": SUSPICIOUS, "options": {"below": limit}} for limit in (-10.0, 0.0)]
    checks = Checks(make_setup(tmp_path, check=tables), print)
    for energy in (1.0, -1.0, 2.0):
        checks.objection({}, label(energy), None)
    checks.remember({}, label(7.0))
    assert {name: value.tolist() for name, value in checks.snapshot().items()} == {
        f"0/{SUSPICIOUS}/admitted": [1.0, 2.0, 7.0],
        f"1/{SUSPICIOUS}/admitted": [1.0, 2.0, 7.0],
    }


def test_restored_checks_know_what_was_known_and_new_ones_begin_afresh(tmp_path):
    setup = make_setup(tmp_path, check=[{"kernel": SUSPICIOUS}, {"kernel": "pal.finite"}])
    checks = Checks(setup, print)
    checks.objection({}, label(3.0), None)
    state = checks.snapshot()
    assert list(state) == [f"0/{SUSPICIOUS}/admitted"]
    twin = Checks(setup, print)
    twin.restore(state)
    assert twin.snapshot().keys() == state.keys()
    assert twin.snapshot()[f"0/{SUSPICIOUS}/admitted"].tolist() == [3.0]
    moved = Checks(make_setup(tmp_path, check=[{"kernel": "pal.finite"}, {"kernel": SUSPICIOUS}]), print)
    moved.restore(state)
    assert moved.snapshot()[f"1/{SUSPICIOUS}/admitted"].tolist() == []


CALLS = {
    "check": lambda checks: checks.objection({}, label(1.0), None),
    "remember": lambda checks: checks.remember({}, label(1.0)),
    "snapshot": lambda checks: checks.snapshot(),
    "restore": lambda checks: checks.restore({f"0/{SUSPICIOUS}/admitted": np.zeros(1)}),
}


@pytest.mark.parametrize("how", CALLS)
def test_check_that_raises_is_named(tmp_path, how):
    checks = Checks(make_setup(tmp_path, check=[{"kernel": SUSPICIOUS, "options": {"how": how}}]), print)
    with pytest.raises(CheckRaised, match="ZeroDivisionError: one over nothing") as raised:
        CALLS[how](checks)
    assert (raised.value.message.kernel, raised.value.message.key) == (SUSPICIOUS, "check")
    assert "ZeroDivisionError" in raised.value.message.trace


def test_expectations_are_stored_with_their_deviations():
    schema = expected_schema(Schema([Field("energy", "float32", (), "eV"), Field("forces", "float32", ("atoms", 3))]))
    mean = {"energy": np.array(1.0), "forces": np.zeros((2, 3))}
    std = {"energy": np.array(0.1), "forces": np.ones((2, 3))}
    columns = expected_columns(mean, std)
    assert list(schema) == list(columns) == ["energy", "forces", "energy.std", "forces.std"]
    assert {f.dtype for f in schema.values()} == {"float64"}
    assert expected_from(columns, 4) == Expected(mean, std, 4)
    assert expected_from(None, 4) is None
