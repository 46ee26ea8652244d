"""The label checks of a run."""

from __future__ import annotations

import numpy as np
from worlds import make_setup, odd

from pal_core.runtime.checks import Checks

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
