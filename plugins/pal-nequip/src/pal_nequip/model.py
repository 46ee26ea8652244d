"""The kernels: one member of a NequIP or Allegro committee."""

from __future__ import annotations

from typing import ClassVar

from pal_core.kernels import Context
from pal_core.options import KernelOptions

from pal_ase.learning.model import AtomisticModel
from pal_ase.learning.modelfile import agree_on_charge
from pal_nequip.energies import AtomicEnergies, is_readout
from pal_nequip.library import Recipe
from pal_nequip.modelfile import read
from pal_nequip.network import EquivariantNetwork
from pal_nequip.options import AllegroOptions, EquivariantOptions, NequipOptions

__all__ = ["AllegroCommittee", "NequipCommittee"]


class EquivariantCommittee(AtomisticModel):
    """What both kernels have in common: all but their names and options."""

    options: EquivariantOptions
    shaping = "model, cutoff, charge_embedding, charges, multiplicities and sizes of the network"

    def __init__(self, options: EquivariantOptions, context: Context) -> None:
        file = None if options.model is None else read(options.model, self.kernel.removeprefix("nequip."))
        if file is not None:
            agree_on_charge(bool(file.options.get("charge_embedding", False)), options, self.kernel)
        super().__init__(options if file is None else file.applied(options), context)
        if file is not None and options.weights is None:
            self.load(file.weights)
        if options.new_readouts:
            self._draw_readout()

    def _network(self, seed: int) -> EquivariantNetwork:
        options, frame = self.options, self.frame
        return EquivariantNetwork(
            Recipe.of(options),
            seed,
            frame.dtype,
            frame.device,
            readouts_only=options.train == "readouts",
            inference=options.inference,
        )

    def _draw_readout(self) -> None:
        """Put this member's first readout in place of the one that came from a file."""
        drawn = AtomicEnergies(Recipe.of(self.options), self.context.random_seed("weights")).named_parameters()
        self.load({**self.weights(), **{n: p.detach().numpy() for n, p in drawn if is_readout(n)}})


class NequipCommittee(EquivariantCommittee):
    """NequIP: S. Batzner et al., Nat. Commun. 13, 2453 (2022)."""

    Options: ClassVar[type[KernelOptions]] = NequipOptions
    kernel = "nequip.nequip"


class AllegroCommittee(EquivariantCommittee):
    """Allegro: A. Musaelian et al., Nat. Commun. 14, 579 (2023)."""

    Options: ClassVar[type[KernelOptions]] = AllegroOptions
    kernel = "nequip.allegro"
