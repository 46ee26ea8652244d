from __future__ import annotations

from typing import ClassVar

import numpy as np
from pal_core.testing import GeneratorContract

GOAL = {"lower": [-1, 0], "upper": [1, 3], "minimise": ["f"]}


class _Searches(GeneratorContract):
    plugin = "pal_design.plugin"

    def feedback(self, sample):
        return self.feedback_of({"f": np.array(((sample["x"] - 0.3) ** 2).sum())}, trusted=bool(sample["x"][0] < 0.5))


class TestSwarm(_Searches):
    name = "design.swarm"
    # Short phases, so that recalling, verifying and restarting all happen within the test.
    options: ClassVar = {**GOAL, "particles": 4, "stall": 2, "longest": 3, "recall": 1, "patience": 1}
    steps = 9


class TestSwarmOfSeveralObjectives(_Searches):
    name = "design.swarm"
    options: ClassVar = {**GOAL, "maximise": ["g"], "particles": 4, "longest": 4, "verify": 2, "at_most": {"f": 2.0}}
    steps = 9

    def feedback(self, sample):
        x, y = sample["x"]
        return self.feedback_of({"f": np.array(x**2 + y), "g": np.array(y - x)})


class TestRandom(_Searches):
    name = "design.random"
    options: ClassVar = {"lower": [-1, 0], "upper": [1, 3], "points": 3}

    def feedback(self, sample):
        return self.feedback_of({})


class TestGest(_Searches):
    name = "design.gest"
    options: ClassVar = {**GOAL, "generator": "searches:Downhill", "seed_argument": "seed", "batch": 3}


class TestLibensemble(_Searches):
    """A generator that others have written."""

    name = "design.gest"
    options: ClassVar = {
        **GOAL,
        "generator": "libensemble.gen_classes:UniformSample",
        "seed_argument": "random_seed",
        "batch": 2,
    }
