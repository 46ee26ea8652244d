"""A short training on labels of GFN2-xTB, an outside program's."""

from __future__ import annotations

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from mace_frames import member, trained

from pal_ase.codec import atoms_to_batch
from pal_ase.schema import LABEL, SAMPLE
from pal_ase.testing.structures import rattled


def labelled(count):
    tblite = pytest.importorskip("tblite.ase")
    calculator = tblite.TBLite(method="GFN2-xTB", verbosity=0)
    images = []
    for seed in range(count):
        atoms = rattled("CH3CH2OH", seed)
        atoms.calc = calculator
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        images.append(atoms)
    return atoms_to_batch(images, SAMPLE | LABEL)


def test_learns_ethanol_of_gfn2():
    """Displaced by 0.08 Å; predicting zero is off by 2.3 eV/Å."""
    data, unseen = (slice(0, 60), slice(60, 80))
    frames = labelled(80)
    take = [frames.take(np.isin(np.arange(80), np.arange(80)[part])) for part in (data, unseen)]
    model = trained(member(features=8, correlation=3, batch_size=5), take[0], 15)
    found, wanted = model.predict(take[1]).columns["forces"], take[1].columns["forces"]
    assert np.abs(wanted).mean() > 1.5
    assert np.abs(found - wanted).mean() < 0.3
