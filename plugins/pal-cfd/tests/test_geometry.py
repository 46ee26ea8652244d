"""Designs, masks, and why some can't be."""

from __future__ import annotations

import numpy as np
import pytest

from pal_cfd.channel_options import ChannelOptions
from pal_cfd.geometry import bounds, layout, mask, parse, periodic, problems
from pal_cfd.maskcheck import mask_problems
from pal_cfd.shapes import Promoter, Wall

TWO = ChannelOptions(promoters=2, wall_points=4)
GOOD = np.array([0.5, 1.0, 0.3, 0.2, 0.4, 2.5, 0.9, 0.2, 0.2, 0.0, 0.1, 0.0, 0.1, 0.2, 0, 0, 0.1, 0.1])


def spoiled(index, value):
    return np.where(np.arange(len(GOOD)) == index, value, GOOD)


def test_layout_bounds_and_periods_belong_together():
    low, high = bounds(TWO)
    assert TWO.parameters == len(layout(TWO)) == len(low) == len(high) == len(periodic(TWO)) == 18
    assert layout(TWO)[7] == "half length 1"
    assert layout(TWO)[-1] == "upper wall 3"
    assert (low < high).all()
    assert problems(GOOD, TWO) == []


@pytest.mark.parametrize(
    ("index", "value", "problem"),
    [
        (3, np.nan, "numbers that are not finite"),
        (2, 0.5, "half length 0 is 0.5, 0.1 to 0.4 is wanted"),
        (10, -0.1, "lower wall 0 is -0.1, 0 to 0.5 is wanted"),
        (6, 0.25, "promoter 1 overlaps the lower wall"),
        (6, 0.42, "from the lower wall, gap = 0.1 is wanted"),
        (6, 1.75, "promoter 1 overlaps the upper wall"),
        (5, 0.6, "promoters 0 and 1 overlap"),
        (5, 1.0, "promoters 0 and 1 are 0.0"),
        (5, 4.6, "promoters 0 and 1 overlap"),
    ],
)
def test_bad_design_gets_a_reason(index, value, problem):
    (found,) = problems(spoiled(index, value), TWO)
    assert problem in found


def test_length_of_the_design_is_checked():
    assert problems(GOOD[:-1], TWO) == ["the design has the shape (17,), (18,) is wanted"]


def test_promoter_may_not_meet_itself():
    short = ChannelOptions(promoters=1, length=0.7)
    assert problems(np.array([0.0, 1, 0.4, 0.1, 0]), short) == ["promoter 0 is too long for the period of 0.7"]


def test_meeting_walls_are_refused():
    walls = ChannelOptions(promoters=0, wall_points=1, wall_height=0.99)
    assert problems(np.array([0.97, 0.98]), walls) == ["the walls come within 0.05 of each other, gap = 0.1 is wanted"]


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match=r"smallest = 0\.5 is greater than largest"):
        ChannelOptions(smallest=0.5)
    with pytest.raises(ValueError, match="does not fit into the channel"):
        ChannelOptions(smallest=0.9, largest=0.95)


@pytest.mark.parametrize("kind", ["ellipse", "rectangle"])
def test_outline_is_on_the_boundary_and_counter_clockwise(kind):
    p = Promoter(kind, 1.0, 0.8, 0.4, 0.1, 0.7)
    points = p.outline(0.02)
    inwards = points + 1e-6 * ((p.x, p.y) - points)
    assert p.contains(inwards).all()
    assert not p.contains(2 * points - inwards).any()
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert steps.max() < 0.021
    x, y = points.T
    shoelace = (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2
    assert shoelace == pytest.approx(p.area, rel=2e-3)
    np.testing.assert_allclose(p.project(points + 0.01 * (points - (p.x, p.y))), points, atol=1e-12)


def test_mask_has_the_area_of_the_shapes():
    fine = ChannelOptions(promoters=2, wall_points=4, rows=400, columns=800)
    found = mask(GOOD, fine)
    assert found.dtype == np.uint8
    assert 2 * (1 - found.mean()) == pytest.approx(2 * parse(GOOD, fine).delta, abs=1e-3)


def test_mask_shifts_and_flips_with_the_design():
    shifted = GOOD.copy()
    shifted[[0, 5]] += 1.0  # a quarter of the period, one wall point
    shifted[10:] = np.roll(GOOD[10:].reshape(2, 4), 1, 1).ravel()
    np.testing.assert_array_equal(mask(shifted, TWO), np.roll(mask(GOOD, TWO), 32, 1))
    flipped = GOOD.copy()
    flipped[[1, 6]], flipped[[4, 9]] = 2 - GOOD[[1, 6]], -GOOD[[4, 9]]
    flipped[10:] = GOOD[10:].reshape(2, 4)[::-1].ravel()
    np.testing.assert_array_equal(mask(flipped, TWO), mask(GOOD, TWO)[::-1])


def test_wall_is_smooth_periodic_and_within_its_control_heights():
    wall = Wall(4.0, np.array([0.0, 0.3, 0.1]))
    x = np.linspace(-4, 8, 1201)
    assert 0 <= wall(x).min() <= wall(x).max() <= 0.3
    np.testing.assert_allclose(wall(x + 4), wall(x), atol=1e-12)
    assert np.abs(np.diff(wall(x), 3)).max() < 1e-5
    assert wall.area == pytest.approx(wall(np.linspace(0, 4, 1000, endpoint=False)).mean() * 4)
    np.testing.assert_allclose(Wall(4.0, np.array([0.2]))(x), 0.2)


def empty():
    return np.zeros((8, 16), np.uint8)


def test_open_masks_pass():
    slalom = empty()
    slalom[:6, 3], slalom[2:, 8] = 1, 1
    for good in (empty(), slalom, np.roll(slalom, 5, 1)):
        assert mask_problems(good) == []


def test_bad_masks_get_a_reason():
    blocked, pocket, divided, strange = empty(), empty(), empty(), empty()
    blocked[:, 5] = 1
    pocket[3:6, 3:6] = 1
    pocket[4, 4] = 0
    divided[4] = 1
    strange[0, 0] = 7
    assert mask_problems(blocked) == ["the channel is blocked: no path of fluid cells leads along the whole period"]
    assert mask_problems(pocket) == ["1 fluid cells around row 4, column 4 are cut off from the flow"]
    assert mask_problems(divided) == ["the channel is divided into 2 parallel passages, one is wanted"]
    assert "the mask holds [7]" in mask_problems(strange)[0]


def test_passage_that_does_not_come_round_is_a_block():
    dead = empty()
    dead[:6, 3], dead[2:, 8], dead[6, 3:9] = 1, 1, 1
    assert "blocked" in mask_problems(dead)[0]
