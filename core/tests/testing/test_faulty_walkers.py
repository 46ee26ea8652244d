"""The contract of generators finds walkers that break it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pal_core import rng
from pal_core.builtin.surface import muller_brown
from pal_core.builtin.walker import ToyWalker
from pal_core.testing import GeneratorContract


class Walkers(GeneratorContract):
    plugin = "pal_core.builtin.plugin"
    name = "pal.toy-walker"
    kernel = ToyWalker

    def make(self, index=0, seed=None, role=None):
        return self.kernel(self.kernel_options(), self.context(index, seed, role))

    def feedback(self, sample):
        energy, gradient = muller_brown(sample["x"][None])
        return self.feedback_of({"energy": energy[0], "gradient": gradient[0]})


def run_test(contract, kernel, test: str, directory: Path, *arguments):
    subject = type("Subject", (contract,), {"kernel": kernel})()
    subject.open_workplace(directory)
    getattr(subject, test)(*arguments)


class NamesFieldWrongly(ToyWalker):
    def propose(self, feedback):
        return {"position": super().propose(feedback)["x"]}


class HalvesPrecision(ToyWalker):
    def propose(self, feedback):
        return {"x": super().propose(feedback)["x"].astype(np.float32)}


class IgnoresItsIndex(ToyWalker):
    def __init__(self, options, context):
        super().__init__(options, context)
        self._x = np.array(options.start[0])
        self._noise = np.random.default_rng(0)


class DrawsFromTheSystem(ToyWalker):
    def __init__(self, options, context):
        super().__init__(options, context)
        self._noise = np.random.default_rng()


class ReusesItsArray(ToyWalker):
    def propose(self, feedback):
        self.buffer = getattr(self, "buffer", np.zeros(2))
        self.buffer[:] = super().propose(feedback)["x"]
        return {"x": self.buffer}


class KeepsViewsOfFeedback(ToyWalker):
    kept = None

    def propose(self, feedback):
        lag = 0.0 if self.kept is None else self.kept[0]
        self.kept = None if feedback is None else feedback.mean["gradient"]
        return {"x": super().propose(feedback)["x"] + 1e-6 * lag}


class BelievesNaN(ToyWalker):
    def _judge(self, feedback):
        self._x = self._x - 1e-4 * feedback.mean["gradient"]


class BootstrapsFromItsNoise(ToyWalker):
    def bootstrap(self):
        return {"x": self._noise.uniform(self._lower, self._upper)}


class BootstrapsOnePoint(ToyWalker):
    def bootstrap(self):
        return {"x": np.array([0.1, 0.2])}


class HandsOutLiveMemory(ToyWalker):
    def snapshot(self):
        self.live = getattr(self, "live", np.zeros(2))
        return {**super().snapshot(), "live": self.live}

    def propose(self, feedback):
        self.live = getattr(self, "live", np.zeros(2))
        self.live += 1
        return super().propose(feedback)


class KeepsLists(ToyWalker):
    def snapshot(self):
        return {"x": [1.0, 2.0]}


class ForgetsItsNoise(ToyWalker):
    def restore(self, state):
        fresh = rng.stream(0, "generator", 0)
        super().restore({**state, "noise": rng.get_state(fresh)})


class SkipsTheOutstanding(ToyWalker):
    def restore(self, state):
        super().restore(state)
        self._x = self._moved(np.zeros(2))


class ForgetsItsDoubts(ToyWalker):
    """What it loses would only show after more untrusted predictions than a test has."""

    def restore(self, state):
        super().restore({**state, "counters": np.zeros(2, np.int64)})


@pytest.mark.parametrize(
    ("kernel", "test", "complaint"),
    [
        (NamesFieldWrongly, "test_proposals_have_the_fields_of_the_interface", r"\['position'\].*\['x'\]"),
        (HalvesPrecision, "test_proposals_have_the_fields_of_the_interface", "'x' is float32.*float64"),
        (KeepsViewsOfFeedback, "test_proposals_have_the_fields_of_the_interface", "not finite"),
        (DrawsFromTheSystem, "test_same_seed_and_index_give_the_same_walk", "went different ways"),
        (IgnoresItsIndex, "test_other_seed_or_index_gives_another_walk", "walkers 0 and 1 go the same way"),
        (ReusesItsArray, "test_proposals_are_not_overwritten", "a later step changed an earlier proposal"),
        (BelievesNaN, "test_goes_on_after_a_prediction_that_is_not_finite", "proposes NaN"),
        (BootstrapsFromItsNoise, "test_bootstrap_does_not_disturb_the_walk", "bootstrap changed the walk"),
        (BootstrapsOnePoint, "test_bootstrap_samples_fit_and_differ", "in a row are the same"),
        (HandsOutLiveMemory, "test_snapshot_is_plain_and_a_copy", "changed an earlier snapshot"),
        (KeepsLists, "test_snapshot_is_plain_and_a_copy", "'x' is list, not an array"),
    ],
)
def test_faulty_walker_is_found(kernel, test, complaint, tmp_path):
    run_test(Walkers, ToyWalker, test, tmp_path)
    with pytest.raises(AssertionError, match=complaint):
        run_test(Walkers, kernel, test, tmp_path)


def test_walker_that_forgets_part_of_its_state_is_found(tmp_path):
    with pytest.raises(AssertionError, match="restored after 4 proposals, the walker takes another way"):
        run_test(Walkers, ForgetsItsNoise, "test_restored_walker_goes_on_exactly", tmp_path, 4)


@pytest.mark.parametrize(
    ("kernel", "complaint"),
    [
        (SkipsTheOutstanding, "restored after 4 proposals, the walker doesn't repeat the one that was outstanding"),
        (ForgetsItsDoubts, "its snapshots differ later on"),
    ],
)
def test_walker_that_goes_on_otherwise_is_found(tmp_path, kernel, complaint):
    run_test(Walkers, ToyWalker, "test_restored_walker_goes_on_exactly", tmp_path, 4)
    with pytest.raises(AssertionError, match=complaint):
        run_test(Walkers, kernel, "test_restored_walker_goes_on_exactly", tmp_path, 4)
