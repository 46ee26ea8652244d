"""Energies, forces and stress are those of the library for the same weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from nequip.data import AtomicDataDict as Keys
from nequip.data import from_ase
from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
from nequip.integrations.ase import NequIPCalculator
from nequip_frames import KINDS, batch_of, ethanol, trained

from pal_ase.elements import SYMBOLS
from pal_nequip.convert import to_library
from pal_nequip.library import undisturbed

CUTOFFS = {"H": 3.0, "C": {"O": 3.5}}


def preparations(model):
    # The library's mapper ends before oganesson.
    return [ChemicalSpeciesToAtomTypeMapper(SYMBOLS[:-1]), NeighborListTransform(r_max=model.options.cutoff)]


def carbon():
    atoms = bulk("C", cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"per_edge_type_cutoff": CUTOFFS}], ids=["plain", "cutoffs"])
def test_results_are_those_of_nequips_calculator(kind, options):
    model = trained(kind, stress=True, **options)
    calculator = NequIPCalculator(
        to_library(model.options, model.weights()), device="cpu", transforms=preparations(model)
    )
    for atoms in (ethanol(), carbon()):
        found = model.predict(batch_of(atoms)).columns
        atoms.calc = calculator
        with undisturbed():
            assert found["energy"][0] == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
            np.testing.assert_allclose(found["forces"], atoms.get_forces(), atol=1e-9)
            if atoms.pbc.any():
                np.testing.assert_allclose(found["stress"][0], atoms.get_stress(voigt=False), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_batch_is_that_of_nequips_batched_forward(kind):
    model = trained(kind)
    images = [ethanol(), molecule("H2O"), ethanol(1)]
    data = []
    with undisturbed():
        for atoms in images:
            one = from_ase(atoms)
            for change in preparations(model):
                one = change(one)
            data.append(one)
        wanted = to_library(model.options, model.weights())(Keys.batched_from_list(data))
    found = model.predict(batch_of(*images)).columns
    np.testing.assert_allclose(found["energy"], wanted[Keys.TOTAL_ENERGY_KEY].detach().view(-1), atol=1e-9)
    np.testing.assert_allclose(found["forces"], wanted[Keys.FORCE_KEY].detach(), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_shorter_cutoffs_matter(kind):
    apart = molecule("OH")
    apart.set_distance(0, 1, 3.2)
    whole, short = (trained(kind, per_edge_type_cutoff=c).predict(batch_of(apart)) for c in ({}, {"H": 3.0, "O": 3.0}))
    assert np.abs(whole.columns["forces"]).max() > 1e-6
    assert not short.columns["forces"].any()


@pytest.mark.parametrize("kind", KINDS)
def test_process_that_builds_a_network_is_left_as_it_was(kind):
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_default_dtype()
    trained(kind, epochs=1)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert torch.get_default_dtype() == before[2] == torch.float32
