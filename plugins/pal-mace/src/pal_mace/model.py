"""The kernel: one member of a MACE committee."""

from __future__ import annotations

from typing import ClassVar

from pal_core.kernels import Context
from pal_core.options import KernelOptions

from pal_ase.elements import ELEMENTS
from pal_ase.learning.model import AtomisticModel, Units
from pal_ase.learning.modelfile import agree_on_charge
from pal_mace.architecture import Architecture
from pal_mace.modelfile import read, references
from pal_mace.network import MaceNetwork
from pal_mace.options import MaceOptions

__all__ = ["MaceCommittee"]


class MaceCommittee(AtomisticModel):
    """MACE that predicts with averaged weights and trains on energies, forces and stress."""

    Options: ClassVar[type[KernelOptions]] = MaceOptions
    options: MaceOptions
    kernel = "mace.committee"
    shaping = "model, charge_embedding, " + ", ".join(MaceOptions.architecture())

    def __init__(self, options: MaceOptions, context: Context) -> None:
        self._file = None if options.model is None else read(options.model)
        if self._file is not None:
            found = self._file.architecture
            agree_on_charge(found.embedding is not None, options, self.kernel)
            options = options.model_copy(update={"cutoff": found.cutoff, "charges": found.charges})
        super().__init__(options, context)
        if options.new_readouts:
            self._draw_readouts(context.random_seed("weights"))
        self._file = None

    def _network(self, seed: int) -> MaceNetwork:
        module = self._architecture.build(seed) if self._file is None else self._file.build(seed)
        options = self.options
        frozen = {"readouts_only": options.train == "readouts", "accelerate": options.accelerate}
        return MaceNetwork(module, self.frame.dtype, self.frame.device, **frozen)

    @property
    def _architecture(self) -> Architecture:
        return Architecture.of(self.options) if self._file is None else self._file.architecture

    def _draw_readouts(self, seed: int) -> None:
        """Put new weights in place of the readouts' that came from a file."""
        drawn = self._architecture.build(seed).named_parameters()
        readouts = {n: p.detach().numpy() for n, p in drawn if n.startswith("readouts.")}
        self.load({**self.weights(), **readouts})

    def _units(self) -> Units | None:
        if self._file is None:
            return None
        return Units(references(self._file.tensors, self._file.architecture.elements, ELEMENTS))
