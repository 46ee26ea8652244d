"""The contracts of selections and label checks find those that break them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from pal_core.builtin.check import Finite
from pal_core.builtin.selection import Threshold
from pal_core.kernels import Decision
from pal_core.testing import LabelCheckContract, SelectionContract


class Selections(SelectionContract):
    plugin = "pal_core.builtin.plugin"
    name = "pal.threshold"
    options: ClassVar = {"field": "energy", "upper": 2.0}
    kernel = Threshold

    def make(self, index=0, seed=None, role=None):
        return self.kernel(self.kernel_options(), self.context(index, seed, role))


class Checks(LabelCheckContract):
    plugin = "pal_core.builtin.plugin"
    name = "pal.finite"
    kernel = Finite

    def make(self, index=0, seed=None, role=None):
        return self.kernel(self.kernel_options(), self.context(index, seed, role))

    def sample(self):
        return {"x": np.zeros(2)}

    def label(self):
        return {"energy": np.array(1.0)}

    def history(self):
        return [(self.sample(), {"energy": np.array(-1.0)})]

    def defects(self):
        return {"NaN": {"energy": np.array(np.nan)}}


def run_test(contract, kernel, test: str, directory: Path, *arguments):
    subject = type("Subject", (contract,), {"kernel": kernel})()
    subject.open_workplace(directory)
    getattr(subject, test)(*arguments)


class TrustsNaN(Threshold):
    def select(self, batch, committee):
        found = super().select(batch, committee)
        return Decision(found.label, ~(found.score > self.options.upper), found.score)


class ScoresInSinglePrecision(Threshold):
    def select(self, batch, committee):
        found = super().select(batch, committee)
        return Decision(found.label, found.trust, found.score.astype(np.float32))


class DrawsLots(Threshold):
    def select(self, batch, committee):
        found = super().select(batch, committee)
        return Decision(found.label, found.trust, np.random.default_rng().random(len(batch)))


class CutsLargeValues(Threshold):
    def select(self, batch, committee):
        np.clip(committee.members[0].columns["energy"], -1, 1, out=committee.members[0].columns["energy"])
        return super().select(batch, committee)


class ForgetsItsTurn(Threshold):
    """Labels every second batch, and says nothing of it in its snapshot."""

    turn = 0

    def select(self, batch, committee):
        found = super().select(batch, committee)
        self.turn += 1
        return Decision(np.full(len(batch), self.turn % 2 == 0), found.trust, found.score)


class RanksTwice(Threshold):
    def rerank(self, queue, committee):
        return np.zeros(2, np.int64)


class RanksBeyondTheQueue(Threshold):
    def rerank(self, queue, committee):
        return np.arange(1, len(queue) + 1)


class AnswersWithAMask(Threshold):
    def rerank(self, queue, committee):
        return np.ones(len(queue), bool)


@pytest.mark.parametrize(
    ("kernel", "test", "arguments", "complaint"),
    [
        (ScoresInSinglePrecision, "test_decision_has_an_entry_per_sample", ([3, 1],), "score is float32"),
        (ScoresInSinglePrecision, "test_committee_of_one_is_judged", (), "score is float32"),
        (TrustsNaN, "test_prediction_that_is_not_finite_is_not_trusted", (np.nan, False), "nan is trusted"),
        (DrawsLots, "test_same_seed_gives_the_same_decisions", (), "judged differently"),
        (CutsLargeValues, "test_batch_and_committee_stay_as_they_are", (), "changed what it judged"),
        (ForgetsItsTurn, "test_restored_selection_decides_as_the_original", (), "otherwise than the original"),
        (RanksTwice, "test_reranking_returns_indices_of_the_queue", ([3, 1],), "occurs twice"),
        (RanksBeyondTheQueue, "test_reranking_returns_indices_of_the_queue", ([3, 1],), "not all indices of 2"),
        (AnswersWithAMask, "test_reranking_returns_indices_of_the_queue", ([3, 1],), "indices are bool"),
    ],
)
def test_faulty_selection_is_found(kernel, test, arguments, complaint, tmp_path):
    run_test(Selections, Threshold, test, tmp_path, *arguments)
    with pytest.raises(AssertionError, match=complaint):
        run_test(Selections, kernel, test, tmp_path, *arguments)


class AdmitsEverything(Finite):
    def check(self, sample, label, expected):
        return None


class RefusesWithoutReason(Finite):
    def check(self, sample, label, expected):
        return "" if super().check(sample, label, expected) else None


class HoldsAGrudge(Finite):
    earlier = None

    def check(self, sample, label, expected):
        self.earlier = self.earlier or super().check(sample, label, expected)
        return self.earlier


class MendsLabels(Finite):
    def check(self, sample, label, expected):
        reason = super().check(sample, label, expected)
        if reason:
            label["energy"][...] = 0.0
        return reason


class LosesCount(Finite):
    """Counts labels in its reasons, and says nothing of it in its snapshot."""

    seen = 0

    def check(self, sample, label, expected):
        self.seen += 1
        return f"label {self.seen}" if super().check(sample, label, expected) else None


class RefusesPositive(Finite):
    def check(self, sample, label, expected):
        return "too high" if label["energy"] > 0 else super().check(sample, label, expected)


@pytest.mark.parametrize(
    ("kernel", "test", "complaint"),
    [
        (AdmitsEverything, "test_planted_defects_get_a_reason", "'NaN' was not found, the answer is None"),
        (RefusesWithoutReason, "test_planted_defects_get_a_reason", "no reason is given"),
        (HoldsAGrudge, "test_good_label_passes_after_faulty_ones", "a good one was refused"),
        (MendsLabels, "test_sample_and_label_stay_as_they_are", "the check changed the label"),
        (LosesCount, "test_restored_check_judges_as_the_original", "the restored check says"),
        (RefusesPositive, "test_good_label_passes", "a good label was refused: too high"),
    ],
)
def test_faulty_check_is_found(kernel, test, complaint, tmp_path):
    run_test(Checks, Finite, test, tmp_path)
    with pytest.raises(AssertionError, match=complaint):
        run_test(Checks, kernel, test, tmp_path)
