"""Snapshot sets: due after an interval, whole when every part is written, abandoned otherwise."""

from __future__ import annotations

from pal_core.control.sets import Sets


def begun() -> Sets:
    sets = Sets(["a", "b"], 60.0, last=4)
    sets.begin(0.0)
    return sets


def test_next_set_is_due_an_interval_after_the_last_one_ended():
    sets = Sets(["a"], 60.0)
    assert not sets.due(59.9)
    assert sets.due(60.0)
    sets.begin(0.0)
    assert not sets.due(1e9)
    sets.saved("a", 1, 100.0)
    assert not sets.due(159.9)
    assert sets.due(160.0)


def test_numbers_go_on_from_earlier_parts_of_the_run():
    sets = Sets(["a"], 60.0, last=4)
    assert sets.begin(0.0) == 5
    assert sets.begin(0.0) == 6


def test_set_is_whole_once_when_every_host_has_written_its_part():
    sets = begun()
    assert not sets.saved("a", 5, 1.0)
    assert not sets.saved("a", 5, 1.0)
    assert sets.open
    assert sets.saved("b", 5, 1.0)
    assert not sets.open
    assert not sets.saved("b", 5, 1.0)


def test_part_of_another_set_does_not_count():
    sets = begun()
    sets.saved("a", 5, 1.0)
    assert not sets.saved("b", 4, 1.0)
    assert sets.open


def test_abandoned_set_is_never_whole():
    sets = begun()
    sets.saved("a", 5, 1.0)
    sets.abandon(2.0)
    assert not sets.saved("b", 5, 3.0)
    assert not sets.due(61.9)
    assert sets.due(62.0)


def test_set_begun_anew_needs_every_part_again():
    sets = begun()
    sets.saved("a", 5, 1.0)
    assert sets.begin(0.0) == 6
    assert not sets.saved("b", 6, 1.0)
    assert sets.saved("a", 6, 1.0)


def test_nothing_is_due_without_an_interval():
    assert not Sets(["a"], float("inf")).due(1e12)
