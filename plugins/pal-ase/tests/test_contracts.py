"""The contracts of pal-core for the walkers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import ase_engine
import drivers
from ase.build import molecule
from ase.io import write
from ase_engine import Springs, feedback_of
from pal_core.testing import GeneratorContract

START = molecule("CH3CH2OH")


class Ethanol(GeneratorContract):
    plugin = "pal_ase.plugin"
    steps = 8
    extra: ClassVar = {}

    def option_values(self):
        path = Path(self.directory) / "start.extxyz"
        write(path, START)
        return {"structure": path, "trajectory": 1, **self.extra}

    def feedback(self, sample):
        found = feedback_of(sample, Springs(START.positions))
        return self.feedback_of(dict(found.mean))


class TestLangevin(Ethanol):
    name = "ase.langevin"


class TestLangevinOfClusters(Ethanol):
    name = "ase.langevin"
    extra: ClassVar = {
        "structure": {"composition": "C2H6O", "sizes": [1, 1], "charges": [-1, 0, 1]},
        "steps": 3,
        "jobs": "endless",
        "isolated": 0,
        "connected": 0,
        "hot": 0,
    }


class TestVerlet(Ethanol):
    name = "ase.verlet"


class TestBiasedMd(Ethanol):
    name = "ase.biased-md"
    extra: ClassVar = {
        "restraints": [
            {"distance": [0, 1], "at": 1.5, "stiffness": 20.0, "to": 1.8, "over": 10},
            {"dihedral": [8, 2, 1, 0], "at": 60, "stiffness": 0.5, "only": "below"},
        ],
        "metadynamics": {"variables": [{"angle": [0, 1, 2], "width": 5}], "height": 0.02, "every": 2, "bias_factor": 5},
        "uncertainty": {"depth": 0.2, "width": 0.01},
    }

    def feedback(self, sample):
        found = super().feedback(sample)
        return replace(found, covariance={("energy", "forces"): 0.01 * found.mean["forces"]})


class TestSampler(Ethanol):
    name = "ase.sampler"
    extra: ClassVar = {
        "samples": 3,
        "modes": {"weight": 0.5, "reference": {"calculator": f"{ase_engine.__file__}:FreshEMT"}},
        "transfer": {"atoms": [[1, 7, 0]]},
    }


class TestDriver(Ethanol):
    name = "ase.driver"
    extra: ClassVar = {"function": f"{drivers.__file__}:wander"}


class TestOptimize(Ethanol):
    name = "ase.optimize"
    stochastic = False
    extra: ClassVar = {"jobs": "endless", "fmax": 1e-6}


class TestTsSearch(Ethanol):
    name = "ase.ts-search"
    stochastic = False
    extra: ClassVar = {"jobs": "endless", "fmax": 1e-6}
