"""The contracts of pal-core for the walkers."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

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


class TestVerlet(Ethanol):
    name = "ase.verlet"


class TestDriver(Ethanol):
    name = "ase.driver"
    extra: ClassVar = {"function": f"{drivers.__file__}:wander"}
