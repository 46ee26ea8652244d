from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from channels import SMALL, stand_in
from pal_core.kernels import Context, Feedback
from pal_core.testing import GeneratorContract
from pydantic import ValidationError

from pal_cfd.channel_options import ChannelOptions
from pal_cfd.geometry import bounds, mask, problems
from pal_cfd.goals import ChannelGoals, performance
from pal_cfd.search_options import ChannelSwarmOptions
from pal_cfd.space import ChannelSpace
from pal_cfd.walkers import ChannelSwarm

FEW = {**SMALL.model_dump(), "particles": 4}


class _Channels(GeneratorContract):
    plugin = "pal_cfd.plugin"

    def feedback(self, sample):
        label = stand_in(sample["mask"])
        return self.feedback_of({name: label[name] for name in ("cf", "st") if name in self.interface().consumes})


class TestSwarm(_Channels):
    name = "cfd.swarm"
    options: ClassVar = {**FEW, "objective": ["pareto", "performance"], "stall": 2, "longest": 3, "recall": 1}
    steps = 8


class TestRandom(_Channels):
    name = "cfd.random"
    options: ClassVar = {**SMALL.model_dump(), "points": 4}


class TestGest(_Channels):
    name = "cfd.gest"
    options: ClassVar = {
        **SMALL.model_dump(),
        "generator": "uniform:Uniform",
        "seed_argument": "seed",
        "batch": 3,
        "largest_cf": 1.0,
    }


def searched(turns, **options):
    """Designs of a swarm's last turn but one, with a committee that knows the made-up truth."""
    walker = ChannelSwarm(ChannelSwarmOptions(**FEW | {"particles": 12} | options), Context("generator", seed=2))
    samples = [p.sample for p in walker.propose(None)]
    for _ in range(turns):
        assert all(problems(s["design"], walker.options) == [] for s in samples)
        answers = [Feedback(stand_in(s["mask"]), {"cf": 0.0, "st": 0.0}, 0.0, True, False, 1) for s in samples]
        samples = [p.sample for p in walker.propose(answers)]
    return walker


def test_samples_are_the_masks_of_their_designs():
    walker = searched(1)
    for proposal in walker.propose(None):
        np.testing.assert_array_equal(proposal.sample["mask"], mask(proposal.sample["design"], walker.options))


@pytest.mark.parametrize("objective", ["performance", "heat"])
def test_swarm_finds_better_channels_than_chance(objective):
    goals = ChannelGoals(objective, 0.08)
    walker = searched(20, objective=objective, largest_cf=0.08, stall=100)
    space, rng, chance = ChannelSpace(SMALL), np.random.default_rng(0), []
    low, high = bounds(SMALL)
    while len(chance) < 40:
        design = rng.uniform(low, high)
        if space.admissible(design):
            label = stand_in(mask(design, SMALL))
            numbers = {name: float(label[name]) for name in ("cf", "st")}
            kept = goals.violation(numbers, {"cf": 0.0, "st": 0.0}) == 0
            chance += goals.values(numbers, {"cf": 0.0, "st": 0.0}) if kept else [0.0]
    state = walker.snapshot()
    assert state["swarm_archive_violation"][0] == 0
    assert state["swarm_archive_values"][0, 0] <= np.quantile(chance, 0.1)


def test_goals_are_pessimistic_where_the_committee_is_uncertain():
    mean, std = {"cf": 0.08, "st": 0.02}, {"cf": 0.01, "st": 0.002}
    assert ChannelGoals("pareto", penalty=2.0).values(mean, std) == pytest.approx([0.10, -0.016])
    assert ChannelGoals("performance").values(mean, std) == pytest.approx([-performance(0.08, 0.02)])
    assert ChannelGoals("heat", 0.08).violation(mean, std) == 0
    assert ChannelGoals("heat", 0.08, penalty=2.0).violation(mean, std) == pytest.approx(0.25)
    assert np.isnan(ChannelGoals("heat", 0.08).violation({"cf": np.nan, "st": 0.0}, std))


def test_flat_channel_s_performance():
    # Cf = 24/Re, St = 6.4/Re at Pr 1 and Re 400.
    assert performance(24 / 400, 6.4 / 400) == pytest.approx(0.016 / 0.06 ** (1 / 3))


def test_space_knows_what_is_periodic():
    space = ChannelSpace(ChannelOptions(promoters=1, wall_points=2))
    assert space.names[:2] == ("x 0", "y 0")
    np.testing.assert_array_equal(space.periodic, [True, False, False, False, True, False, False, False, False])


def test_several_objectives_are_dealt_out():
    options = ChannelSwarmOptions(**FEW, objective=["pareto", "performance"])
    names = [ChannelSwarm(options, Context("generator", index=k)).goals.names for k in range(3)]
    assert names == [("cf", "-st"), ("-st/cf^(1/3)",), ("cf", "-st")]


def test_heat_without_a_limit_on_drag_is_refused():
    with pytest.raises(ValidationError, match="without a limit, the most blocked channel would win"):
        ChannelSwarmOptions(objective="heat")
