"""Saddle points and what lies below them, on a surface of which everything is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from surfaces import MINIMA, MINIMUM_ENERGIES, SADDLE_ENERGIES, SADDLES, MullerBrown, on_surface
from test_vibrations import inside

from pal_ase.descent import descend
from pal_ase.saddle import Effort, find_saddle
from pal_ase.vibrations import vibrations

EFFORT = Effort(fmax=1e-4, steps=100, longest=0.1, displacement=1e-4)


def search(start, method="eigenvector", along=None, effort=EFFORT):
    """Where a search ends, its second derivatives, and the turns' sizes."""
    atoms = on_surface(*start)
    direction = None if along is None else np.array([[*along, 0], [0, 0, 0]])
    rng = np.random.default_rng(0)
    second, sizes = inside(lambda a: find_saddle(a, method, effort, direction, rng), atoms, MullerBrown())
    return atoms, second, sizes


@pytest.mark.parametrize("method", ["eigenvector", "dimer"])
@pytest.mark.parametrize("k", [0, 1])
def test_search_ends_at_the_saddle_point_of_the_paper(method, k):
    atoms, second, _ = search(SADDLES[k] + [0.05, -0.06], method, along=[1.0, -0.6])
    np.testing.assert_allclose(atoms.positions[0, :2], SADDLES[k], atol=6e-4)
    energy = MullerBrown().get_property("energy", atoms)
    assert energy == pytest.approx(SADDLE_ENERGIES[k], abs=2e-5)
    assert vibrations(atoms, second).imaginary(50) == 1


def test_every_step_that_follows_a_mode_is_one_turn():
    _, _, sizes = search(SADDLES[0] + [0.05, -0.06])
    assert set(sizes) == {1 + 6}
    assert len(sizes) < 12


@pytest.mark.parametrize("k", [0, 1])
def test_updated_second_derivatives_lead_to_the_same_saddle_point_with_fewer_predictions(k):
    start = SADDLES[k] + [0.1, -0.12]
    atoms, second, sizes = search(start, along=[1.0, -0.6], effort=replace(EFFORT, renew=4))
    _, exact, all_sizes = search(start, along=[1.0, -0.6])
    np.testing.assert_allclose(atoms.positions[0, :2], SADDLES[k], atol=6e-4)
    np.testing.assert_allclose(second, exact, rtol=2e-3, atol=1e-3)
    assert sum(sizes) < sum(all_sizes)
    assert sizes.count(1) > sizes.count(7)


def test_search_climbs_out_of_a_minimum_along_the_direction_given():
    found = [search(MINIMA[2] + 0.02 * np.array(d), along=d)[0].positions[0, :2] for d in ((1.0, -0.7), (-1.0, 0.2))]
    np.testing.assert_allclose(found, SADDLES[::-1], atol=1e-3)


def test_search_that_takes_too_long_finds_nothing():
    effort = Effort(fmax=1e-4, steps=2, longest=0.01, displacement=1e-3)
    assert search(MINIMA[0], effort=effort)[1] is None


@pytest.mark.parametrize(("saddle", "ends"), [(0, {0, 2}), (1, {1, 2})])
def test_reaction_coordinate_leads_to_both_minima(saddle, ends):
    atoms, second, _ = search(SADDLES[saddle])
    modes = vibrations(atoms, second)
    sides, sizes = inside(lambda a: descend(a, modes, 0.03, 200, 0.001), atoms, MullerBrown())
    reached = {int(np.argmin(np.linalg.norm(MINIMA - s.atoms.positions[0, :2], axis=1))) for s in sides}
    assert reached == ends
    for side in sides:
        k = int(np.argmin(np.linalg.norm(MINIMA - side.atoms.positions[0, :2], axis=1)))
        assert side.energy == pytest.approx(MINIMUM_ENERGIES[k], abs=1e-4)
        assert side.converged
        energies = [MullerBrown().get_property("energy", on_surface(*p[0, :2])) for p in side.path]
        assert np.all(np.diff(energies) <= 0)
        assert energies[0] < SADDLE_ENERGIES[saddle]
    assert max(sizes) == 2
    assert sizes.count(2) > 10


def test_missing_sella_is_explained(monkeypatch):
    from pal_core.errors import PalError

    import pal_ase.saddle

    monkeypatch.setattr(pal_ase.saddle, "find_spec", lambda name: None)
    with pytest.raises(PalError, match='method = "sella" needs the package sella, which is not installed') as caught:
        search(SADDLES[0], "sella")
    assert caught.value.hint == "pip install pal-ase[ts]"
