from __future__ import annotations

from typing import ClassVar

from nequip_frames import ALLEGRO, NEQUIP

from pal_ase.testing import AtomisticModelContract


class TestNequip(AtomisticModelContract):
    plugin = "pal_nequip.plugin"
    name = "nequip.nequip"
    options: ClassVar = {**NEQUIP, "batch_size": 8, "learning_rate": 0.01}


class TestNequipCharges(TestNequip):
    options: ClassVar = {**TestNequip.options, "charge_embedding": True}


class TestAllegro(AtomisticModelContract):
    plugin = "pal_nequip.plugin"
    name = "nequip.allegro"
    options: ClassVar = {**ALLEGRO, "batch_size": 8, "learning_rate": 0.01, "charge_embedding": True}
