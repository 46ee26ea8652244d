from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.morse import MorsePotential
from pal_core.data import Batch
from schnet_frames import clusters, copper, error, held_out, labelled, member, rattled, train

from pal_ase.schema import LABEL, SAMPLE

RMD17 = Path(__file__).resolve().parents[4] / "shared" / "reference" / "mlp"
KCAL = 0.0433641153  # kcal/mol in eV


def started(batch, validation=None, **options):
    model = member(**options)
    model.extend(batch, np.zeros(len(batch), bool) if validation is None else validation)
    return model


def test_a_short_fit_learns_a_morse_cluster():
    data, unseen = clusters(60), clusters(40, seed=9)
    model = started(data, held_out(data))
    before = np.abs(unseen.columns["forces"]).mean()
    train(model, 60)
    assert error(model, unseen) < 0.25 * before
    spread = unseen.columns["energy"].std()
    assert np.abs(model.predict(unseen).columns["energy"] - unseen.columns["energy"]).mean() < 0.3 * spread


def test_a_short_fit_learns_a_crystal_with_stress():
    data = copper(bulk("Cu", cubic=True).repeat((2, 1, 1)), stress=True)
    unseen = labelled(rattled(bulk("Cu", cubic=True).repeat((2, 1, 1)), 6, seed=5), EMT(), stress=True)
    model = started(data, stress=True, cutoff=4.0, batch_size=3)
    train(model, 120)
    found = model.predict(unseen).columns
    for name, share in (("forces", 0.4), ("stress", 0.4)):
        wanted = unseen.columns[name]
        assert np.abs(found[name] - wanted).mean() < share * np.abs(wanted - wanted.mean()).mean()


def test_molecules_of_several_compositions_are_learned_together():
    images = [a for name in ("H2O", "CO2", "CH4", "CO") for a in rattled(molecule(name), 12, width=0.05)]
    data = labelled(images, MorsePotential(epsilon=1.0, r0=1.1, rho0=2.0))
    model = started(data, batch_size=8)
    train(model, 50)
    assert error(model, data) < 0.25 * np.abs(data.columns["forces"]).mean()


@pytest.mark.skipif(not RMD17.is_dir(), reason=f"no reference data in {RMD17}")
def test_rmd17_ethanol_is_learned():
    """200 frames of revised MD17 (Christensen and von Lilienfeld, 2020); zero forces are off by 0.85 eV/Å."""
    frames = {}
    for part, count in (("train", 200), ("test", 100)):
        with np.load(RMD17 / f"rmd17_ethanol_{part}_02.npz") as file:
            atoms = np.tile(file["nuclear_charges"], count).astype(np.int32)
            columns = {
                "numbers": atoms,
                "positions": file["coords"][:count].reshape(-1, 3),
                "cell": np.zeros((count, 3, 3)),
                "pbc": np.zeros((count, 3), bool),
                "charge": np.zeros(count, np.int32),
                "multiplicity": np.ones(count, np.int32),
                "energy": file["energies"][:count] * KCAL,
                "forces": file["forces"][:count].reshape(-1, 3) * KCAL,
            }
            frames[part] = Batch(SAMPLE | LABEL, columns, np.arange(count + 1) * 9)
    model = started(frames["train"], features=32, interactions=3, basis=24)
    train(model, 40)
    assert error(model, frames["test"]) < 0.2
