"""The contracts of pal-core."""

from __future__ import annotations

import shutil
from typing import ClassVar

import numpy as np
import pytest
from pal_core.testing import OracleContract, PluginContract


def molecule(numbers, positions, charge=0, multiplicity=1):
    return {
        "numbers": np.array(numbers, np.int32),
        "positions": np.array(positions, np.float64),
        "cell": np.zeros((3, 3)),
        "pbc": np.zeros(3, bool),
        "charge": np.array(charge, np.int32),
        "multiplicity": np.array(multiplicity, np.int32),
    }


class TestPlugin(PluginContract):
    plugin = "pal_xtb.plugin"


class Molecules(OracleContract):
    plugin = "pal_xtb.plugin"

    def samples(self):
        water = [[0, 0.1, 0.119], [0.2, 0.763, -0.477], [0, -0.763, -0.4]]
        return [
            molecule([8, 1, 1], water),
            molecule([8, 1, 1], np.multiply(water, 1.1)),
            molecule([8, 1], [[0, 0, 0], [0.3, 0.2, 0.9]], 0, 2),
            molecule([8, 1], [[0, 0, 0], [0.3, 0.2, 0.9]], -1, 1),
        ]


class TestGfn2(Molecules):
    name = "xtb.gfn2"


class TestGfn1(Molecules):
    name = "xtb.gfn1"
    options: ClassVar = {"solvent": "water", "accuracy": 0.1}


class TestStress(OracleContract):
    plugin = "pal_xtb.plugin"
    name = "xtb.gfn1"
    options: ClassVar = {"stress": True}

    def samples(self):
        cell = 2.7 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0.0]])
        silicon = molecule([14, 14], np.array([[0, 0, 0], [0.26, 0.25, 0.24]]) @ cell)
        return [silicon | {"cell": a * cell, "pbc": np.ones(3, bool)} for a in (1.0, 1.02)]


@pytest.mark.skipif(shutil.which("xtb") is None, reason="the program xtb isn't installed (Debian: apt-get install xtb)")
class TestProgram(Molecules):
    name = "xtb.binary"
