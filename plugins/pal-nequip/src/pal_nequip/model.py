"""The kernels: one member of a NequIP or Allegro committee."""

from __future__ import annotations

from typing import ClassVar

from pal_core.options import KernelOptions

from pal_ase.learning.model import AtomisticModel
from pal_nequip.library import Recipe
from pal_nequip.network import EquivariantNetwork
from pal_nequip.options import AllegroOptions, EquivariantOptions, NequipOptions

__all__ = ["AllegroCommittee", "NequipCommittee"]


class EquivariantCommittee(AtomisticModel):
    """What both kernels have in common: all but their names and options."""

    options: EquivariantOptions
    shaping = "cutoff, states and sizes of the network"

    def _network(self, seed: int) -> EquivariantNetwork:
        return EquivariantNetwork(Recipe.of(self.options), seed, self.frame.dtype, self.frame.device)


class NequipCommittee(EquivariantCommittee):
    """NequIP: S. Batzner et al., Nat. Commun. 13, 2453 (2022)."""

    Options: ClassVar[type[KernelOptions]] = NequipOptions
    kernel = "nequip.nequip"


class AllegroCommittee(EquivariantCommittee):
    """Allegro: A. Musaelian et al., Nat. Commun. 14, 579 (2023)."""

    Options: ClassVar[type[KernelOptions]] = AllegroOptions
    kernel = "nequip.allegro"
