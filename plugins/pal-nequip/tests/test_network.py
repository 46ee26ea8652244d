from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from nequip_frames import KINDS, batch_of, ethanol, member, train, trained
from safetensors.numpy import save_file

from pal_ase.testing.structures import frames
from pal_nequip import network

both = pytest.mark.parametrize("kind", KINDS)


@both
@pytest.mark.parametrize("options", [{}, {"charge_embedding": True, "per_edge_type_cutoff": {"H": 3.0}}])
def test_recording_gives_the_same_numbers_for_any_size_and_new_weights(kind, options, monkeypatch):
    monkeypatch.setattr(network, "_OFTEN", 0)
    traced, eager = member(kind, **options), member(kind, inference="eager", **options)
    other = member(kind, index=1, **options)
    batches = [batch_of(ethanol()), batch_of(*(ethanol(k) for k in range(5))), batch_of(bulk("C"), Atoms("H"))]
    for weights in (traced.weights(), other.weights()):
        for model in (traced, eager):
            model.load(weights)
        for batch in batches:
            found, wanted = traced.predict(batch), eager.predict(batch)
            for name in ("energy", "forces"):
                np.testing.assert_array_equal(found.columns[name], wanted.columns[name])


@both
def test_recording_follows_training(kind, monkeypatch):
    monkeypatch.setattr(network, "_OFTEN", 0)
    models = [trained(kind, epochs=1, inference=how) for how in ("trace", "eager")]
    for _ in range(2):
        found, wanted = (m.predict(batch_of(ethanol())).columns["forces"] for m in models)
        np.testing.assert_array_equal(found, wanted)
        for model in models:
            train(model, 1)


@both
def test_charge_and_multiplicity_make_a_difference_where_asked_for(kind):
    states = [(0, 1), (1, 2), (-1, 2), (0, 3)]
    images = [ethanol(charge=c, multiplicity=m) for c, m in states]
    model = member(kind, charge_embedding=True)
    energies = model.predict(batch_of(*images)).columns["energy"]
    assert len(set(energies.round(9))) == 4
    alone = [model.predict(batch_of(atoms)).columns["energy"][0] for atoms in images]
    np.testing.assert_allclose(energies, alone, atol=1e-12)
    plain = member(kind).predict(batch_of(*images)).columns["energy"]
    assert np.ptp(plain) < 1e-12


@both
def test_charges_beyond_the_options_are_refused(kind):
    model = member(kind, charge_embedding=True, charges=1, multiplicities=2)
    model.predict(batch_of(ethanol(charge=1, multiplicity=2)))
    message = (
        "a sample has charge 2 and multiplicity 1; options charges and multiplicities allow for -1 to 1 and 1 to 2"
    )
    with pytest.raises(ValueError, match=message):
        model.predict(batch_of(ethanol(charge=0, multiplicity=1), ethanol(charge=2, multiplicity=1)))
    with pytest.raises(ValueError, match="charge 0 and multiplicity 3;"):
        model.predict(batch_of(ethanol(charge=0, multiplicity=3)))


@both
def test_only_readouts_change_when_only_they_are_trained(kind, tmp_path):
    save_file(dict(trained(kind).weights()), tmp_path / "w.safetensors")
    for new in (False, True):
        options = {"weights": tmp_path / "w.safetensors", "train": "readouts", "new_readouts": new}
        models = [member(kind, index=k, **options) for k in range(2)]
        before = models[0].weights()
        same = np.array_equal(*(m.predict(batch_of(ethanol())).columns["energy"] for m in models))
        assert same != new
        models[0].extend(frames(8, seed=50), np.zeros(8, bool))
        train(models[0], 1)
        changed = {n for n, value in models[0].weights().items() if not np.array_equal(value, before[n])}
        assert changed - {"references", "scale"}
        assert all("readout" in name for name in changed - {"references", "scale"})


@both
def test_neighbours_are_counted_once_and_go_with_the_weights(kind):
    def norms(model):
        return {n: v.item() for n, v in model.weights().items() if n.endswith("norm_const")}

    model, fixed = trained(kind), trained(kind, avg_num_neighbors=9.0)
    assert set(norms(fixed).values()) == {1 / 3}
    (first,) = set(norms(model).values())
    assert 0.15 < first < 0.7
    model.extend(frames(8, seed=50), np.zeros(8, bool))
    train(model, 1)
    assert set(norms(model).values()) == {first}
    other = member(kind, index=1)
    other.load(model.weights())
    np.testing.assert_array_equal(*(m.predict(batch_of(ethanol())).columns["energy"] for m in (model, other)))


@both
def test_weights_for_other_cutoffs_by_element_are_refused(kind):
    weights = member(kind, per_edge_type_cutoff={"H": 3.0}).weights()
    with pytest.raises(ValueError, match=f"nequip.{kind}: these weights are for another per_edge_type_cutoff"):
        member(kind, per_edge_type_cutoff={"H": 3.5}).load(weights)


@both
def test_coinciding_atoms_have_finite_forces(kind):
    atoms = ethanol()
    atoms.positions[1] = atoms.positions[0]
    assert np.isfinite(member(kind).predict(batch_of(atoms)).columns["forces"]).all()


@both
def test_training_learns_forces(kind):
    """Of EMT, on twelve molecules and four crystals: off by less than half of what predicting zero is."""
    model = trained(kind, epochs=40, learning_rate=0.01, ema=0.9, bootstrap=0.0)
    batch = frames(16)
    found, wanted = model.predict(batch).columns["forces"], batch.columns["forces"]
    assert np.abs(found - wanted).mean() < 0.5 * np.abs(wanted).mean()
