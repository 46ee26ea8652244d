"""A committee whose members differ where two atoms are far apart, as a model of a run."""

from __future__ import annotations

import numpy as np
from pal_core.data import Batch
from pal_core.kernels import Model
from pal_core.options import Interface, KernelOptions
from surfaces import MullerBrown
from toy_committees import Pair

from pal_ase.codec import sample_to_atoms
from pal_ase.schema import LABEL, SAMPLE


class MemberOptions(KernelOptions):
    def interface(self):
        return Interface(consumes=SAMPLE, produces=LABEL)


class Member(Model):
    """A soft well at 3 Å; beyond 3.2 Å members 0 and 1 differ."""

    Options = MemberOptions

    def predict(self, batch):
        sign = 1 - 2 * self.context.index

        def function(d):
            away = max(d - 3.2, 0.0)
            return 0.5 * (d - 3) ** 2 + sign * away**2, d - 3 + sign * 2 * away

        return Batch.from_samples(LABEL, [Pair(function).predict(sample) for sample in batch])

    def weights(self):
        return {"none": np.zeros(1)}

    def load(self, weights):
        pass


class Map(Member):
    """The Müller-Brown surface; member 1 lies 0.02 eV higher."""

    def predict(self, batch):
        labels = []
        for sample in batch:
            found = MullerBrown()
            found.calculate(sample_to_atoms(sample))
            energy = np.array(found.results["energy"] + 0.02 * self.context.index)
            labels.append({"energy": energy, "forces": found.results["forces"]})
        return Batch.from_samples(LABEL, labels)
