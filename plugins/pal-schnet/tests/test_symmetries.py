"""What any potential must satisfy, on a member as it is used."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from schnet_frames import batch_of, labelled, member, molecules, rattled


@pytest.fixture(scope="module")
def exact():
    """Untrained, float64, three layers."""
    return member(dtype="float64", interactions=3)


@pytest.fixture(scope="module")
def stressed():
    return member(dtype="float64", interactions=3, stress=True)


def predict(model, *images):
    return model.predict(batch_of(*images)).columns


def test_rotation_translation_and_permutation(exact):
    atoms = molecules("CH3CH2OH")[0]
    wanted = predict(exact, atoms)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    order = np.random.default_rng(1).permutation(len(atoms))
    moved = atoms[order]
    moved.positions = moved.positions @ turn + [10.0, -3.0, 2.0]
    found = predict(exact, moved)
    np.testing.assert_allclose(found["energy"], wanted["energy"], rtol=1e-12)
    np.testing.assert_allclose(found["forces"], wanted["forces"][order] @ turn, atol=1e-12)


@pytest.mark.parametrize("atoms", [*molecules("CH3CH2OH", "C6H6"), *rattled(bulk("Cu", cubic=True), 1)])
def test_forces_are_the_derivative_of_the_energy(exact, atoms):
    step, numeric = 1e-4, np.zeros((len(atoms), 3))
    for index in np.ndindex(numeric.shape):
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[index] += sign * step
            ends.append(moved)
        energies = predict(exact, *ends)["energy"]
        numeric[index] = -(energies[0] - energies[1]) / (2 * step)
    found = predict(exact, atoms)["forces"]
    np.testing.assert_allclose(found, numeric, rtol=1e-4, atol=1e-4 * np.abs(found).max())


def test_stress_is_the_derivative_with_respect_to_strain(stressed):
    atoms = rattled(bulk("Cu", cubic=True), 1)[0]
    numeric = np.zeros((3, 3))
    for x, y in np.ndindex(3, 3):
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[x, y] += sign * 1e-5
            bent = atoms.copy()
            bent.set_cell(atoms.cell @ strain.T, scale_atoms=True)
            energies.append(float(predict(stressed, bent)["energy"][0]))
        numeric[x, y] = (energies[0] - energies[1]) / 2e-5 / atoms.get_volume()
    found = predict(stressed, atoms)["stress"][0]
    np.testing.assert_allclose(found, numeric, atol=1e-6 * np.abs(found).max() + 1e-9)
    np.testing.assert_allclose(found, found.T, atol=1e-14)


def test_stress_without_a_cell_is_zero(stressed):
    assert not predict(stressed, molecule("H2O"))["stress"].any()


def test_energy_and_forces_are_smooth_at_the_cutoff(exact):
    images = [Atoms("ArO", [[0, 0, 0], [0, 0, 5.0 + d]]) for d in (-2e-4, -1e-4, 0.0, 1e-4)]
    found = predict(exact, *images)
    assert np.ptp(found["energy"]) < 1e-8
    forces = found["forces"].reshape(4, 2, 3)
    assert np.abs(forces[2:]).max() == 0
    assert np.abs(forces[:2]).max() < 1e-3
    assert np.abs(forces[1]).max() < 0.6 * np.abs(forces[0]).max()


def test_far_fragments_add_up(exact):
    water, ethanol = molecules("H2O", "CH3CH2OH")
    far = ethanol.copy()
    far.positions += [0, 0, 40.0]
    together, apart = predict(exact, water + far), predict(exact, water, ethanol)
    np.testing.assert_allclose(together["energy"], apart["energy"].sum(), rtol=1e-12)
    np.testing.assert_allclose(together["forces"], apart["forces"], atol=1e-12)


def test_supercell_has_eight_times_the_energy(stressed):
    cell = rattled(bulk("Cu", cubic=True), 1)[0]
    small, large = predict(stressed, cell), predict(stressed, cell.repeat(2))
    np.testing.assert_allclose(large["energy"], 8 * small["energy"], rtol=1e-12)
    np.testing.assert_allclose(large["forces"], np.tile(small["forces"], (8, 1)), atol=1e-12)
    np.testing.assert_allclose(large["stress"], small["stress"], atol=1e-14)


def test_a_molecule_in_a_large_periodic_box_is_the_free_one(exact):
    free = molecules("CH3CH2OH")[0]
    boxed = free.copy()
    boxed.set_cell(np.diag([30.0, 31.0, 32.0]))
    boxed.pbc = True
    found, wanted = predict(exact, boxed), predict(exact, free)
    np.testing.assert_allclose(found["energy"], wanted["energy"], rtol=1e-12)
    np.testing.assert_allclose(found["forces"], wanted["forces"], atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-12)])
def test_predictions_do_not_depend_on_the_rest_of_the_batch(dtype, tolerance):
    model = member(dtype=dtype)
    images = [
        *molecules("CH3CH2OH", "H2O", "C6H6", "CO2"),
        Atoms("He"),
        bulk("Cu"),
        *rattled(bulk("NaCl", "rocksalt", a=5.6), 1),
    ]
    together = model.predict(batch_of(*images))
    for k, atoms in enumerate(images):
        alone = model.predict(batch_of(atoms))
        for name, values in alone[0].items():
            np.testing.assert_allclose(together[k][name], values, atol=tolerance * (1 + np.abs(values).max()))


def test_single_atom_feels_no_force(exact):
    found = predict(exact, Atoms("He"), Atoms("Ne", [[3.0, 0, 0]]))
    assert not found["forces"].any()
    assert found["energy"][0] != found["energy"][1]


def test_atoms_on_top_of_each_other_give_finite_numbers(exact):
    found = predict(exact, Atoms("H2"))
    assert np.isfinite(found["energy"]).all()
    assert np.isfinite(found["forces"]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_broken_coordinates_give_nan_for_their_sample_only(stressed, value):
    broken, whole = molecules("CH3CH2OH", "H2O")
    wanted = predict(stressed, whole)
    broken.positions[2, 1] = value
    found = predict(stressed, broken, whole)
    assert np.isnan(found["energy"][0])
    assert np.isnan(found["forces"][:9]).all()
    assert np.isnan(found["stress"][0]).all()
    np.testing.assert_allclose(found["energy"][1], wanted["energy"][0], rtol=1e-12)
    np.testing.assert_allclose(found["forces"][9:], wanted["forces"], atol=1e-12)


def test_large_batches_are_cut_and_joined_rightly(exact, monkeypatch):
    images = molecules(*["CH3CH2OH", "H2O", "C6H6"] * 4)
    whole = predict(exact, *images)
    monkeypatch.setattr("pal_schnet.network.SchnetNetwork.pairs_at_once", 50)
    parts = predict(exact, *images)
    np.testing.assert_allclose(parts["energy"], whole["energy"], rtol=1e-12)
    np.testing.assert_allclose(parts["forces"], whole["forces"], atol=1e-12)


def test_samples_are_read_with_labels_beside_them(exact):
    images = rattled(bulk("Cu", cubic=True), 2)
    np.testing.assert_array_equal(
        exact.predict(labelled(images, EMT())).columns["energy"], predict(exact, *images)["energy"]
    )
