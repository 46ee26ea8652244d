"""The rolling training set: newest labels and a replay of older ones."""

from __future__ import annotations

import numpy as np
import pytest

from pal_core.policies.rolling import Rolling
from pal_core.rng import stream

UNKNOWN = np.nan


def rolling(window=20, replay=10, weighted=False, seed=0) -> Rolling:
    return Rolling(window, replay, weighted, stream(seed, "member", 0, "replay"))


def filled(scores, portions=1, **settings) -> Rolling:
    made = rolling(**settings)
    for part in np.array_split(np.asarray(scores, np.float64), portions):
        made.arrive(part)
    return made


def test_everything_is_used_while_it_fits():
    assert filled([UNKNOWN] * 30).chosen().tolist() == list(range(30))
    assert rolling().chosen().tolist() == []


def test_window_and_replay_are_as_large_as_asked_for():
    found = filled([UNKNOWN] * 500).chosen()
    assert len(found) == 30
    assert found.tolist() == sorted(set(found.tolist()))
    assert found[10:].tolist() == list(range(480, 500))
    assert found[:10].max() < 480


def test_without_replay_only_the_window_is_used():
    assert filled([UNKNOWN] * 50, replay=0).chosen().tolist() == list(range(30, 50))


@pytest.mark.parametrize("settings", [{}, {"weighted": True}, {"replay": 0.3}])
def test_draw_does_not_depend_on_portions(settings):
    scores = np.random.default_rng(1).uniform(0, 1, 300)
    scores[::7] = UNKNOWN
    once = filled(scores, **settings)
    for portions in (2, 13, 300):
        np.testing.assert_array_equal(filled(scores, portions, **settings).chosen(), once.chosen())


def test_members_draw_for_themselves():
    one, other = (filled([UNKNOWN] * 500, seed=seed).chosen()[:10].tolist() for seed in (0, 1))
    assert one != other


@pytest.mark.parametrize("weighted", [False, True])
def test_what_is_not_needed_is_never_chosen_again(weighted):
    """Also as the average score changes, by which labels without one are weighed."""
    made = rolling(weighted=weighted)
    generator = np.random.default_rng(2)
    allowed = set()
    for step in range(60):
        scores = generator.lognormal(step / 10, 1.0, 10)
        scores[generator.random(10) < 0.4] = UNKNOWN
        before = len(made)
        made.arrive(scores)
        allowed |= set(range(before, len(made)))
        needed = set(made.needed().tolist())
        assert set(made.chosen().tolist()) <= needed <= allowed
        assert len(needed) <= 20 + 10 * (1 + weighted)
        allowed = needed


def test_uniform_replay_holds_every_older_label_equally_often():
    counts = np.zeros(80)
    for seed in range(2000):
        counts[filled([UNKNOWN] * 100, seed=seed).chosen()[:10]] += 1
    # Ten of eighty each time: the expected count is 250, its standard deviation 14.8.
    assert abs(counts - 250).max() < 5 * 14.8


def test_weighted_replay_prefers_uncertain_labels_in_proportion():
    scores = np.where(np.arange(100) % 2, 3.0, 1.0)
    uncertain = sum((filled(scores, replay=1, weighted=True, seed=seed).chosen()[0] % 2) for seed in range(2000))
    # One draw is proportional to the scores: three of four, with a standard deviation of 19.
    assert abs(uncertain - 1500) < 5 * 19.4


def test_labels_without_score_weigh_as_much_as_the_average():
    scores = np.where(np.arange(100) % 2, 7.0, UNKNOWN)
    odd = sum((filled(scores, replay=1, weighted=True, seed=seed).chosen()[0] % 2) for seed in range(2000))
    assert abs(odd - 1000) < 5 * 22.4


def test_scores_that_are_not_positive_are_drawn_last():
    scores = np.where(np.arange(100) < 10, 1.0, -1.0)
    assert filled(scores, weighted=True).chosen()[:10].tolist() == list(range(10))


def test_share_grows_with_the_labels():
    assert [len(filled([UNKNOWN] * n, replay=0.25).chosen()) for n in (20, 100, 420)] == [20, 40, 120]
    assert len(filled([UNKNOWN] * 100, replay=0.25).needed()) == 100
