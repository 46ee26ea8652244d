"""The contracts of pal-core, with stand-ins for Turbomole's programs."""

from __future__ import annotations

from typing import ClassVar

import pytest
from installed import H2, build
from pal_core.testing import OracleContract, PluginContract


class TestPlugin(PluginContract):
    plugin = "pal_turbomole.plugin"


class Molecules(OracleContract):
    plugin = "pal_turbomole.plugin"

    @pytest.fixture(autouse=True)
    def _installed(self, turbomole):
        """Put stand-ins where Turbomole would be."""

    def samples(self):
        return [build([1, 1], H2), build([1, 1], H2, 1, 2)]


class TestDft(Molecules):
    name = "turbomole.dft"
    options: ClassVar = {"functional": "hf", "basis": "sto-3g"}


class TestTddft(Molecules):
    name = "turbomole.tddft"
    options: ClassVar = {"functional": "hf", "basis": "6-31g", "states": 1, "response": "tda"}
