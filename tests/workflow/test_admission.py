"""Planted defects among good xTB labels: a short form of ``benchmarks/admission.py``."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from documents import ROOT


@pytest.fixture(scope="module")
def admission():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import admission
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    return admission


@pytest.mark.parametrize("expecting", [True, False], ids=["committee", "nothing expected"])
def test_bad_labels_are_stopped_and_good_ones_let_pass(admission, expecting):
    cases = admission.planned(["CH3CH2OH"], good=120, bad=16, seed=4)
    assert sum(bool(case.kind) for case in cases) == 16
    counts = admission.run(cases, admission.noise(0.15, np.random.default_rng(1)) if expecting else None)
    let_pass = {kind: n for (kind, stopped), n in counts.items() if kind and not stopped}
    assert sum(let_pass.values()) <= 2, let_pass
    assert counts["", True] <= 1
    assert {kind for kind, stopped in counts if stopped} >= {"zero", "hartree", "permuted", "NaN", "truncated"}
