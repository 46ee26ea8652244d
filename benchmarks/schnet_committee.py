"""A committee of real SchNets for `admission.py`, trained on what has been admitted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
import torch
from planted import Case

from pal_ase.schema import LABEL, SAMPLE
from pal_core.data import Batch, Committee
from pal_core.kernels import Context, Expected, Label, Sample
from pal_schnet.model import SchnetCommittee
from pal_schnet.options import SchnetOptions

_ROUND = 40
_STEPS = 600
_OPTIONS = SchnetOptions(features=32, interactions=2, ema=0.99)


class Trained:
    """Three small members; a round of 600 steps on all labels whenever 40 new ones have been admitted."""

    def __init__(self, seed: int) -> None:
        torch.set_num_threads(1)
        self.members = [SchnetCommittee(_OPTIONS, Context("training", i, seed)) for i in range(3)]
        self.learned = 0

    def __call__(self, case: Case, known: Sequence[tuple[Sample, Label]]) -> Expected:
        """What they say of a sample."""
        if len(known) >= self.learned + _ROUND:
            self._learn(known)
        batch = Batch.from_samples(SAMPLE, [case.sample])
        committee = Committee([member.predict(batch) for member in self.members], version=1)
        return Expected(committee.mean[0], committee.std[0], 1)

    def _learn(self, known: Sequence[tuple[Sample, Label]]) -> None:
        new = [{**sample, **label} for sample, label in known[self.learned :]]
        self.learned = len(known)
        epochs = -(-_STEPS * _OPTIONS.batch_size // self.learned)
        for member in self.members:
            member.extend(Batch.from_samples(SAMPLE | LABEL, new), np.zeros(len(new), bool))
            for _ in islice(member.train(), epochs):
                pass
