"""The audit of trusted predictions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pal_core.data import Batch, Field, Schema
from pal_core.kernels import Decision
from pal_core.policies.auditing import Audit, audit_errors


def decision(label, trust) -> Decision:
    return Decision(np.array(label), np.array(trust), np.zeros(len(label)))


N = 10_000
ALL = decision([False] * N, [True] * N)


def test_only_trusted_samples_that_nobody_selected_are_drawn():
    kinds = decision([True, True, False, False] * 500, [True, False, True, False] * 500)
    assert set((Audit(1.0, 0).draw(kinds) % 4).tolist()) == {2}


def test_share_is_about_right():
    assert len(Audit(0.1, 3).draw(ALL)) == pytest.approx(1000, abs=5 * 30)


def test_draw_does_not_depend_on_what_the_selection_says():
    """Else its verdicts would shift the stream, and two runs would audit other samples."""
    one, other = Audit(0.3, 5), Audit(0.3, 5)
    one.draw(ALL)
    other.draw(decision([True] * N, [False] * N))
    np.testing.assert_array_equal(one.draw(ALL), other.draw(ALL))


def test_snapshot_goes_on_exactly():
    one = Audit(0.3, 5)
    one.draw(decision([False] * 7, [True] * 7))
    other = Audit(0.3, 5, one.snapshot())
    np.testing.assert_array_equal(one.draw(ALL), other.draw(ALL))


def test_errors_weigh_samples_alike_whatever_their_size():
    labels = Schema([Field("energy", unit="eV"), Field("forces", shape=("atoms", 3), unit="eV/Å")])
    std = Schema([Field("energy.std", unit="eV"), Field("forces.std", shape=("atoms", 3), unit="eV/Å")])
    offsets = [0, 1, 4, 4]
    right = Batch(labels, {"energy": np.zeros(3), "forces": np.zeros((4, 3))}, offsets)
    forces = np.array([[3.0] * 3, [1.0] * 3, [-1.0] * 3, [1.0] * 3])
    columns = {"energy": np.array([1.0, -2.0, 3.0]), "forces": forces}
    columns |= {"energy.std": np.full(3, 0.5), "forces.std": np.full((4, 3), 0.25)}
    found = audit_errors(right, Batch(labels | std, columns, offsets))
    assert found["energy"].mae == pytest.approx(2.0)
    assert found["energy"].uncertainty == pytest.approx(1 / math.sqrt(3))
    assert found["energy"].std == 0.5
    assert found["forces"].mae == pytest.approx(4 / 3)  # 3 and 1, and a sample without atoms
    alone = audit_errors(right.take([0]), Batch(labels | std, columns, offsets).take([0]))
    assert math.isnan(alone["energy"].uncertainty)
