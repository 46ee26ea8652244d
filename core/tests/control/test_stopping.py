"""Stop rules: each one alone, at and below its limit."""

from __future__ import annotations

import pytest

from pal_core.control.stopping import StopRules, Tally

CONVERGENCE = StopRules(uncertain=0.1, window=10)


def test_no_rule_stops_a_run_without_rules():
    t = Tally(StopRules(walkers=2), labels=10**6, steps=10**9, rounds=10**3, ended={0})
    assert t.reason() is None


@pytest.mark.parametrize(
    ("rules", "below", "at", "reason"),
    [
        (StopRules(labels=5), {"labels": 4}, {"labels": 5}, "5 labels"),
        (StopRules(steps=5), {"steps": 4}, {"steps": 7}, "7 steps"),
        (StopRules(rounds=2), {"rounds": 1}, {"rounds": 2}, "2 training rounds"),
        (
            StopRules(walkers=2),
            {"ended": {0}, "last_reason": "found"},
            {"ended": {0, 1}, "last_reason": "found"},
            "2 of 2 walkers ended (found)",
        ),
        (
            StopRules(walkers=2, generators="any"),
            {},
            {"ended": {0}, "last_reason": "found"},
            "1 of 2 walkers ended (found)",
        ),
        (StopRules(members=2), {}, {"wishes": {1: "flat"}}, "training of member 1 asked to stop (flat)"),
        (
            StopRules(members=2, training="all"),
            {"wishes": {1: "flat"}},
            {"wishes": {1: "flat", 0: "done"}},
            "training of member 1 asked to stop (flat)",
        ),
    ],
)
def test_rule_is_met_at_its_limit_and_not_before(rules, below, at, reason):
    assert Tally(rules, **below).reason() is None
    assert Tally(rules, **at).reason() == reason


def test_nobody_ends_a_run_that_has_neither_walkers_nor_members():
    assert Tally(StopRules(walkers=0, members=0, training="all")).reason() is None


def test_labels_left_never_fall_below_zero():
    assert Tally(StopRules(labels=5), labels=3).labels_left == 2
    assert Tally(StopRules(labels=5), labels=7).labels_left == 0
    assert Tally(StopRules()).labels_left is None


def test_convergence_needs_a_full_window():
    t = Tally(CONVERGENCE)
    t.predicted(9, 0)
    assert t.reason() is None
    t.predicted(1, 1)
    assert t.reason() == "converged: 10.0% of the last 10 samples uncertain"


def test_convergence_forgets_what_lies_before_the_window():
    t = Tally(CONVERGENCE)
    t.predicted(10, 10)
    t.predicted(6, 0)
    assert t.uncertain_share == 10 / 16
    t.predicted(4, 1)
    assert t.uncertain_share == 0.1
    assert (t.steps, t.selected) == (20, 11)


def test_sums_are_those_of_the_calls_that_are_kept():
    t = Tally(CONVERGENCE)
    t.window.extend([(5, 5), (3, 1)])  # of an earlier session
    for samples, selected in [(4, 4), (1, 0), (30, 7), (2, 2), (9, 0)]:
        t.predicted(samples, selected)
        turns = list(t.window)
        assert (t.window.samples, t.window.selected) == tuple(map(sum, zip(*turns, strict=True)))
        assert t.window.samples - turns[0][0] < CONVERGENCE.window
    assert turns == [(2, 2), (9, 0)]


def test_share_is_unknown_before_the_first_prediction():
    t = Tally(CONVERGENCE)
    t.predicted(0, 0)
    assert t.uncertain_share is None
    assert t.reason() is None


def test_reports_without_samples_take_no_memory():
    t = Tally(CONVERGENCE)
    for _ in range(100):
        t.predicted(0, 0)
    assert len(t.window) == 0
