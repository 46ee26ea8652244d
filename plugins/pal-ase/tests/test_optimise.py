from __future__ import annotations

import json

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.optimize import BFGS, FIRE
from ase_engine import FreshEMT, Player
from pal_core.kernels import Stop

from pal_ase.optimise import OptimizeWalker
from pal_ase.search_options import OptimizeOptions


@pytest.fixture
def crystals(save):
    """Three crystals out of place, in a file."""
    images = [bulk("Cu", cubic=True) for _ in range(3)]
    for k, image in enumerate(images):
        image.rattle(0.05 + 0.02 * k, seed=k)
    return save(*images)


def optimiser(path, context, index=0, **keywords):
    return Player(OptimizeWalker(OptimizeOptions(structure=path, trajectory=0, **keywords), context(index)))


def records(context):
    return json.loads((context().directory / "minima" / "walker-000.json").read_text())


@pytest.mark.parametrize(("name", "kind"), [("BFGS", BFGS), ("FIRE", FIRE)])
def test_minimum_is_that_of_ases_optimiser_run_directly(name, kind, crystals, context):
    player = optimiser(crystals, context, optimizer=name, fmax=0.01, jobs=1)
    player.play()
    atoms = player.walker.structures[0].copy()
    atoms.calc = FreshEMT()
    kind(atoms, logfile=None).run(fmax=0.01, steps=500)
    np.testing.assert_array_equal(player.positions[-1], atoms.positions)
    (record,) = records(context)
    assert record["converged"]
    assert record["energy"] == atoms.get_potential_energy()


def test_minimum_goes_to_the_oracle_and_nothing_else_must(crystals, context):
    player = optimiser(crystals, context, jobs=1)
    player.play()
    assert player.stop == Stop("1 jobs done")
    assert player.labels == [None] * (len(player.labels) - 1) + [True]
    player = optimiser(crystals, context, jobs=1, verify=False)
    player.play()
    assert set(player.labels) == {None}


def test_every_structure_of_the_list_is_minimised_and_written(crystals, context):
    player = optimiser(crystals, context)
    player.play()
    assert player.stop == Stop("3 jobs done")
    found = records(context)
    assert [(r["job"], r["structure"]) for r in found] == [(0, 0), (1, 1), (2, 2)]
    frames = ase.io.read(context().directory / "minima" / "walker-000.extxyz", ":")
    assert [f.info["pal_job"] for f in frames] == [0, 1, 2]
    np.testing.assert_allclose([f.get_potential_energy() for f in frames], [r["energy"] for r in found])
    # All of them are the perfect crystal.
    perfect = bulk("Cu", cubic=True)
    perfect.calc = FreshEMT()
    np.testing.assert_allclose([r["energy"] for r in found], perfect.get_potential_energy(), atol=1e-3)


def test_minimum_that_is_not_reached_is_told_and_not_sent(crystals, context, notes):
    player = optimiser(crystals, context, steps=2, jobs=1)
    player.play()
    assert notes == ["walker 0: no minimum in 2 steps"]
    assert not records(context)[0]["converged"]
    assert True not in player.labels


def test_restored_walker_goes_on_with_its_job_at_the_last_trusted_geometry(crystals, context):
    player = optimiser(crystals, context)
    while player.walker.counts.runs < 1:
        player.play(1)
    player.play(3)
    state = player.walker.snapshot()
    twin = optimiser(crystals, context)
    twin.walker.restore(state)
    np.testing.assert_array_equal(twin.play(1)[0]["positions"], player.proposals[-2]["positions"])
    twin.play()
    assert [r["job"] for r in records(context)] == [0, 1, 2]


def test_results_of_a_job_that_is_done_again_take_the_place_of_the_old_ones(crystals, context):
    optimiser(crystals, context).play()
    first = records(context)
    player = optimiser(crystals, context, jobs=1)
    player.play()
    assert records(context) == first[:1]
    assert len(ase.io.read(context().directory / "minima" / "walker-000.extxyz", ":")) == 1


def test_job_that_is_reset_again_and_again_is_given_up(crystals, context, notes):
    player = optimiser(crystals, context, patience=0, give_up_after=3)
    player.play(trusted=lambda k: k >= 4)
    assert player.stop == Stop("3 jobs done")
    np.testing.assert_array_equal(player.positions[:4], np.stack([player.walker.structures[0].positions] * 4))
    np.testing.assert_array_equal(player.positions[4], player.walker.structures[1].positions)
    reason = "given up after 3 resets by the same model, the last time since patience is over"
    assert notes == [f"walker 0: job 0 is {reason}"]
    first, *others = records(context)
    assert (first["converged"], first["reason"]) == (False, reason)
    assert all(r["converged"] for r in others)
    assert player.walker.counts.resets == 3


def test_resets_of_a_job_outlive_a_restart(crystals, context):
    player = optimiser(crystals, context, patience=0, give_up_after=3)
    player.play(3, trusted=lambda k: False)
    twin = optimiser(crystals, context, patience=0, give_up_after=3)
    twin.walker.restore(player.walker.snapshot())
    twin.play(3, trusted=lambda k: False)
    assert twin.walker.counts.runs == 1


def test_job_goes_on_while_models_get_newer(crystals, context):
    player = optimiser(crystals, context, patience=0, give_up_after=3)
    for version in range(1, 9):
        player.version = version
        player.play(2, trusted=lambda k: False)
    assert (player.walker.counts.runs, player.walker.counts.resets) == (0, 15)
