"""The contract of models finds models that break it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from pal_core.builtin.features import FourierFeatures
from pal_core.builtin.model import ToyModel
from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.builtin.surface import muller_brown
from pal_core.data import Batch
from pal_core.testing import ModelContract


class Models(ModelContract):
    plugin = "pal_core.builtin.plugin"
    name = "pal.toy-model"
    options: ClassVar = {"iterations": 5}
    kernel = ToyModel

    def make(self, index=0, seed=None, role=None):
        return self.kernel(self.kernel_options(), self.context(index, seed, role))

    def labelled(self):
        x = np.random.default_rng(1).uniform([-1.5, -0.2], [1.0, 1.8], (40, 2))
        energy, gradient = muller_brown(x)
        return Batch(SAMPLE | LABEL, {"x": x, "energy": energy, "gradient": gradient})


def run_test(contract, kernel, test: str, directory: Path, *arguments):
    subject = type("Subject", (contract,), {"kernel": kernel})()
    subject.open_workplace(directory)
    getattr(subject, test)(*arguments)


class SubtractsTheBatchMean(ToyModel):
    def predict(self, batch):
        out = super().predict(batch)
        energy = out.columns["energy"] + batch.columns["x"].sum()
        return Batch(LABEL, {**out.columns, "energy": energy}, size=len(out))


class SortsItsAnswers(ToyModel):
    def predict(self, batch):
        return super().predict(batch).take(np.argsort(batch.columns["x"][:, 0]))


class TakesTurnsTogether(ToyModel):
    @classmethod
    def predict_together(cls, members, batch):
        return [members[0].predict(batch)] * len(members)


class PredictsOneFieldOnly(ToyModel):
    def predict(self, batch):
        return super().predict(batch).pick(["energy"])


class LooksAtLabels(ToyModel):
    def predict(self, batch):
        return batch.pick(LABEL) if "energy" in batch.schema else super().predict(batch)


class SharesItsWeights(ToyModel):
    def weights(self):
        self.live = getattr(self, "live", self._w.copy())
        self.live[:] = self._w
        return {**super().weights(), "w": self.live}

    def train(self):
        for epoch in super().train():
            self.weights()
            yield epoch


class PredictsFromTheBuffer(ToyModel):
    def load(self, weights):
        super().load(weights)
        self._w = weights["w"]


class LearnsNothing(ToyModel):
    def train(self):
        for epoch in super().train():
            self._w, self._offset = np.zeros_like(self._w), 0.0
            yield epoch


class TrainsOnEverything(ToyModel):
    def _in_use(self, held_out):
        return super()._in_use(held_out) if held_out else self._data


class GivesEveryMemberTheSameFeatures(ToyModel):
    def __init__(self, options, context):
        super().__init__(options, context)
        self._features = FourierFeatures.draw(np.random.default_rng(0), options.features, options.lengthscale)
        self._salt = 1


class CountsFromOneAgain(ToyModel):
    def extend(self, batch, validation):
        super().extend(batch, validation)
        self._epochs = 0


class ForgetsItsDirection(ToyModel):
    def restore(self, state):
        super().restore(state)
        self._solver = None


class RoundsItsWeights(ToyModel):
    """Differs by less than any tolerance, but not by nothing."""

    def restore(self, state):
        super().restore({**state, "solver_w": np.nextafter(state["solver_w"], np.inf)})


class GoesToSleep(ToyModel):
    """When it misses labels that its snapshot knew."""

    def restore(self, state):
        super().restore(state)
        self.asleep = len(self._data) < 40

    def train(self):
        return (e for e in ()) if getattr(self, "asleep", False) else super().train()


class CaresForPortions(ToyModel):
    """What it learns depends on how its data were dealt out."""

    def extend(self, batch, validation):
        super().extend(batch, validation)
        self._salt += 1


class MeasuresNothing(ToyModel):
    def _metrics(self, problem, held_out):
        return {}


@pytest.mark.parametrize(
    ("kernel", "test", "complaint"),
    [
        (PredictsOneFieldOnly, "test_prediction_fits_the_interface", "the interface says"),
        (PredictsOneFieldOnly, "test_empty_batch_gives_an_empty_batch", "of no samples"),
        (SortsItsAnswers, "test_prediction_follows_the_order_of_samples", "the order of samples matters"),
        (SubtractsTheBatchMean, "test_prediction_does_not_depend_on_the_rest_of_the_batch", "other samples"),
        (TakesTurnsTogether, "test_members_predict_together_as_one_by_one", "otherwise together with others"),
        (LooksAtLabels, "test_other_columns_are_ignored_and_samples_stay_as_they_are", "columns that aren't read"),
        (SharesItsWeights, "test_weights_are_plain_and_a_copy", "changed weights that had been handed out"),
        (PredictsFromTheBuffer, "test_predictor_takes_over_the_trainers_weights", "differs from its trainer"),
        (LearnsNothing, "test_predictor_takes_over_the_trainers_weights", "training changed no prediction"),
        (LearnsNothing, "test_weights_can_be_read_between_epochs", "an epoch changed no weight"),
        (LearnsNothing, "test_training_lowers_loss_and_error", "the error went from"),
        (MeasuresNothing, "test_epochs_are_numbered_and_measured", "no 'loss' among the metrics"),
        (TrainsOnEverything, "test_held_out_labels_are_not_trained_on", "labels of held-out samples"),
        (GivesEveryMemberTheSameFeatures, "test_members_differ_and_are_reproducible", "0 and 1 are the same"),
        (CountsFromOneAgain, "test_training_goes_on_with_new_data", "epoch 1 is followed by 1"),
        (ForgetsItsDirection, "test_restored_training_goes_on_exactly", "goes another way"),
        (RoundsItsWeights, "test_restored_training_goes_on_exactly", "after a restart, the weights of .* differ in w"),
        (RoundsItsWeights, "test_restored_training_on_a_part_goes_on_exactly", "after a restart"),
        (GoesToSleep, "test_training_goes_on_without_the_labels_of_a_round_that_was_cut_short", "nothing to train"),
        (
            CaresForPortions,
            "test_restored_training_takes_new_data_exactly",
            "after a restart, the weights of .* differ",
        ),
    ],
)
def test_faulty_model_is_found(kernel, test, complaint, tmp_path):
    run_test(Models, ToyModel, test, tmp_path)
    with pytest.raises(AssertionError, match=complaint):
        run_test(Models, kernel, test, tmp_path)


def test_capability_that_is_not_declared_is_skipped_aloud(tmp_path):
    subject = Models()
    subject.open_workplace(tmp_path)
    with pytest.raises(pytest.skip.Exception, match=r"pal\.toy-model does not declare the capability 'bootstrap'"):
        subject.needs("bootstrap")
