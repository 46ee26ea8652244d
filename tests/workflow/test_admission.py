"""Planted defects among good xTB labels: a short form of ``benchmarks/admission.py``."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from documents import ROOT

from pal_ase.balance import Balanced
from pal_ase.check_options import BalancedOptions
from pal_core.kernels import Context


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
    assert sum(let_pass.values()) <= 1, let_pass
    assert counts["", True] <= 1
    assert {kind for kind, stopped in counts if stopped} >= {*admission.KINDS}


def test_unfinished_cycles_are_found_where_energies_are_right(admission):
    """Ethane after two iterations: energies are 7 meV off, far below what committees know."""
    from planted import frames, unfinished

    judge = Balanced(BalancedOptions(), Context("check"))
    good, others = frames("C2H6", 500.0, 20, 5), frames("C2H6", 500.0, 8, 6)
    bad = [unfinished(case.sample, 2) for case in others]
    assert np.median([label["energy"] - case.truth["energy"] for case, label in zip(others, bad, strict=True)]) < 0.02
    assert [judge.check(case.sample, case.label, None) for case in good] == [None] * 20
    reasons = [judge.check(case.sample, label, None) for case, label in zip(others, bad, strict=True)]
    assert all("self-consistent" in (reason or "") for reason in reasons), reasons
    assert judge.check(others[0].sample, others[0].label, None) is None
