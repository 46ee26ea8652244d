from __future__ import annotations

import numpy as np
import pytest
from pal_core.kernels import Stop
from searches import context, feedback, places, wanted

from pal_design.box import BoxSwarm
from pal_design.options import SwarmBoxOptions


def swarm(notes=None, **options):
    values = {"lower": (-2.0, -2.0), "upper": (2.0, 2.0), "minimise": ("f",), "particles": 10, "mutation": 0.0}
    return BoxSwarm(SwarmBoxOptions(**values | options), context(notes))


def bowl(x, centre=0.7):
    return float(((x - centre) ** 2).sum())


def turn(walker, proposal, function=bowl, **more):
    return walker.propose([feedback(function(x), **more) for x in places(proposal)])


def test_finds_the_minimum_and_has_it_verified():
    notes = []
    walker = swarm(notes, stall=10, longest=60, verify=1)
    proposal = walker.propose(None)
    while True not in wanted(proposal):
        proposal = turn(walker, proposal)
    assert wanted(proposal) == [True]
    np.testing.assert_allclose(places(proposal), 0.7, atol=0.02)
    after = turn(walker, proposal)
    assert len(places(after)) == 10
    assert notes[0].startswith("swarm verified 1 designs after")
    assert "best prediction: f" in notes[0]


def test_no_design_is_verified_twice():
    walker = swarm(stall=8, longest=30, apart=0.05)
    proposal, verified = walker.propose(None), []
    for _ in range(150):
        if True in wanted(proposal):
            verified += list(places(proposal))
        proposal = turn(walker, proposal)
    gaps = [np.sqrt(np.mean((a - b) ** 2)) / 4 for i, a in enumerate(verified) for b in verified[:i]]
    assert len(verified) > 1
    assert min(gaps) >= 0.05


def test_restart_keeps_the_elite_and_spreads_the_rest():
    walker = swarm(stall=40, longest=40, elite=2)
    proposal = walker.propose(None)
    while True not in wanted(proposal):
        last, proposal = proposal, turn(walker, proposal)
    fresh = places(turn(walker, proposal))
    np.testing.assert_allclose(fresh[0], places(proposal)[0])
    assert np.ptp(fresh, axis=0).min() > 2
    assert np.median(np.abs(places(last) - 0.7)) < 0.1


def test_untrusted_predictions_never_beat_trusted_ones():
    walker = swarm(stall=1000, longest=1000, patience=1000)
    proposal = walker.propose(None)
    for _ in range(60):
        # Far out the committee promises wonders that it isn't sure of.
        xs = places(proposal)
        proposal = walker.propose([feedback(bowl(x) if x[0] < 1 else -100, trusted=x[0] < 1) for x in xs])
    assert np.abs(walker.snapshot()["swarm_archive_values"]).max() < 0.1


def test_patience_sends_particles_back_to_their_best_places():
    walker = swarm(patience=2, stall=1000, longest=1000)
    proposal = turn(walker, walker.propose(None))
    for _ in range(2):
        proposal = turn(walker, proposal, lambda x: 50.0, trusted=False)
    proposal = turn(walker, proposal, lambda x: 50.0, trusted=False)
    np.testing.assert_allclose(walker.space.place(places(proposal)), walker.snapshot()["swarm_own_places"])


def test_penalty_keeps_away_from_uncertain_promises():
    def found(penalty):
        walker = swarm(penalty=penalty, stall=1000, longest=1000)
        proposal = walker.propose(None)
        for _ in range(60):
            # Equally deep everywhere along the first coordinate; less and less certain.
            xs = places(proposal)
            proposal = walker.propose([feedback(x[1] ** 2, std=0.1 * (x[0] + 2)) for x in xs])
        return walker.space.vector(walker.snapshot()["swarm_archive_places"][0])[0]

    assert found(2.0) < -1.9
    assert found(-2.0) > 1.9


def test_what_the_oracle_has_refuted_is_forgotten():
    walker = swarm(recall=2, stall=1000, longest=1000)
    proposal = walker.propose(None)
    for _ in range(20):
        proposal = turn(walker, proposal, lambda x: bowl(x, -1.5))
    sizes = []
    for _ in range(40):
        sizes.append(len(places(proposal)))
        proposal = turn(walker, proposal, lambda x: bowl(x, 1.0) + 5, version=2)
    assert sizes.count(11) == 1  # ten particles' and the archive's places are asked once
    assert walker.snapshot()["swarm_archive_values"][0] == pytest.approx(5, abs=0.1)


def test_walker_ends_after_its_turns():
    walker = swarm(turns=2)
    proposal = turn(walker, walker.propose(None))
    assert isinstance(turn(walker, proposal), Stop)


def test_committee_that_predicts_nothing_finite_is_noted():
    notes = []
    walker = swarm(notes, longest=2, stall=2)
    proposal = walker.propose(None)
    for _ in range(3):
        proposal = turn(walker, proposal, lambda x: np.nan)
    assert notes == ["swarm found no design with a finite prediction"]
    assert len(places(proposal)) == 10
