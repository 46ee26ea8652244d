"""The contracts of pal-core."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pal_core.testing import OracleContract, PluginContract
from samples import WATER, build


class TestPlugin(PluginContract):
    plugin = "pal_pyscf.plugin"


class Molecules(OracleContract):
    plugin = "pal_pyscf.plugin"

    def samples(self):
        hydroxyl = [[0, 0, 0], [0.3, 0.2, 0.9]]
        stretched = WATER | {"positions": WATER["positions"] * 1.05}
        return [WATER, stretched, build([8, 1], hydroxyl, 0, 2), build([8, 1], hydroxyl, -1, 1)]


class TestDft(Molecules):
    name = "pyscf.dft"
    options: ClassVar = {"functional": "pbe0", "basis": "sto-3g", "grid": "coarse"}


class TestReusedOrbitals(Molecules):
    """Labels depend on what was labelled before, by less than the threshold of convergence."""

    name = "pyscf.dft"
    options: ClassVar = {"functional": "hf", "basis": "sto-3g", "reuse_orbitals": True, "gradient_convergence": 1e-7}
    tolerance: ClassVar = 1e-6


class TestTddft(OracleContract):
    plugin = "pal_pyscf.plugin"
    name = "pyscf.tddft"
    options: ClassVar = {"functional": "hf", "basis": "sto-3g", "states": 2}
    # Davidson's iterations end anywhere below the threshold.
    tolerance: ClassVar = 1e-6

    def samples(self):
        return [WATER, WATER | {"positions": WATER["positions"] * 1.05}]

    def _check_close(self, a, b):
        """The sign of a transition dipole is arbitrary."""
        super()._check_close(
            {**a, "transition_dipoles": np.abs(a["transition_dipoles"])},
            {**b, "transition_dipoles": np.abs(b["transition_dipoles"])},
        )


class TestSurface(OracleContract):
    plugin = "pal_pyscf.plugin"
    name = "pyscf.tddft"
    options: ClassVar = {"functional": "hf", "basis": "sto-3g", "states": 2, "surface": 1, "response": "tda"}
    tolerance: ClassVar = 1e-6

    def samples(self):
        return [WATER, WATER | {"positions": WATER["positions"] * 1.05}]
