from __future__ import annotations

import numpy as np
import pytest
from functions import rastrigin, rosenbrock, zdt1
from pal_core import rng

from pal_design.pareto import hypervolume
from pal_design.swarm import NoDesignError, Swarm, SwarmRules

RULES = SwarmRules()


def searched(function, dimensions, objectives, steps, rules=RULES, admissible=lambda place: True, seed=1):
    swarm = Swarm(rules, dimensions, objectives, rng.stream(seed, "test", 0), admissible=admissible)
    for _ in range(steps):
        values = function(swarm.places)
        swarm.tell(values, np.zeros(len(values)))
    return swarm


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_finds_the_lowest_of_many_minima(seed):
    swarm = searched(rastrigin, 3, 1, 200, SwarmRules(particles=30), seed=seed)
    assert swarm.archive.values.min() < 0.1  # the next minimum is 0.995 high
    np.testing.assert_allclose(10.24 * swarm.archive.places - 5.12, 0, atol=0.03)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_follows_a_bent_valley(seed):
    swarm = searched(rosenbrock, 2, 1, 200, seed=seed)
    assert swarm.archive.values.min() < 1e-3
    np.testing.assert_allclose(4.096 * swarm.archive.places - 2.048, 1, atol=0.1)


@pytest.mark.parametrize("seed", [1, 2])
def test_archive_covers_a_front(seed):
    swarm = searched(zdt1, 6, 2, 250, SwarmRules(particles=40), seed=seed)
    f1, f2 = swarm.archive.values.T
    np.testing.assert_allclose(f2, 1 - np.sqrt(f1), atol=0.03)
    # The area up to (1.1, 1.1) is 1.21 - 1/3; fifty points reach nearly that.
    assert hypervolume(swarm.archive.values, np.array([1.1, 1.1])) > 0.975 * (1.21 - 1 / 3)
    assert np.diff(np.sort(f1)).max() < 0.1


def test_limits_come_before_objectives():
    swarm = Swarm(SwarmRules(), 2, 1, rng.stream(1, "test", 0))
    for _ in range(80):
        total = swarm.places.sum(axis=1)
        swarm.tell(total[:, None], np.maximum(0, 1 - total))
    assert swarm.archive.violation.max() == 0
    assert swarm.archive.values.min() == pytest.approx(1, abs=1e-3)


def test_particles_stay_where_designs_are_admissible():
    asked = []

    def ring(place):
        return 0.2 < np.linalg.norm(place - 0.5) < 0.45

    def function(places):
        asked.extend(places)
        return ((places - 0.5) ** 2).sum(axis=1)[:, None]

    swarm = searched(function, 2, 1, 60, admissible=ring)
    assert all(ring(place) for place in asked)
    assert np.sqrt(swarm.archive.values.min()) == pytest.approx(0.2, abs=0.01)


def test_periodic_coordinate_is_searched_the_short_way():
    def function(places):
        return (1 - np.cos(2 * np.pi * (places - 0.99))).sum(axis=1)[:, None]

    swarm = Swarm(SwarmRules(mutation=0), 1, 1, rng.stream(1, "test", 0), periodic=np.array([True]))
    np.testing.assert_allclose(swarm.way(np.array([0.95]), np.array([0.05])), 0.1)
    swarm.places[:] = 0.97 + 0.002 * np.arange(20)[:, None] % 1
    for _ in range(40):
        swarm.tell(function(swarm.places), np.zeros(20))
    assert swarm.archive.places == pytest.approx(0.99, abs=1e-3)
    assert (swarm.places >= 0).all()
    assert (swarm.places < 1).all()


def test_space_without_admissible_designs_is_named():
    with pytest.raises(NoDesignError, match=r"none of 1000 random designs .* is admissible: change the bounds"):
        searched(rosenbrock, 2, 1, 1, admissible=lambda place: False)


def test_unknown_values_leave_no_trace():
    swarm = Swarm(SwarmRules(), 2, 1, rng.stream(1, "test", 0))
    for _ in range(3):
        assert not swarm.tell(np.full((20, 1), np.inf), np.full(20, np.inf))
    assert len(swarm.archive) == 0
    assert np.isfinite(swarm.places).all()


def test_remembered_values_are_replaced():
    swarm = searched(rosenbrock, 2, 1, 5)
    n = len(swarm.memory())
    swarm.remember(np.arange(n, dtype=float)[:, None] + 7, np.zeros(n))
    assert swarm.archive.values.min() == 7
    np.testing.assert_array_equal(swarm.archive.places[0], swarm.own.places[0])


def test_recalled_particles_rest_at_their_best_places():
    swarm = searched(rosenbrock, 2, 1, 5)
    swarm.recall(np.arange(20) < 3)
    np.testing.assert_array_equal(swarm.places[:3], swarm.own.places[:3])
    assert (swarm.places[3:] != swarm.own.places[3:]).any()


def test_restart_keeps_the_elite_and_forgets_the_rest():
    swarm = searched(zdt1, 3, 2, 10)
    old = swarm.archive
    swarm.restart(2)
    assert len(swarm.archive) == 0
    assert all((old.places == place).all(axis=1).any() for place in swarm.places[:2])
    assert np.isinf(swarm.own.violation).all()


def test_state_goes_on_exactly():
    swarm = searched(zdt1, 3, 2, 4)
    twin = Swarm(SwarmRules(), 3, 2, rng.stream(9, "other", 0))
    twin.load(swarm.state())
    for s in (swarm, twin):
        for _ in range(3):
            s.tell(zdt1(s.places), np.zeros(20))
    np.testing.assert_array_equal(swarm.places, twin.places)
    np.testing.assert_array_equal(swarm.archive.values, twin.archive.values)
