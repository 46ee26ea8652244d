"""Training rounds: what is released, begun, ended and still waiting."""

from __future__ import annotations

from pal_core.control.rounds import Rounds


def test_release_is_due_when_enough_labels_wait():
    r = Rounds(["t"], 2)
    r.buffer.append(7)
    assert not r.due
    r.buffer.append(8)
    assert r.due
    assert r.release() == (1, (7, 8))
    assert not r.due


def test_nothing_is_due_without_training_hosts():
    r = Rounds([], 1)
    r.buffer.append(7)
    assert not r.due
    assert r.completed == 0


def test_round_is_complete_when_every_host_has_ended_it():
    r = Rounds(["a", "b"], 1)
    r.release()
    assert not r.end("a", 1)
    assert r.completed == 0
    assert r.end("b", 1)
    assert r.completed == 1


def test_repeated_end_of_a_round_completes_nothing():
    r = Rounds(["a"], 1)
    assert r.end("a", 1)
    assert not r.end("a", 1)


def test_host_that_skips_a_round_has_ended_it_too():
    r = Rounds(["a", "b"], 1)
    assert not r.end("a", 2)
    assert r.end("b", 1)
    assert r.end("b", 2)
    assert r.completed == 2


def test_labels_wait_until_the_slowest_host_has_begun_with_them():
    r = Rounds(["a", "b"], 1)
    r.buffer += [1, 2, 3]
    r.release()
    r.buffer += [4]
    assert r.waiting_labels == 4
    r.begin("a", 1)
    assert r.waiting_labels == 4
    r.begin("b", 1)
    assert r.waiting_labels == 1


def test_late_news_of_an_older_round_changes_nothing():
    r = Rounds(["a"], 1)
    r.buffer += [1]
    r.release()
    r.buffer += [2]
    r.release()
    r.begin("a", 2)
    r.begin("a", 1)
    assert r.waiting_labels == 0


def test_late_end_of_an_older_round_undoes_nothing():
    r = Rounds(["a"], 1)
    r.end("a", 2)
    assert not r.end("a", 1)
    assert r.completed == 2


def test_numbers_go_on_from_earlier_parts_of_the_run():
    r = Rounds(["a"], 1, before=4)
    assert (r.released, r.completed, r.waiting_labels) == (4, 4, 0)
    r.buffer += [1, 2]
    assert r.release() == (5, (1, 2))
    assert r.waiting_labels == 2
    assert r.end("a", 5)
    assert (r.completed, r.waiting_labels) == (5, 0)
