from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.lj import LennardJones
from learning_frames import batch_of, clusters, error, held_out, labelled, member, molecules, rattled, train
from pal_core.data import Batch
from tiny import TinyModel

from pal_ase.schema import LABEL


def started(batch, validation=None, **options):
    model = member(**options)
    model.extend(batch, np.zeros(len(batch), bool) if validation is None else validation)
    return model


@pytest.mark.parametrize(("name", "index"), [("energy", 3), ("forces", (8, 1)), ("positions", (9, 0))])
def test_labels_that_are_not_finite_are_left_out_and_noted(name, index):
    data, notes = clusters(20), []
    data.columns[name][index] = np.nan
    model = member()
    model = TinyModel(model.options, replace(model.context, note=notes.append))
    model.extend(data, np.zeros(20, bool))
    epochs = train(model, 2)
    assert notes == ["tiny.model: samples left out because their labels are not finite: 1"]
    assert np.isfinite([*epochs[-1].metrics.values()]).all()


def test_epochs_are_counted_and_measured():
    data = clusters(20)
    model = started(data, held_out(data))
    epochs = train(model, 3)
    assert [e.number for e in epochs] == [1, 2, 3]
    names = {"loss", "energy_mae", "forces_mae"}
    names |= {"learning_rate"} | {f"validation_{n}" for n in names}
    assert epochs[-1].metrics.keys() == names
    assert epochs[-1].metrics["validation_forces_mae"] == pytest.approx(
        error(model, data.take(held_out(data))), rel=1e-4
    )


def test_without_data_or_with_held_out_data_only_there_is_nothing_to_train():
    assert list(member().train()) == []
    data = clusters(4)
    assert list(started(data, np.ones(4, bool)).train()) == []


def test_long_epochs_are_interrupted(monkeypatch):
    monkeypatch.setattr("pal_ase.learning.trainer._TURN", 0.0)
    data = clusters(20)
    model = started(data, np.arange(20) < 4, batch_size=4)
    numbers = [e.number for e in train(model, 15)]
    # Reference energies, four mini-batches, the held-out samples, reference energies, the end.
    assert numbers == [1] * 8 + [2] * 7


def test_training_ends_when_the_loss_stands_still():
    data = clusters(8)
    model = started(data, patience=20, learning_rate=1e-12, batch_size=4)
    start = time.monotonic()
    epochs = list(model.train())
    assert len(epochs) < 1000
    assert time.monotonic() - start < 20
    assert epochs[-1].metrics["learning_rate"] == pytest.approx(1e-12 / 64)
    assert list(model.train()) == []


def test_training_ends_after_max_epochs_and_new_data_start_it_again():
    data = clusters(20)
    model = started(data.slice(0, 10), max_epochs=2)
    assert [e.number for e in model.train()] == [1, 2]
    model.extend(data.slice(10, 20), np.zeros(10, bool))
    assert [e.number for e in model.train()] == [3, 4]


def test_held_out_samples_may_come_alone():
    data = clusters(20)
    model = started(data.slice(0, 10))
    train(model, 2)
    model.extend(data.slice(10, 20), np.ones(10, bool))
    epoch = train(model, 1)[0]
    assert epoch.number == 3
    assert epoch.metrics["validation_forces_mae"] == pytest.approx(error(model, data.slice(10, 20)), rel=1e-4)


def test_new_elements_and_sizes_may_come_later():
    model = started(labelled(rattled(molecule("H2O"), 8), LennardJones(rc=4.0)))
    train(model, 2)
    later = labelled(rattled(molecule("CO2"), 8), LennardJones(rc=4.0), offset=-500.0)
    model.extend(later, np.zeros(8, bool))
    train(model, 10)
    off = model.predict(later).columns["energy"] - later.columns["energy"]
    assert np.abs(off).max() < 0.1 * 1500


def test_data_that_come_in_parts_are_weighed_as_those_that_come_at_once():
    data, weights = clusters(20), []
    for sizes in ((20,), (7, 13)):
        model = member()
        for part in data.split(sizes):
            model.extend(part, np.zeros(len(part), bool))
        train(model, 2)
        weights.append(model.weights())
    for name, value in weights[0].items():
        np.testing.assert_array_equal(weights[1][name], value, err_msg=name)


def test_bootstrap_makes_the_difference_that_was_asked_for():
    data, results = clusters(20), []
    for bootstrap in (False, 0.5, True):
        model = started(data, bootstrap=bootstrap)
        train(model, 2)
        results.append(model.weights()["mix.0.weight"])
    assert 0 < np.abs(results[1] - results[0]).max() < np.abs(results[2] - results[0]).max()


def test_large_total_energies_lose_no_precision():
    """With energies of -5000 eV the fit, and differences of 0.1 meV, are what they are with energies of a few eV."""
    images = rattled(molecule("CH4"), 10, width=0.05)
    near = images[0].copy()
    near.positions[0, 0] += 1e-2
    energies = []
    for offset in (0.0, -1000.0):
        model = started(labelled(images, LennardJones(rc=4.0), offset=offset))
        train(model, 3)
        energies.append(model.predict(batch_of(images[0], near)).columns["energy"])
    assert 1e-5 < abs(np.diff(energies[0])[0]) < 1e-1
    assert np.diff(energies[1])[0] == pytest.approx(np.diff(energies[0])[0], rel=1e-6)
    np.testing.assert_allclose(energies[1], energies[0] - 5000.0, rtol=0, atol=1e-6)


def test_single_atoms_can_be_trained_on():
    atoms = [molecule("H"), molecule("O")]
    labels = Batch.from_samples(
        LABEL, [{"energy": -13.6, "forces": np.zeros((1, 3))}, {"energy": -2041.8, "forces": np.zeros((1, 3))}]
    )
    data = batch_of(*atoms).join(labels)
    model = started(data)
    train(model, 20)
    np.testing.assert_allclose(model.predict(data).columns["energy"], [-13.6, -2041.8], atol=0.5)


def test_molecules_help_to_predict_ones_of_the_same_kind():
    data = labelled(molecules(*["CH3CH2OH"] * 12), LennardJones(rc=4.0))
    model = started(data)
    train(model, 2)
    assert np.isfinite(model.predict(data).columns["energy"]).all()


def test_annealed_rate_falls_along_a_cosine_and_ends_the_round_until_there_are_new_data():
    data = clusters(20)
    model = started(data.slice(0, 10), anneal=4, learning_rate=1e-3)
    rates = [e.metrics["learning_rate"] for e in model.train() if e.whole]
    # cos² of the eighths of a quarter turn that are behind after each epoch
    np.testing.assert_allclose(rates, [1e-3 * np.cos(np.pi * k / 8) ** 2 for k in (1, 2, 3, 4)], atol=1e-12)
    assert list(model.train()) == []
    model.extend(data.slice(10, 20), np.zeros(10, bool))
    assert next(e for e in model.train() if e.whole).metrics["learning_rate"] == pytest.approx(rates[0])


def test_annealing_goes_on_where_a_snapshot_was_made():
    data = clusters(20)
    model = started(data, anneal=6, batch_size=4)
    train(model, 2)
    state = model.snapshot()
    twin = started(data, anneal=6, batch_size=4)
    twin.restore(state)
    assert [e.metrics for e in twin.train()] == [e.metrics for e in model.train()]
