from __future__ import annotations

from typing import ClassVar

from mace_frames import SMALL

from pal_ase.testing import AtomisticModelContract


class TestMace(AtomisticModelContract):
    plugin = "pal_mace.plugin"
    name = "mace.committee"
    options: ClassVar = SMALL


class TestChargesAndHigherMomenta(AtomisticModelContract):
    """Charge and multiplicity, scalars only between the layers, three bodies coupled, another radial basis."""

    plugin = "pal_mace.plugin"
    name = "mace.committee"
    options: ClassVar = {
        **SMALL,
        "charge_embedding": True,
        "hidden_l": 0,
        "max_l": 1,
        "correlation": 3,
        "radial": "gaussian",
    }
