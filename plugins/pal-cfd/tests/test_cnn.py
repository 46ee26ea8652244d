from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import ClassVar

import numpy as np
import pytest
import torch
from channels import SMALL, labelled
from pal_core.data import Batch
from pal_core.kernels import Context, Epoch
from pal_core.testing import ModelContract

from pal_cfd.channel_options import ChannelOptions
from pal_cfd.cnn import ChannelCnn
from pal_cfd.cnn_options import CnnOptions

TINY = {"rows": 16, "columns": 32, "height": 8, "channels": (4,), "width": 8, "batch_size": 8}
TRAINING = Context("training", 0, seed=1)


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """Epochs are interrupted by no clock: tests count them, however busy the machine is."""
    monkeypatch.setattr("pal_cfd.learning.trainer._TURN", np.inf)


class TestContract(ModelContract):
    plugin = "pal_cfd.plugin"
    name = "cfd.cnn"
    options: ClassVar = TINY
    tolerance = 1e-5
    epochs = 60

    def labelled(self):
        return labelled(24)


def trained(epochs=8, number=40, **more):
    options = CnnOptions(**TINY | more)
    model = ChannelCnn(options, TRAINING)
    data = labelled(number)
    model.extend(data, np.arange(number) % 5 == 4)
    done = list(islice(model.train(), epochs))
    return model, data, done


@lru_cache
def ready(channels=(4,)):
    """A model that has learned something."""
    return trained(12, channels=channels)[0]


def pictures(model, masks):
    masks = np.ascontiguousarray(masks)
    return model.predict(Batch(model.options.interface().consumes, {"mask": masks}, size=len(masks))).columns


@pytest.mark.parametrize("channels", [(4,), (4, 6, 8)])
@pytest.mark.parametrize("turn", ["shift", "upside down", "both"])
def test_prediction_is_blind_to_shift_and_to_up_and_down(channels, turn):
    model, masks = ready(channels), labelled(12).columns["mask"]
    seen = pictures(model, masks)
    for by in (1, 5, 16, 31):
        other = np.roll(masks, by, axis=2) if turn != "upside down" else masks
        other = other[:, ::-1] if turn != "shift" else other
        again = pictures(model, other)
        for name in ("cf", "st"):
            np.testing.assert_allclose(again[name], seen[name], rtol=1e-5)
    assert np.ptp(np.log(seen["cf"])) > 1e-2  # it isn't blind to everything


def test_random_pictures_are_predicted_alike_wherever_they_begin():
    """Also for noise, at the default size, with first weights."""
    model = ChannelCnn(CnnOptions(), TRAINING)
    masks = (np.random.default_rng(3).random((4, 64, 128)) < 0.3).astype(np.uint8)
    seen = pictures(model, masks)
    for other in (np.roll(masks, 37, axis=2), masks[:, ::-1]):
        np.testing.assert_allclose(pictures(model, other)["st"], seen["st"], rtol=1e-5)


def test_streamwise_reversal_is_another_channel():
    """Navier-Stokes equations have no such symmetry; a network that had it couldn't learn what a leading edge does."""
    model = ready()
    masks = labelled(6, ChannelOptions(**SMALL.model_dump() | {"promoters": 2})).columns["mask"]
    assert np.abs(np.log(pictures(model, masks[:, :, ::-1])["cf"] / pictures(model, masks)["cf"])).max() > 1e-5


def test_learns_a_smooth_function_of_the_geometry():
    model, _, _ = trained(60, 64, bootstrap=0)
    fresh = labelled(40, seed=5)
    for name, least in (("cf", 0.6), ("st", 0.3)):
        wanted, found = np.log(fresh.columns[name]), np.log(model.predict(fresh).columns[name])
        assert 1 - np.var(found - wanted) / np.var(wanted) > least


def test_labels_that_are_no_positive_numbers_are_left_out_with_a_note():
    notes = []
    data = labelled(10)
    data.columns["cf"][:3] = [np.nan, 0.0, np.inf]
    model = ChannelCnn(CnnOptions(**TINY), Context("training", 0, seed=1, note=notes.append))
    model.extend(data, np.zeros(10, bool))
    assert notes == ["cfd.cnn: samples left out because Cf or St is no positive number: 3"]
    epoch = next(model.train())
    assert isinstance(epoch, Epoch)
    assert np.isfinite(epoch.metrics["loss"])


def test_metrics_are_in_the_units_of_the_outputs():
    model, data, epochs = trained(1, bootstrap=0)
    held_out = data.take(np.arange(40) % 5 == 4)
    off = np.abs(model.predict(held_out).columns["cf"] - held_out.columns["cf"]).mean()
    assert epochs[-1].metrics["validation_cf_mae"] == pytest.approx(off, rel=1e-5)
    assert set(epochs[-1].metrics) >= {"loss", "st_mae", "validation_loss", "validation_st_mae", "learning_rate"}


def test_training_ends_when_nothing_gets_better():
    _, _, epochs = trained(10_000, patience=1, learning_rate=1e-9)
    assert 0.9e-9 / 64 < epochs[-1].metrics["learning_rate"] < 1.1e-9 / 64
    _, _, epochs = trained(10_000, max_epochs=4)
    assert len(epochs) == 4


def test_long_epochs_are_told_in_parts(monkeypatch):
    monkeypatch.setattr("pal_cfd.learning.trainer._TURN", -1)
    _, _, epochs = trained(5)
    assert [(e.number, e.whole) for e in epochs] == [(1, False)] * 4 + [(1, True)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
def test_gpu_predicts_and_trains_as_the_cpu():
    here, data, epochs = trained(4)
    there = ChannelCnn(here.options, Context("training", 0, seed=1, device="cuda"))
    there.extend(data, np.arange(40) % 5 == 4)
    for a, b in zip(epochs, islice(there.train(), 4), strict=True):
        assert b.metrics["loss"] == pytest.approx(a.metrics["loss"], rel=1e-2)
    there.load(here.weights())
    np.testing.assert_allclose(there.predict(data).columns["st"], here.predict(data).columns["st"], rtol=1e-4)
