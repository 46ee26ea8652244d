"""The roster: votes, losses, spares and halts."""

from __future__ import annotations

from pal_core.control.roster import Roster


def test_each_host_votes_once():
    r = Roster(["a", "b"])
    assert r.ready("a")
    assert not r.ready("a")
    assert not r.ready("stranger")
    assert r.unready == {"b"}


def test_every_loss_takes_a_spare_until_none_is_left():
    r = Roster(["a", "b", "c"], spares=2)
    assert r.lost(["a", "b"], 5.0)
    assert r.lost(["c"], 6.0)
    assert r.spares == 0
    assert not r.lost(["a"], 7.0)
    assert r.away == {"a": 5.0, "b": 5.0, "c": 6.0}


def test_host_is_back_once():
    r = Roster(["a"], spares=1)
    r.lost(["a"], 5.0)
    assert r.back("a")
    assert not r.back("a")
    assert r.away == {}


def test_host_that_was_never_away_is_not_back():
    assert not Roster(["a"]).back("a")


def test_hosts_away_for_too_long_are_named():
    r = Roster(["a", "b"], spares=2)
    r.lost(["a"], 5.0)
    r.lost(["b"], 6.0)
    assert r.overdue(5.0) == ()
    assert r.overdue(6.0) == ("a",)


def test_host_is_told_to_halt_once_and_not_after_it_has():
    r = Roster(["a", "b", "c"])
    r.gone(["c"])
    assert r.tell(["a", "c"]) == ["a"]
    assert r.tell(["a", "b", "c"]) == ["b"]
    assert r.running == {"a", "b"}


def test_host_that_is_done_without_is_away_no_more():
    r = Roster(["a"], spares=1)
    r.lost(["a"], 5.0)
    r.gone(["a"])
    assert r.overdue(99.0) == ()
    assert not r.back("a")
