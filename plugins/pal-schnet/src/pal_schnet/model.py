"""The kernel: one member of a SchNet committee."""

from __future__ import annotations

from typing import ClassVar

from pal_core.options import KernelOptions

from pal_ase.learning.model import AtomisticModel
from pal_schnet.network import SchnetNetwork
from pal_schnet.options import SchnetOptions
from pal_schnet.parameters import Architecture, Parameters

__all__ = ["SchnetCommittee"]


class SchnetCommittee(AtomisticModel):
    """SchNet that predicts with averaged weights and trains on energies and forces."""

    Options: ClassVar[type[KernelOptions]] = SchnetOptions
    options: SchnetOptions
    kernel = "schnet.committee"
    shaping = "cutoff, features, interactions, basis, charge_embedding, charges and multiplicities"

    def _network(self, seed: int) -> SchnetNetwork:
        options, frame = self.options, self.frame
        states = (options.charges, options.multiplicities) if options.charge_embedding else ()
        shape = Architecture(options.features, options.interactions, options.basis, options.cutoff, *states)
        return SchnetNetwork(Parameters.random(shape, seed, frame.dtype, frame.device))
