"""The toy model against plain linear algebra, and its rounds of training."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pal_core.builtin.descent import ConjugateGradient
from pal_core.builtin.features import FourierFeatures
from pal_core.builtin.hashing import sample_uniform
from pal_core.builtin.model import ToyModel
from pal_core.builtin.options import ToyModelOptions
from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.builtin.surface import muller_brown
from pal_core.data import Batch, Committee
from pal_core.kernels import Context, Epoch, Stop


def labelled(n, seed=0):
    x = np.random.default_rng(seed).uniform([-1.5, -0.2], [1.0, 1.8], (n, 2))
    energy, gradient = muller_brown(x)
    return Batch(SAMPLE | LABEL, {"x": x, "energy": energy, "gradient": gradient})


def model(index=0, **options):
    return ToyModel(ToyModelOptions(**options), Context("training", index=index, seed=5))


def give(subject, batch, every=10):
    subject.extend(batch, np.arange(len(batch)) % every == 0)
    return subject


def test_kernel_of_the_features_is_gaussian():
    features = FourierFeatures.draw(np.random.default_rng(0), 20_000, lengthscale=0.5)
    x = np.array([[0.0, 0.0], [0.3, 0.0], [0.3, 0.4], [1.0, 1.0]])
    values, _ = features.design(x)
    distances = ((x[:, None] - x) ** 2).sum(axis=2)
    np.testing.assert_allclose(values @ values.T, np.exp(-distances / (2 * 0.5**2)), atol=4 / np.sqrt(20_000))


def test_gradient_of_the_features_is_their_derivative():
    rng = np.random.default_rng(0)
    features, x, w = FourierFeatures.draw(rng, 50, 0.5), rng.standard_normal((7, 2)), rng.standard_normal(50)
    value, gradient = features.combine(x, w)
    values, slopes = features.design(x)
    np.testing.assert_allclose(values @ w, value, rtol=1e-12)
    np.testing.assert_allclose(slopes @ w, gradient, rtol=1e-10)
    for k, shift in enumerate(1e-6 * np.eye(2)):
        difference = (features.combine(x + shift, w)[0] - features.combine(x - shift, w)[0]) / 2e-6
        np.testing.assert_allclose(gradient[:, k], difference, rtol=1e-6, atol=1e-7)


def test_conjugate_gradients_solve_in_as_many_iterations_as_unknowns():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((12, 12))
    matrix, rhs = root @ root.T + np.eye(12), rng.standard_normal(12)
    solver = ConjugateGradient(rhs, np.zeros(12), rhs.copy(), tolerance=1e-8)
    solver.iterate(matrix, 12)
    assert solver.solved
    np.testing.assert_allclose(solver.w, np.linalg.solve(matrix, rhs), rtol=1e-6, atol=1e-8)


def test_trained_model_is_the_solution_of_weighted_ridge_regression():
    options = {"features": 60, "lengthscale": 0.5, "ridge": 1e-3, "epochs": 50, "iterations": 100, "tolerance": 1e-12}
    batch, subject = labelled(50), model(**options)
    subject.extend(batch, np.zeros(50, bool))
    assert len(list(subject.train())) < 50
    weights = subject.weights()
    features = FourierFeatures(weights["omega"], weights["phase"])
    values, slopes = features.design(batch.columns["x"])
    share = -np.log1p(-sample_uniform(batch.columns["x"], Context("training", seed=5).random_seed("bootstrap")))
    rows = np.concatenate([values, *(0.5 * slopes.transpose(1, 0, 2)), np.sqrt(1e-3) * np.eye(60)])
    energy = batch.columns["energy"] - batch.columns["energy"].mean()
    target = np.concatenate([energy, *(0.5 * batch.columns["gradient"].T), np.zeros(60)])
    root = np.sqrt(np.concatenate([share, share, share, np.ones(60)]))
    wanted = np.linalg.lstsq(root[:, None] * rows, root * target, rcond=None)[0]
    np.testing.assert_allclose(subject.predict(batch).columns["energy"] - weights["offset"], values @ wanted, atol=1e-5)


def test_committee_learns_the_surface_and_knows_where_it_does_not():
    members = [give(model(index), labelled(300)) for index in range(3)]
    for member in members:
        list(member.train())
    test = labelled(200, seed=1)
    inside = Committee([m.predict(test) for m in members])
    error = np.abs(inside.mean.columns["energy"] - test.columns["energy"])
    low = test.columns["energy"] < 0
    assert error[low].mean() < 1.0
    far = Batch(SAMPLE, {"x": test.columns["x"] + 4.0})
    outside = Committee([m.predict(far) for m in members])
    assert np.median(outside.uncertainty("gradient")) > 10 * np.median(inside.uncertainty("gradient"))


def test_training_is_exhausted_until_there_are_new_data():
    subject = give(model(), labelled(40))
    assert list(subject.train())
    assert list(subject.train()) == []
    give(subject, labelled(5, seed=1))
    assert list(subject.train())


def test_training_without_data_ends_at_once():
    assert list(model().train()) == []


def test_round_ends_after_the_given_epochs():
    epochs = list(give(model(epochs=3, iterations=1), labelled(40)).train())
    assert [e.number for e in epochs] == [1, 2, 3]


def test_metrics_are_those_of_the_predictions():
    subject, batch = model(iterations=5), labelled(40)
    epoch = next(give(subject, batch).train())
    held_out = np.arange(40) % 10 == 0
    predicted = subject.predict(batch)
    for name in ("energy", "gradient"):
        error = np.abs(predicted.columns[name] - batch.columns[name])
        np.testing.assert_allclose(epoch.metrics[f"{name}_mae"], error[~held_out].mean(), rtol=1e-9)
        np.testing.assert_allclose(epoch.metrics[f"validation_{name}_mae"], error[held_out].mean(), rtol=1e-9)


def test_model_asks_to_stop_after_the_given_rounds_even_after_a_restart():
    subject = give(model(stop_after_rounds=2, epochs=2), labelled(40))
    assert all(isinstance(e, Epoch) for e in subject.train())
    assert list(subject.train()) == []
    give(subject, labelled(10, seed=1))
    assert list(subject.train())[-1] == Stop("2 rounds of training done")
    twin = give(give(model(stop_after_rounds=2, epochs=2), labelled(40)), labelled(10, seed=1))
    twin.restore(subject.snapshot())
    assert list(twin.train()) == [Stop("2 rounds of training done")]


def test_interrupted_round_is_the_same_as_an_uninterrupted_one():
    whole, parts = (give(model(iterations=10), labelled(40)) for _ in range(2))
    numbers = [e.number for e in whole.train()]
    resumed = []
    while len(resumed) < len(numbers):
        iterator = parts.train()
        resumed.append(next(iterator).number)
        iterator.close()
    assert resumed == numbers
    np.testing.assert_array_equal(whole.weights()["w"], parts.weights()["w"])


def test_restarted_round_ends_where_the_uninterrupted_one_does():
    subject = give(model(iterations=40), labelled(40))
    next(subject.train())
    twin = give(model(iterations=40), labelled(40))
    twin.restore(subject.snapshot())
    wanted = [e.number for e in subject.train()]
    assert len(wanted) < 29  # solved, not out of epochs
    assert [e.number for e in twin.train()] == wanted


def test_portions_in_which_data_arrive_do_not_matter():
    batch = labelled(40)
    whole, parts = model(), model()
    whole.extend(batch, np.zeros(40, bool))
    for part in batch.split([10, 0, 30]):
        parts.extend(part, np.zeros(len(part), bool))
    for subject in (whole, parts):
        list(subject.train())
    np.testing.assert_array_equal(whole.weights()["w"], parts.weights()["w"])


def test_snapshot_restored_with_other_data_begins_a_new_round():
    subject = give(model(epochs=4), labelled(40))
    list(subject.train())
    twin = give(model(epochs=4), labelled(45))
    twin.restore(subject.snapshot())
    assert [e.number for e in twin.train()] == [5, 6, 7, 8]


def test_loaded_weights_of_another_size_are_used():
    small, large = give(model(features=20), labelled(40)), model(features=50)
    list(small.train())
    large.load(small.weights())
    batch = labelled(5)
    np.testing.assert_array_equal(large.predict(batch).columns["energy"], small.predict(batch).columns["energy"])
    assert list(give(large, labelled(60)).train())


def test_epochs_take_the_given_time(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    list(give(model(delay=0.5, epochs=2, iterations=1), labelled(40)).train())
    assert slept == [0.5, 0.5]


@pytest.mark.parametrize("option", ["features", "lengthscale", "ridge", "epochs", "tolerance", "stop_after_rounds"])
def test_options_must_be_positive(option):
    with pytest.raises(ValueError, match="greater than 0"):
        ToyModelOptions(**{option: 0})


class TestUse:
    """Training on a part of the points."""

    def test_others_are_neither_trained_on_nor_measured(self):
        found = []
        for shift in (0.0, 1.0):
            subject = model()
            batch = labelled(30)
            batch.columns["energy"][1::3] += shift
            subject.extend(batch, np.arange(30) % 5 == 4)
            subject.use(np.flatnonzero(np.arange(30) % 3 != 1))
            epochs = list(subject.train())
            found.append((subject.weights()["w"].tolist(), epochs[-1].metrics))
        assert found[0] == found[1]

    def test_later_points_are_used_until_the_next_call(self):
        subject = model()
        subject.extend(labelled(20), np.zeros(20, np.bool_))
        subject.use(np.arange(5))
        subject.extend(labelled(10, 1), np.zeros(10, np.bool_))
        assert len(subject._in_use(held_out=False)) == 15
        subject.use(np.arange(20, 30))
        np.testing.assert_array_equal(subject._in_use(held_out=False).columns["x"], labelled(10, 1).columns["x"])
