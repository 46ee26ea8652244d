"""Labels against their neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from spring_labels import Ethanol, labelled

from pal_ase.alignment import differences
from pal_ase.check_options import ConsistentOptions
from pal_ase.consistency import Consistent


def scaled(label, energy=1.0, forces=1.0):
    return {"energy": label["energy"] * energy, "forces": label["forces"] * forces}


DEFECTS = {
    "energy in hartree": lambda s: scaled(s, energy=1 / 27.2114),
    "gradient instead of forces": lambda s: scaled(s, forces=-1.0),
    "another electronic state": lambda s: {**s, "energy": s["energy"] + 2.0},
    "forces of another structure": lambda s: {**s, "forces": labelled(0.06, 99)[1]["forces"]},
}


@pytest.fixture
def check(context):
    def make(**keywords):
        return Consistent(ConsistentOptions(**keywords), context(role="check"))

    return make


class TestContract(Ethanol):
    name = "ase.consistent"

    def history(self):
        return [labelled(0.05, seed) for seed in range(1, 25)]

    def defects(self):
        return {name: spoil(self.label()) for name, spoil in DEFECTS.items() if name != "forces of another structure"}


def turned(seed):
    """A good label whose molecule has been turned and moved."""
    sample, label = labelled(0.06, seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    return {**sample, "positions": sample["positions"] @ turn + seed}, {**label, "forces": label["forces"] @ turn}


def test_good_labels_pass_however_they_are_turned(check):
    consistent = check()
    assert [consistent.check(*turned(seed), None) for seed in range(60)] == [None] * 60


@pytest.mark.parametrize("defect", DEFECTS)
def test_planted_defects_are_found_among_good_neighbours(defect, check):
    consistent = check()
    for seed in range(20):
        consistent.check(*turned(seed), None)
    found = 0
    for seed in range(20, 40):
        sample, label = turned(seed)
        found += consistent.check(sample, DEFECTS[defect](label), None) is not None
        assert consistent.check(sample, label, None) is None
    # Forces of other structures are now and then much the same.
    assert found >= {"forces of another structure": 10, "gradient instead of forces": 18}.get(defect, 20)


def test_bad_labels_come_first_and_the_majority_is_right_in_the_end(check):
    consistent = check()
    for seed in range(3):
        sample, label = labelled(0.05, seed)
        consistent.check(sample, {**label, "energy": label["energy"] + 5}, None)
    verdicts = [consistent.check(*labelled(0.05, seed), None) for seed in range(3, 40)]
    assert verdicts[10:] == [None] * 27
    sample, label = labelled(0.05, 50)
    assert consistent.check(sample, {**label, "energy": label["energy"] + 5}, None) is not None


def test_one_geometry_has_one_vote(check):
    consistent = check()
    for seed in range(10):
        consistent.check(*labelled(0.05, seed), None)
    sample, label = labelled(0.05, 20)
    for _ in range(10):
        assert consistent.check(sample, {**label, "energy": label["energy"] + 5}, None) is not None
    assert consistent.check(sample, label, None) is None


def test_fewer_than_four_neighbours_say_nothing(check):
    consistent = check()
    for seed in range(3):
        consistent.check(*labelled(0.02, seed), None)
    sample, label = labelled(0.02, 4)
    assert consistent.check(sample, {**label, "energy": label["energy"] + 5}, None) is None
    sample, label = labelled(0.02, 5)
    assert consistent.check(sample, {**label, "energy": label["energy"] + 5}, None) is not None


def test_reason_gives_found_and_allowed(check):
    consistent = check()
    for seed in range(6):
        consistent.check(*labelled(0.02, seed), None)
    sample, label = labelled(0.02, 9)
    reason = consistent.check(sample, {**label, "energy": label["energy"] + 5}, None)
    assert reason.startswith("the energy is +5 eV off what the forces of 6 neighbouring labels, about 0.0")
    assert reason.endswith("of what their curvature could do, 0.35 is allowed")


def test_only_like_is_compared_with_like(check):
    consistent = check(reach=0.2)
    for seed in range(10):
        consistent.check(*labelled(0.02, seed), None)
    sample, label = labelled(0.02, 20)
    other = {**label, "energy": label["energy"] + 5}
    assert consistent.check({**sample, "charge": np.array(1, np.int32)}, other, None) is None
    assert consistent.check({**sample, "cell": np.eye(3)}, other, None) is None
    assert consistent.check({**sample, "positions": sample["positions"] * 1.5}, other, None) is None
    assert consistent.check(sample, other, None) is not None


def test_memory_is_bounded_and_restored(check):
    consistent = check(memory=5)
    for seed in range(9):
        consistent.check(*labelled(0.02, seed), None)
    assert [len(memory.labels) for _, memory in consistent._known] == [5]
    twin = check(memory=5)
    twin.restore(consistent.snapshot())
    assert [len(memory.labels) for _, memory in twin._known] == [5]


def test_structures_are_laid_upon_each_other():
    rng = np.random.default_rng(2)
    positions = rng.normal(size=(7, 3))
    turn = Rotation.random(random_state=3).as_matrix()
    others = np.stack([positions @ turn + 4.0, positions * [1, 1, -1]])
    moved, rotations = differences(positions, others, np.zeros((3, 3)), np.zeros(3, bool))
    assert np.abs(moved[0]).max() < 1e-12
    assert np.abs(rotations[0] - turn.T).max() < 1e-12
    assert np.abs(moved[1]).max() > 0.1  # a mirror image is another structure
    assert np.linalg.det(rotations) == pytest.approx([1, 1])


def test_periodic_structures_are_moved_to_the_nearest_image_and_not_turned():
    cell = np.diag([5.0, 6.0, 7.0])
    positions = np.random.default_rng(4).random((4, 3)) * [5, 6, 7]
    shifted = positions + 0.3 + np.array([[5.0, 0, -7.0], [0, 6.0, 0], [0, 0, 0], [10.0, 0, 0]])
    shifted[2] += [0.1, 0, 0]
    moved, rotations = differences(positions, shifted[None], cell, np.ones(3, bool))
    assert np.abs(moved[0, :, 0] - [0.025, 0.025, -0.075, 0.025]).max() < 1e-12
    assert np.abs(moved[0, :, 1:]).max() < 1e-12
    assert (rotations[0] == np.eye(3)).all()
