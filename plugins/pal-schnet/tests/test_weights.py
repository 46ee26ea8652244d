from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file
from schnet_frames import clusters, member, train

NONE_HELD_OUT = np.zeros(20, bool)


@pytest.fixture(scope="module")
def data():
    return clusters(20)


@pytest.fixture(scope="module")
def trained(data):
    model = member()
    model.extend(data, NONE_HELD_OUT)
    train(model, 3)
    return model


def assert_same_prediction(model, other, data):
    for name, values in model.predict(data).columns.items():
        np.testing.assert_array_equal(other.predict(data).columns[name], values)


def test_first_weights_are_those_of_the_member_in_either_role(data):
    trainer, predictor, other = member(2), member(2, "prediction"), member(3, "prediction")
    assert_same_prediction(trainer, predictor, data)
    assert not np.array_equal(other.weights()["embedding"], trainer.weights()["embedding"])


def test_members_start_from_a_file(trained, data, tmp_path):
    save_file(dict(trained.weights()), tmp_path / "start.safetensors")
    model = member(weights=tmp_path / "start.safetensors", learning_rate=1e-4)
    assert_same_prediction(trained, model, data)
    model.extend(data, NONE_HELD_OUT)
    before = np.abs(model.predict(data).columns["forces"] - data.columns["forces"]).mean()
    train(model, 3)
    assert np.abs(model.predict(data).columns["forces"] - data.columns["forces"]).mean() < 1.2 * before


def test_weights_of_another_precision_are_converted(trained, data):
    exact = member(dtype="float64")
    exact.load(trained.weights())
    found, wanted = exact.predict(data).columns["forces"], trained.predict(data).columns["forces"]
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"features": 8},
            r"weights 'embedding' have shape \(119, 16\), shape \(119, 8\) is wanted; use the cutoff, fea",
        ),
        ({"basis": 13}, r"weights 'layer0.filter' have shape \(13, 16\), shape \(14, 16\) is wanted"),
        ({"interactions": 3}, r"weights 'layer2.project' are missing, shape \(16, 16\) is wanted"),
        ({"interactions": 1}, r"these weights hold \['layer1.filter', .*\] too"),
        ({"cutoff": 4.0}, r"these weights are for a cutoff of 5.0 Å, not 4.0 Å"),
    ],
)
def test_weights_of_another_network_are_refused(trained, options, message):
    with pytest.raises(ValueError, match=r"^schnet.committee: " + message):
        member(**options).load(trained.weights())
