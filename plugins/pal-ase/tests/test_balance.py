"""Net forces and torques, against the usual ones."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.emt import EMT
from pal_core.testing import LabelCheckContract

from pal_ase.balance import Balanced, net_force, net_torque
from pal_ase.check_options import BalancedOptions
from pal_ase.codec import atoms_to_sample

NOISE = 4e-5
"""eV/Å: of forces from a grid; net torques of rMD17's ethanol are about 1e-5."""


def computed(seed):
    """A warm ethanol by EMT, with noise."""
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.1, seed=seed)
    atoms.calc = EMT()
    noise = NOISE * np.random.default_rng(seed).standard_normal((9, 3))
    label = {"energy": np.array(atoms.get_potential_energy()), "forces": atoms.get_forces() + noise}
    return atoms_to_sample(atoms), label


GOOD = [computed(seed) for seed in range(40)]


@pytest.fixture
def check(context):
    return lambda **options: Balanced(BalancedOptions(**options), context(role="check"))


def turning(sample, label, size):
    """The label with a net torque of `size`, and no other net force."""
    arms = sample["positions"] - sample["positions"].mean(axis=0)
    extra = np.cross([0.0, 0.0, 1.0], arms)
    return {**label, "forces": label["forces"] + extra * size / net_torque(sample["positions"], extra)}


def pushed(label, size):
    return {**label, "forces": label["forces"] + [0.0, size, 0.0]}


class TestContract(LabelCheckContract):
    plugin = "pal_ase.plugin"
    name = "ase.balanced"

    def sample(self):
        return GOOD[0][0]

    def label(self):
        return GOOD[0][1]

    def history(self):
        return GOOD[1:10]

    def defects(self):
        return {"torque": turning(*GOOD[0], 2e-3), "push": pushed(GOOD[0][1], 2e-3)}


def test_net_force_and_torque_are_per_atom_and_of_the_unit_of_a_force():
    positions = molecule("C6H6").positions
    around = np.cross([0.0, 0.0, 1.0], positions)
    assert net_torque(positions, around / np.linalg.norm(around, axis=1)[:, None]) == pytest.approx(1.0, rel=0.1)
    assert net_force(np.tile([0.0, 0.3, 0.4], (7, 1))) == pytest.approx(0.5)
    assert net_torque(np.ones((1, 3)), np.ones((1, 3))) == 0.0


def test_labels_of_one_program_pass_and_a_torque_below_any_fixed_limit_is_found(check):
    judge = check()
    for sample, label in GOOD[:20]:
        assert judge.check(sample, label, None) is None
    assert all(judge.check(s, turning(s, label, 1e-3), None) is not None for s, label in GOOD[20:25])
    assert all(judge.check(s, label, None) is None for s, label in GOOD[25:])


def test_reason_names_numbers_and_options(check):
    judge = check()
    for sample, label in GOOD[:10]:
        judge.check(sample, label, None)
    reason = judge.check(GOOD[11][0], turning(*GOOD[11], 0.004), None)
    assert reason.startswith("net torque of 0.004 eV/Å per atom, ")
    assert " is usual for this composition, 0.000" in reason
    assert reason.endswith("(options noise, factor)")
    reason = judge.check(GOOD[12][0], pushed(GOOD[12][1], 0.004), None)
    assert reason.startswith("net force of 0.004 eV/Å per atom, ")
    lenient = check(noise=0.01)
    for sample, label in GOOD[:10]:
        lenient.check(sample, label, None)
    assert lenient.check(GOOD[11][0], turning(*GOOD[11], 0.004), None) is None


def test_what_vanishes_by_symmetry_is_no_standard(check):
    judge, (sample, label) = check(), GOOD[0]
    for _ in range(20):
        assert judge.check(sample, {**label, "forces": np.full((9, 3), 1e-13)}, None) is None
    assert judge.check(sample, turning(sample, label, 1e-3), None) is None


def test_other_settings_of_the_program_are_refused_ten_times_at_most(check):
    judge = check()
    for sample, label in GOOD[:20]:
        judge.check(sample, label, None)
    verdicts = [judge.check(sample, turning(sample, label, 1e-3), None) for sample, label in GOOD[20:]]
    refused = [verdict is not None for verdict in verdicts]
    assert 3 <= sum(refused) <= 11
    assert not any(refused[11:])


def test_torques_of_periodic_structures_and_other_compositions_are_not_compared(check):
    judge = check()
    for sample, label in GOOD[:10]:
        judge.check(sample, label, None)
    sample, label = GOOD[10]
    bad = turning(sample, label, 1e-3)
    assert judge.check({**sample, "charge": np.array(1, np.int32)}, bad, None) is None
    for _ in range(5):
        assert judge.check({**sample, "pbc": np.ones(3, bool)}, bad, None) is None
    assert judge.check(sample, {**bad, "forces": bad["forces"][:-1]}, None) is None
    assert judge.check(sample, bad, None) is not None
