"""Forces of biases against finite differences, and what dynamics under them gives against statistical mechanics."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import molecule
from pal_core.errors import PalError
from toy_committees import Pair, Tethers, answer, committee_of, distance, walk

from pal_ase.bias_options import (
    BiasedOptions,
    HillVariableOptions,
    MetadynamicsOptions,
    RestraintOptions,
    UncertaintyOptions,
)
from pal_ase.biased import BiasedWalker
from pal_ase.biases import Restraint, UncertaintyBias
from pal_ase.codec import atoms_to_sample
from pal_ase.metadynamics import Metadynamics

KT = units.kB * 300


def hills():
    variables = (
        HillVariableOptions(dihedral=(8, 2, 1, 0), width=20),
        HillVariableOptions(distance=(0, 1), width=0.1),
    )
    bias = Metadynamics(MetadynamicsOptions(variables=variables, height=0.1, every=1, bias_factor=6), KT)
    for seed in range(4):
        atoms = molecule("CH3CH2OH")
        atoms.rattle(0.1, seed=seed)
        bias.advance(atoms, seed)
    return bias


BIASES = {
    "distance": Restraint(RestraintOptions(distance=(0, 1), at=1.8, stiffness=7)),
    "wall": Restraint(RestraintOptions(distance=(0, 1), at=1.2, stiffness=7, only="above")),
    "angle": Restraint(RestraintOptions(angle=(0, 1, 2), at=80, stiffness=3)),
    "dihedral": Restraint(RestraintOptions(dihedral=(8, 2, 1, 0), at=-150, stiffness=2)),
    "moving": Restraint(RestraintOptions(difference=(0, 1, 1, 2), at=0.5, stiffness=4, to=-0.5, over=20)),
    "hills": hills(),
    "uncertainty": UncertaintyBias(UncertaintyOptions(depth=0.4, width=0.02)),
}


@pytest.mark.parametrize("name", BIASES)
def test_forces_are_those_of_finite_differences(name):
    bias, atoms = BIASES[name], molecule("CH3CH2OH")
    members = [Tethers(atoms.positions + 0.02 * k, 5.0 + k) for k in range(3)]
    atoms.rattle(0.03, seed=9)

    def energy(at):
        return bias.evaluate(at, answer(atoms_to_sample(at), members), 7)[0]

    forces = bias.evaluate(atoms, answer(atoms_to_sample(atoms), members), 7)[1]
    numeric = np.zeros_like(forces)
    for index in np.ndindex(forces.shape):
        both = []
        for shift in (1e-5, -1e-5):
            moved = atoms.copy()
            moved.positions[index] += shift
            both.append(energy(moved))
        numeric[index] = -np.subtract(*both) / 2e-5
    np.testing.assert_allclose(forces, numeric, atol=2e-8)
    assert np.abs(forces).max() > 1e-3


def test_wall_is_not_felt_on_its_other_side():
    atoms = molecule("CH3CH2OH")
    length = atoms.get_distance(0, 1)
    for side, inside in (("above", 0.1), ("below", -0.1)):
        wall = Restraint(RestraintOptions(distance=(0, 1), at=length + inside, stiffness=7, only=side))
        energy, forces = wall.evaluate(atoms, None, 0)
        assert energy == 0
        assert not forces.any()


def test_uncertainty_is_measured_by_the_committees_own_variance():
    atoms = molecule("CH3CH2OH")
    members = [Tethers(atoms.positions + 0.05 * k, 5.0 + k) for k in range(4)]
    atoms.rattle(0.05, seed=1)
    sample = atoms_to_sample(atoms)
    variance = np.var([m.predict(sample)["energy"] for m in members], ddof=1)
    energy, _ = UncertaintyBias(UncertaintyOptions(depth=0.4, width=0.3)).evaluate(atoms, answer(sample, members), 0)
    assert energy == pytest.approx(-0.4 * (1 - np.exp(-variance / (9 * 0.3**2))))
    assert committee_of(sample, members).std[0]["energy"] ** 2 == pytest.approx(variance)


def test_committee_of_one_has_no_uncertainty_to_go_to():
    atoms = molecule("CH3CH2OH")
    found = answer(atoms_to_sample(atoms), [Tethers(atoms.positions)])
    bias = UncertaintyBias(UncertaintyOptions(depth=0.4, width=0.3))
    with pytest.raises(PalError, match=r"ase.biased-md: uncertainty: the committee's variance is not finite") as caught:
        bias.evaluate(atoms, found, 0)
    assert caught.value.hint == "it needs two members at least (model.members)"


@pytest.fixture
def walker(save, context):
    def make(atoms, **options):
        base = {"temperature": 300, "timestep": 5.0, "friction": 0.02, "isolated": 0, "spread": 0, "trajectory": 0}
        return BiasedWalker(BiasedOptions(structure=save(atoms), **{**base, **options}), context())

    return make


def test_restrained_distances_have_mean_and_variance_of_the_sum_of_both_springs(walker):
    """Two atoms on springs K have a relative coordinate of stiffness K / 2; 12 pairs for good statistics."""
    pairs, stiffness, restraint, apart, at = 12, 5.0, 6.0, 10.0, 10.3
    places = np.array([[apart * k, 20.0 * j, 0.0] for j in range(pairs) for k in range(2)])
    restraints = [{"distance": (2 * j, 2 * j + 1), "at": at, "stiffness": restraint} for j in range(pairs)]
    driven = walker(Atoms(f"Ar{2 * pairs}", places), timestep=10.0, restraints=restraints)

    def lengths(sample):
        return np.linalg.norm(np.diff(sample["positions"].reshape(pairs, 2, 3), axis=1), axis=-1).ravel()

    found = walk(driven, [Tethers(places, stiffness)], 2500, lengths)[200:]
    both = stiffness / 2 + restraint
    centrifugal = 2 * KT / apart / both  # the Jacobian of the distance, to first order
    assert found.mean() == pytest.approx((stiffness / 2 * apart + restraint * at) / both + centrifugal, abs=0.005)
    assert found.var() == pytest.approx(KT / both, rel=0.08)


def test_slowly_moving_restraint_does_the_work_of_the_free_energy(walker):
    """Reversible work is k K / (k + K) (λ - d)² / 2 for springs k of the restraint and K of the system in a row."""
    places = np.array([[0, 0, 0], [6.0, 0, 0]])
    options = {"distance": (0, 1), "at": 6.0, "stiffness": 4.0, "to": 6.8, "over": 2500}
    driven = walker(Atoms("Ar2", places), restraints=[options], steps=3000)
    found = walk(driven, [Tethers(places, 5.0)], 2900, distance)
    row = 4.0 * 2.5 / (4.0 + 2.5)
    assert driven.biases[0].work == pytest.approx(0.5 * row * 0.8**2, abs=0.04)
    assert found[-300:].mean() == pytest.approx(6.0 + 0.8 * 4.0 / 6.5, abs=0.03)


def _double_well(d):
    """Free energy along the distance of two atoms: wells at 2.6 and 3.4 Å, the second 0.05 eV higher."""
    x = (d - 3.0) / 0.4
    energy = 0.15 * (x**2 - 1) ** 2 + 0.025 * x
    slope = (0.6 * x * (x**2 - 1) + 0.025) / 0.4
    # The volume at a distance grows with its square, which this takes away.
    return energy + 2 * KT * np.log(d), slope + 2 * KT / d


def test_metadynamics_finds_the_free_energies_of_a_double_well(walker):
    hill = {"variables": [{"distance": (0, 1), "width": 0.1}], "height": 0.02, "every": 15, "bias_factor": 12}
    driven = walker(Atoms("Li2", [[0, 0, 0], [2.6, 0, 0]]), metadynamics=hill, friction=0.03)
    path = walk(driven, [Pair(_double_well)], 9000, distance)
    assert np.count_nonzero(np.diff(path > 3.0)) > 10
    grid = np.linspace(2.3, 3.7, 141)
    filled = np.array([driven.biases[0].hills(np.array([d]))[0] for d in grid])
    free = -filled * 12 / 11
    left = grid < 3.0
    wells = [-KT * np.log(np.exp(-free[side] / KT).sum()) for side in (left, ~left)]
    true = np.array([_double_well(d)[0] - 2 * KT * np.log(d) for d in grid])
    wanted = [-KT * np.log(np.exp(-true[side] / KT).sum()) for side in (left, ~left)]
    assert wells[1] - wells[0] == pytest.approx(wanted[1] - wanted[0], abs=0.03)
    barrier = free[np.abs(grid - 3.0) < 0.05].max() - free.min()
    assert barrier == pytest.approx(0.15 + 0.025, abs=0.05)


def _agreeing(sign):
    """A soft well at 3 Å; beyond 3.2 Å members of different sign differ."""

    def function(d):
        away = max(d - 3.2, 0.0)
        return 0.5 * (d - 3) ** 2 + sign * away**2, d - 3 + sign * 2 * away

    return function


def test_uncertainty_draws_the_walker_to_where_the_members_differ(walker):
    members = [Pair(_agreeing(sign)) for sign in (1, -1)]
    atoms = Atoms("Li2", [[0, 0, 0], [3.0, 0, 0]])
    plain = walker(atoms, restraints=[{"distance": (0, 1), "at": 9, "stiffness": 1, "only": "above"}])
    biased = walker(atoms, uncertainty={"depth": 0.3, "width": 0.02})
    shares = [(walk(w, members, 2000, distance) > 3.3).mean() for w in (plain, biased)]
    assert 0 < shares[0] < 0.15
    assert shares[1] > 0.5


def test_biased_walkers_share_of_uncertain_places_is_boltzmanns(walker):
    """Under the bias the distances follow exp(-(E + bias) / kT), which the grid integrates."""
    members = [Pair(_agreeing(sign)) for sign in (1, -1)]
    biased = walker(Atoms("Li2", [[0, 0, 0], [3.0, 0, 0]]), uncertainty={"depth": 0.05, "width": 0.02})
    found = (walk(biased, members, 6000, distance) > 3.25).mean()
    grid = np.linspace(2, 4.5, 2000)
    spread = np.sqrt(2) * np.maximum(grid - 3.2, 0) ** 2
    energy = 0.5 * (grid - 3) ** 2 - 0.05 * (1 - np.exp(-(spread**2) / (2 * 0.02**2)))
    weight = grid**2 * np.exp(-energy / KT)
    assert found == pytest.approx(weight[grid > 3.25].sum() / weight.sum(), abs=0.08)
