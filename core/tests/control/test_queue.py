"""The oracle queue: order, bounds, retries and rankings."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pal_core.control.queue import HIGHEST, OracleQueue, Ticket


def queue(*tickets: Ticket, bound: int = 10, per_walker: int | None = None) -> OracleQueue:
    out = OracleQueue(bound, per_walker)
    for ticket in tickets:
        out.put(ticket)
    return out


def test_samples_are_taken_in_the_order_of_their_arrival():
    q = queue(Ticket(1, score=0.1), Ticket(2, score=0.9))
    assert [q.take("a").sample, q.take("b").sample, q.take("c")] == [1, 2, None]
    assert {host: ticket.sample for host, ticket in q.flying.items()} == {"a": 1, "b": 2}


def test_full_queue_drops_the_lowest_score():
    q = queue(Ticket(1, score=0.5), Ticket(2, score=0.2), bound=2)
    assert q.put(Ticket(3, score=0.3)) == 2
    assert list(q.waiting) == [1, 3]


def test_full_queue_drops_the_newcomer_if_it_is_the_least():
    q = queue(Ticket(1, score=0.5), bound=1)
    assert q.put(Ticket(2, score=0.1)) == 2
    assert list(q.waiting) == [1]


def test_of_equal_scores_the_oldest_goes():
    q = queue(Ticket(1, score=0.5), Ticket(2, score=0.5), bound=2)
    assert q.put(Ticket(3, score=0.5)) == 1


def test_expendable_sample_goes_only_when_no_other_may():
    q = queue(Ticket(1, score=0.5), Ticket(2), bound=2)
    assert q.put(Ticket(3), expendable=True) == 1
    assert q.put(Ticket(4), expendable=True) == 4
    assert q.put(Ticket(5, score=HIGHEST), expendable=True) == 5
    assert list(q.waiting) == [2, 3]
    q = queue(Ticket(1, 0), Ticket(2, 1, 0.5), per_walker=1)
    assert q.put(Ticket(3, 0), expendable=True) == 3
    assert q.put(Ticket(4, 1), expendable=True) == 2


def test_wanted_sample_is_not_dropped_any_more():
    q = queue(Ticket(1, score=0.2), Ticket(2, score=0.5), bound=2, per_walker=5)
    q.want(1)
    q.want(7)
    assert q.put(Ticket(3, score=0.9)) == 2
    assert q.reorder([], [1, 3]) == [3]
    ticket = q.take("a")
    q.append(Ticket(4, score=0.3))
    q.take("b")
    q.want(4)
    q.put_back(q.land("b", 4))
    assert (ticket.sample, list(q.waiting)) == (1, [4])
    assert q.reorder([], [4]) == []


def test_samples_with_infinite_score_are_never_dropped():
    q = queue(Ticket(1), Ticket(2), bound=1)
    assert q.put(Ticket(3)) is None
    assert q.put(Ticket(4, score=HIGHEST)) == 4
    assert list(q.waiting) == [1, 2, 3]


def test_unknown_score_counts_as_the_highest_but_obeys_the_bound():
    q = queue(*(Ticket(i, score=math.nan) for i in range(5)), bound=3)
    assert list(q.waiting) == [2, 3, 4]
    assert q.put(Ticket(9, score=1e300)) == 9


def test_walker_over_its_bound_loses_its_own_least_sample():
    q = queue(Ticket(1, 0, 0.5), Ticket(2, 1, 0.1), Ticket(3, 0, 0.9), per_walker=2)
    assert q.put(Ticket(4, 0, 0.7)) == 1
    assert list(q.waiting) == [2, 3, 4]


def test_samples_without_walker_know_no_bound_per_walker():
    assert list(queue(Ticket(1, -1, 0.5), Ticket(2, -1, 0.5), per_walker=1).waiting) == [1, 2]


def test_bound_holds_for_a_walker_whose_samples_must_not_be_dropped():
    q = queue(Ticket(1, 1, 0.5), Ticket(2, 0), bound=2, per_walker=1)
    assert q.put(Ticket(3, 0)) == 1
    assert list(q.waiting) == [2, 3]


def test_failed_sample_goes_to_the_head_even_of_a_full_queue():
    q = queue(Ticket(1), bound=1)
    ticket = q.take("a")
    q.put(Ticket(2, score=0.1))
    q.land("a", 1)
    q.put_back(ticket)
    assert list(q.waiting) == [1, 2]
    assert q.put(Ticket(3, score=0.2)) == 2


def test_oracle_gets_other_samples_before_one_that_it_failed_on():
    q = queue(Ticket(1, tried={"a"}), Ticket(2))
    assert q.take("a").sample == 2
    assert q.take("a").sample == 1


def test_answer_counts_only_for_the_sample_that_the_oracle_works_on():
    q = queue(Ticket(1))
    q.take("a")
    assert q.land("b", 1) is None
    assert q.land("a", 2) is None
    assert q.land("a", 1).sample == 1
    assert q.land("a", 1) is None


def test_ranking_orders_and_drops_and_leaves_newer_samples_behind():
    q = queue(*(Ticket(i, score=0.5) for i in (1, 2, 3, 4)))
    assert q.reorder([3, 1], [1, 2, 3]) == [2]
    assert list(q.waiting) == [3, 1, 4]


def test_ranking_keeps_samples_that_must_not_be_dropped():
    q = queue(Ticket(1), Ticket(2, score=0.5))
    assert q.reorder([], [1, 2]) == [2]
    assert list(q.waiting) == [1]


def test_ranking_says_nothing_of_samples_that_left_meanwhile_or_were_not_asked():
    q = queue(Ticket(1, score=0.5), Ticket(2, score=0.5), Ticket(3, score=0.5))
    q.take("a")
    assert q.reorder([3, 1, 2, 9], [1, 2]) == []
    assert list(q.waiting) == [2, 3]


scores = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(st.integers(-1, 2), scores)), st.integers(1, 4), st.none() | st.integers(1, 2))
def test_every_sample_is_kept_or_named_as_dropped_and_bounds_hold(arrivals, bound, per_walker):
    q = OracleQueue(bound, per_walker)
    gone = []
    for number, (walker, score) in enumerate(arrivals):
        gone.append(q.put(Ticket(number, walker, score)))
        assert sum(t.score < math.inf for t in q.waiting.values()) <= bound
    gone = [n for n in gone if n is not None]
    assert sorted([*gone, *q.waiting]) == list(range(len(arrivals)))
    assert all(arrivals[n][1] != math.inf for n in gone)


@given(st.lists(st.integers(0, 9), unique=True), st.lists(st.integers(0, 12)), st.lists(st.integers(0, 9)))
def test_ranking_loses_no_sample(waiting, kept, asked):
    q = queue(*(Ticket(n, score=0.5) for n in waiting))
    dropped = q.reorder(kept, asked)
    assert sorted([*dropped, *q.waiting]) == sorted(waiting)
    assert set(dropped) == set(waiting) & set(asked) - set(kept)


@pytest.mark.parametrize("score", [0.0, -math.inf, math.inf, HIGHEST])
def test_known_scores_stay_as_they_are(score):
    assert Ticket(1, score=score).score == score


def test_sample_on_which_all_oracles_have_failed_waits_for_nobody_else():
    queue = OracleQueue(10, oracles=2)
    for sample in (1, 2):
        queue.put(Ticket(sample))
    first = queue.take("a")
    first.tried.add("a")
    queue.land("a", 1)
    queue.put_back(first)
    assert queue.take("a").sample == 2  # 1 is for b
    assert queue.take("b") is first
    first.tried.add("b")
    queue.land("b", 1)
    queue.put_back(first)
    queue.put(Ticket(3))
    assert queue.take("b") is first
