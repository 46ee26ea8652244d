from __future__ import annotations

from typing import ClassVar

from schnet_frames import SMALL

from pal_ase.testing import AtomisticModelContract


class TestPotential(AtomisticModelContract):
    plugin = "pal_schnet.plugin"
    name = "schnet.committee"
    options: ClassVar = {**SMALL, "batch_size": 4}
    tolerance = 1e-5
    precision = 1e-12


class TestCharges(TestPotential):
    options: ClassVar = {**TestPotential.options, "charge_embedding": True, "charges": 2}
