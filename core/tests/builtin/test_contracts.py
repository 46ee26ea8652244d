"""The built-in kernels fulfil the contracts that every plugin must fulfil."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.builtin.surface import muller_brown
from pal_core.data import Batch
from pal_core.kernels import Expected, Feedback, Sample
from pal_core.testing import (
    GeneratorContract,
    LabelCheckContract,
    ModelContract,
    OracleContract,
    PluginContract,
    SelectionContract,
)

PLUGIN = "pal_core.builtin.plugin"


class TestPlugin(PluginContract):
    plugin = PLUGIN
    options: ClassVar = {"pal.threshold": {"field": "energy", "upper": 1.0}}


class TestToyWalker(GeneratorContract):
    plugin = PLUGIN
    name = "pal.toy-walker"

    def feedback(self, sample: Sample) -> Feedback:
        energy, gradient = muller_brown(sample["x"][None])
        return self.feedback_of({"energy": energy[0], "gradient": gradient[0]}, trusted=bool(energy[0] < -100))


class TestToyModel(ModelContract):
    plugin = PLUGIN
    name = "pal.toy-model"
    options: ClassVar = {"iterations": 5}
    tolerance = 0.0  # bit by bit

    def labelled(self) -> Batch:
        x = np.random.default_rng(1).uniform([-1.5, -0.2], [1.0, 1.8], (40, 2))
        energy, gradient = muller_brown(x)
        return Batch(SAMPLE | LABEL, {"x": x, "energy": energy, "gradient": gradient})


class TestToyOracle(OracleContract):
    plugin = PLUGIN
    name = "pal.toy-oracle"
    tolerance = 0.0

    def samples(self) -> list[Sample]:
        return [{"x": np.array([0.1, 0.2])}, {"x": np.array([-0.5, 1.4])}]


class TestThreshold(SelectionContract):
    plugin = PLUGIN
    name = "pal.threshold"
    options: ClassVar = {"field": "forces", "upper": 2.0}


class TestRandom(SelectionContract):
    plugin = PLUGIN
    name = "pal.random"
    options: ClassVar = {"share": 0.5}


class TestAll(SelectionContract):
    plugin = PLUGIN
    name = "pal.all"


class TestFinite(LabelCheckContract):
    plugin = PLUGIN
    name = "pal.finite"

    def sample(self) -> Sample:
        return {"positions": np.zeros((2, 3))}

    def label(self) -> Sample:
        return {"energy": np.array(-3.0), "forces": np.ones((2, 3)), "steps": np.array(4)}

    def defects(self) -> dict[str, Sample]:
        forces = np.ones((2, 3))
        forces[1, 2] = np.inf
        return {"energy": {**self.label(), "energy": np.array(np.nan)}, "force": {**self.label(), "forces": forces}}


class TestResidual(LabelCheckContract):
    plugin = PLUGIN
    name = "pal.residual"
    options: ClassVar = {"minimum": 10}

    def sample(self) -> Sample:
        return {"positions": np.zeros((2, 3))}

    def label(self) -> Sample:
        return {"energy": np.array(-3.0), "forces": np.ones((2, 3))}

    def expected(self, sample: Sample, label: Sample) -> Expected:
        off = 0.02 * (1 + sample["positions"][0, 0])
        mean = {name: value + off for name, value in label.items()}
        return Expected(mean, {name: np.full_like(value, 0.01) for name, value in label.items()})

    def history(self) -> list[tuple[Sample, Sample]]:
        return [({"positions": np.full((2, 3), i / 40)}, self.label()) for i in range(20)]

    def defects(self) -> dict[str, Sample]:
        good = self.label()
        return {
            "sign": {**good, "forces": -good["forces"]},
            "hartree": {**good, "energy": good["energy"] / 27.2},
            "truncated": {**good, "forces": good["forces"][:1]},
        }
