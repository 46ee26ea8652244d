from __future__ import annotations

from typing import ClassVar

from ase.build import bulk
from ase.calculators.emt import EMT
from pal_core.testing import ModelContract
from schnet_frames import SMALL, clusters, labelled, rattled


class TestClusters(ModelContract):
    plugin = "pal_schnet.plugin"
    name = "schnet.committee"
    options: ClassVar = {**SMALL, "batch_size": 4}
    tolerance = 1e-5

    def labelled(self):
        return clusters(24)


class TestCrystals(ModelContract):
    """Stress, float64, and cells of different sizes."""

    plugin = "pal_schnet.plugin"
    name = "schnet.committee"
    options: ClassVar = {**SMALL, "batch_size": 4, "stress": True, "dtype": "float64"}
    tolerance = 1e-10

    def labelled(self):
        small, large = bulk("Cu", cubic=True), bulk("Cu", "fcc", a=3.7, cubic=True).repeat((2, 1, 1))
        return labelled(rattled(small, 6) + rattled(large, 6), EMT(), stress=True)
