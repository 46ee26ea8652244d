from __future__ import annotations

import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase_engine import Player, Springs
from pal_core.errors import PalError
from pal_core.kernels import Stop

from pal_ase.dynamics import LangevinWalker, VerletWalker
from pal_ase.jobs import Deal
from pal_ase.options import LangevinOptions, VerletOptions
from pal_ase.smiles import read_smiles


@pytest.mark.parametrize(("walkers", "structures"), [(1, 1), (1, 7), (3, 7), (3, 9), (7, 3), (4, 4)])
def test_every_structure_is_taken_once_before_one_is_taken_twice(walkers, structures):
    taken = []
    for walker in range(walkers):
        deal, done = Deal(walker, walkers, structures, "list"), 0
        while not deal.over(done):
            taken.append(deal.structure(done))
            done += 1
    assert sorted(taken) == list(range(structures))


def test_endless_deal_begins_the_list_anew():
    deal = Deal(1, 2, 3, "endless")
    assert [deal.structure(k) for k in range(6)] == [1, 0, 2, 1, 0, 2]
    assert not deal.over(10**9)


def test_deal_ends_after_its_jobs():
    assert [Deal(5, 6, 1, 2).over(done) for done in range(4)] == [False, False, True, True]


@pytest.fixture
def chain(save):
    """Molecules of different sizes, on springs of their own."""
    images = [molecule(name) for name in ("H2O", "CH4", "CH3CH2OH", "NH3", "C2H6")]
    places = {len(a): a.positions for a in images}

    class Each(Springs):
        def calculate(self, atoms=None, properties=None, system_changes=None):
            self.places = places[len(atoms)]
            super().calculate(atoms, properties, system_changes)

    return save(*images), images, Each(None)


def _start_sizes(player):
    sizes = [len(p["numbers"]) for p in player.proposals]
    return [size for k, size in enumerate(sizes) if not k or size != sizes[k - 1]]


def test_dynamics_takes_the_next_structure_when_it_has_made_its_steps(chain, context):
    path, images, calculator = chain
    found = []
    for index in range(2):
        options = LangevinOptions(structure=path, steps=4, jobs="list", timestep=0.2)
        player = Player(LangevinWalker(options, context(index, count=2)), calculator)
        found.append(player.play() and _start_sizes(player))
        assert player.stop == Stop(f"{(12, 8)[index]} steps made")
        assert len(player.proposals) == (15, 10)[index]
    assert found == [[len(images[k]) for k in order] for order in ([0, 2, 4], [1, 3])]


def test_walker_without_a_structure_ends_at_once(chain, context):
    options = VerletOptions(structure=chain[0], steps=4, jobs="list")
    walker = VerletWalker(options, context(5, count=6))
    assert walker.propose(None) == Stop("0 steps made")
    assert walker.propose(None) == Stop("0 steps made")
    assert len(walker.bootstrap()["numbers"]) in {len(a) for a in chain[1]}


@pytest.mark.parametrize("before", [5, 6, 7, 12])
def test_walker_restored_in_a_later_job_goes_on_bit_for_bit(before, chain, context):
    path, _, calculator = chain
    options = VerletOptions(structure=path, steps=5, jobs=3, timestep=0.2)

    def make():
        return Player(VerletWalker(options, context(1, count=2)), calculator)

    whole = make()
    whole.play()
    first = make()
    first.play(before)
    state = first.walker.snapshot()
    second = make()
    second.walker.restore(state)
    second.play()
    for one, other in zip(second.proposals, whole.proposals[before - 1 :], strict=True):
        np.testing.assert_array_equal(one["positions"], other["positions"])
    assert second.stop == whole.stop == Stop("15 steps made")


def test_new_job_begins_with_fresh_patience_and_at_its_own_start(chain, context):
    path, images, calculator = chain
    options = VerletOptions(structure=path, steps=3, jobs=2, patience=3, timestep=0.2)
    player = Player(VerletWalker(options, context(count=1)), calculator)
    player.play(6, lambda k: k == 0)
    np.testing.assert_array_equal(player.proposals[4]["positions"], images[1].positions)
    assert player.walker.counts.resets == 0


def test_jobs_without_an_end_are_refused(chain):
    with pytest.raises(ValueError, match="jobs = 'list' needs steps: without, a walker stays with its first"):
        LangevinOptions(structure=chain[0], jobs="list")


SMILES = "CCO ethanol\n\n# radicals and ions\n[CH3] methyl\n[NH4+]\nCC(=O)[O-] acetate\n"


def test_smiles_become_structures(tmp_path, context):
    pytest.importorskip("rdkit")
    path = tmp_path / "list.smi"
    path.write_text(SMILES)
    walkers = [VerletWalker(VerletOptions(structure=path), context(k, count=4)) for k in range(4)]
    samples = [w.propose(None) for w in walkers]
    formulas = [Atoms(s["numbers"]).get_chemical_formula() for s in samples]
    assert formulas == ["C2H6O", "CH3", "H4N", "C2H3O2"]
    assert [int(s["charge"]) for s in samples] == [0, 0, 1, -1]
    assert [int(s["multiplicity"]) for s in samples] == [1, 2, 1, 1]
    # C-C, C-O of ethanol and C-H of methyl, by microwave and infrared spectroscopy (NIST CCCBDB), in Å
    assert np.linalg.norm(samples[0]["positions"][0] - samples[0]["positions"][1]) == pytest.approx(1.512, abs=0.04)
    assert np.linalg.norm(samples[0]["positions"][1] - samples[0]["positions"][2]) == pytest.approx(1.431, abs=0.05)
    assert np.linalg.norm(samples[1]["positions"][0] - samples[1]["positions"][1]) == pytest.approx(1.079, abs=0.05)
    assert read_smiles(path)[0].info["name"] == "ethanol"


def test_line_that_is_no_smiles_is_named(tmp_path):
    pytest.importorskip("rdkit")
    path = tmp_path / "list.smi"
    path.write_text("CCO\nC(C\n")
    with pytest.raises(PalError, match=r"list.smi, line 2: C\(C is no SMILES that RDKit understands"):
        read_smiles(path)


def test_smiles_without_rdkit_are_refused(tmp_path, context, monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    path = tmp_path / "list.smi"
    path.write_text(SMILES)
    with pytest.raises(PalError, match=r"ase.verlet: structure: .*list.smi holds SMILES, which RDKit reads") as caught:
        VerletWalker(VerletOptions(structure=path), context())
    assert caught.value.hint == "pip install rdkit"
