from __future__ import annotations

from typing import ClassVar

from pal_ase.testing import AtomisticModelContract


class TestNequip(AtomisticModelContract):
    plugin = "pal_nequip.plugin"
    name = "nequip.nequip"
    options: ClassVar = {"num_layers": 2, "num_features": 8, "radial_mlp_width": 16, "batch_size": 4}


class TestAllegro(AtomisticModelContract):
    plugin = "pal_nequip.plugin"
    name = "nequip.allegro"
    options: ClassVar = {"num_scalar_features": 16, "num_tensor_features": 4, "batch_size": 4}
