"""The manager machine while walkers explore: queue, oracles, training rounds, re-ranking, serial schedule."""

from __future__ import annotations

import math

from steps import HOSTS, ORACLE, ORACLES, TRAINER, exploring, run, sample

from pal_core.control import vocabulary as v
from pal_core.control.stopping import StopRules

TWO = (TRAINER, "training/1")


# --- oracles and the queue


def test_samples_go_to_idle_oracles_and_then_wait():
    m = exploring()
    assert run(m, sample(1)) == [v.Keep(1), v.Dispatch(ORACLE, 1, 1)]
    assert run(m, sample(2)) == [v.Keep(2), v.Dispatch(ORACLES[1], 2, 1)]
    assert run(m, sample(3)) == [v.Keep(3)]
    assert run(m, v.LabelArrived(ORACLES[1], 2)) == [v.Dispatch(ORACLES[1], 3, 1)]


def test_full_queue_drops_the_least_uncertain_sample():
    m = exploring(oracles=(ORACLE,), queue=1)
    run(m, sample(1), sample(2, score=0.3))
    assert run(m, sample(3, score=0.4)) == [v.Keep(3), v.Discard((2,), "queue full")]


def test_newcomer_that_does_not_fit_is_never_kept():
    m = exploring(oracles=(ORACLE,), queue=1)
    run(m, sample(1), sample(2, score=0.3))
    assert run(m, sample(3, score=0.2)) == [v.Discard((3,), "queue full")]


def test_infinite_score_of_a_selection_does_not_exempt_from_the_bound():
    m = exploring(oracles=(ORACLE,), queue=1)
    run(m, sample(1), sample(2, score=math.inf))
    assert run(m, sample(3, score=math.inf)) == [v.Keep(3), v.Discard((2,), "queue full")]
    assert run(m, sample(4, score=math.nan)) == [v.Keep(4), v.Discard((3,), "queue full")]


def test_walker_over_its_bound_loses_its_own_sample():
    m = exploring(oracles=(ORACLE,), per_walker=1)
    run(m, sample(1), sample(2, score=0.9, walker=5), sample(3, score=0.1, walker=6))
    assert run(m, sample(4, score=1.0, walker=5)) == [v.Keep(4), v.Discard((2,), "queue full")]


def test_failed_label_is_retried_on_another_oracle():
    m = exploring(retries=1)
    run(m, sample(1))
    assert run(m, v.LabelMissed(ORACLE, 1)) == [v.Dispatch(ORACLES[1], 1, 2)]


def test_failed_label_is_retried_on_the_same_oracle_if_no_other_is_free():
    m = exploring(oracles=(ORACLE,), retries=1)
    run(m, sample(1))
    assert run(m, v.LabelMissed(ORACLE, 1)) == [v.Dispatch(ORACLE, 1, 2)]


def test_sample_is_quarantined_after_its_last_attempt():
    m = exploring(oracles=(ORACLE,), retries=2)
    run(m, sample(1), v.LabelMissed(ORACLE, 1), v.LabelMissed(ORACLE, 1))
    assert run(m, v.LabelMissed(ORACLE, 1)) == [v.QuarantineSample(1, 3)]
    assert m.quarantined == 1


def test_invalid_input_is_not_retried():
    m = exploring(retries=5)
    run(m, sample(1))
    assert run(m, v.LabelMissed(ORACLE, 1, final=True)) == [v.QuarantineSample(1, 1)]


def test_label_that_the_checks_refuse_quarantines_its_sample_with_all_attempts_counted():
    m = exploring(oracles=(ORACLE,), retries=1)
    run(m, sample(1), v.LabelMissed(ORACLE, 1))
    assert run(m, v.LabelArrived(ORACLE, 1, admitted=False)) == [v.QuarantineSample(1, 2)]
    assert m.tally.labels == 0


def test_late_and_repeated_answers_change_nothing():
    m = exploring()
    run(m, sample(1), v.LabelArrived(ORACLE, 1), sample(2))
    answers = [v.LabelArrived(ORACLE, 1), v.LabelMissed(ORACLE, 1), v.LabelArrived(ORACLES[1], 9)]
    assert run(m, *answers) == []
    assert (m.tally.labels, m.quarantined) == (1, 0)


def test_many_samples_without_a_label_in_a_row_end_the_run():
    m = exploring(retries=0, give_up_after=2)
    run(m, sample(1), sample(2))
    assert run(m, v.LabelMissed(ORACLE, 1)) == [v.QuarantineSample(1, 1)]
    halts = [v.HaltHost(h) for h in HOSTS]
    assert run(m, v.LabelArrived(ORACLES[1], 2, admitted=False)) == [v.QuarantineSample(2, 1), *halts]
    assert m.reason == "the last 2 samples gave no label that could be used"


def test_a_label_in_between_starts_the_count_anew():
    m = exploring(retries=0, give_up_after=2)
    run(m, sample(1), v.LabelMissed(ORACLE, 1), sample(2), v.LabelArrived(ORACLES[1], 2), sample(3))
    assert run(m, v.LabelMissed(ORACLE, 3)) == [v.QuarantineSample(3, 1)]
    assert m.phase == "running"


def test_no_more_samples_are_dispatched_than_labels_may_still_be_made():
    m = exploring(rules=StopRules(labels=1))
    assert run(m, sample(1), sample(2)) == [v.Keep(1), v.Dispatch(ORACLE, 1, 1), v.Keep(2)]
    assert run(m, v.LabelMissed(ORACLE, 1, final=True)) == [v.QuarantineSample(1, 1), v.Dispatch(ORACLES[1], 2, 1)]


def test_silent_oracle_costs_a_restart_after_its_timeout():
    m = exploring(label_limit=100.0, stop_limit=10.0)
    run(m, sample(1))
    assert run(m, v.Tick(), at=110.0) == []
    why = "oracle/0 has been silent for 110 s, longer than the oracle's timeout"
    assert run(m, v.Tick(), at=110.1) == [v.Restart(why)]
    assert m.phase == "ended"


# --- training rounds


def test_labels_are_released_when_a_round_is_worth_it():
    m = exploring(retrain_after=2)
    run(m, sample(1), sample(2), v.LabelArrived(ORACLE, 1))
    assert run(m, v.LabelArrived(ORACLES[1], 2)) == [v.Release(1, (1, 2))]
    run(m, sample(3), sample(4), v.LabelArrived(ORACLE, 3))
    assert run(m, v.LabelArrived(ORACLES[1], 4)) == [v.Release(2, (3, 4))]


def test_labels_are_never_released_without_trainers():
    m = exploring(trainers=(), retrain_after=1)
    assert run(m, sample(1), v.LabelArrived(ORACLE, 1)) == [v.Keep(1), v.Dispatch(ORACLE, 1, 1)]


def test_dispatch_stops_while_too_many_labels_wait_for_training():
    m = exploring(retrain_after=2, ahead=3)
    run(m, sample(1), sample(2), v.LabelArrived(ORACLE, 1), v.LabelArrived(ORACLES[1], 2))
    assert run(m, sample(3), sample(4)) == [v.Keep(3), v.Dispatch(ORACLE, 3, 1), v.Keep(4)]
    assert run(m, v.LabelArrived(ORACLE, 3)) == []
    assert run(m, v.RoundStarted(TRAINER, 1)) == [v.Dispatch(ORACLES[1], 4, 1)]


def test_bound_below_the_size_of_a_round_still_lets_rounds_happen():
    m = exploring(retrain_after=2, ahead=1, oracles=(ORACLE,))
    run(m, sample(1), sample(2))
    assert run(m, v.LabelArrived(ORACLE, 1)) == [v.Dispatch(ORACLE, 2, 1)]
    assert run(m, v.LabelArrived(ORACLE, 2)) == [v.Release(1, (1, 2))]


def test_bound_on_waiting_labels_means_nothing_without_trainers():
    m = exploring(trainers=(), ahead=1, retrain_after=1)
    run(m, sample(1), v.LabelArrived(ORACLE, 1))
    assert run(m, sample(2)) == [v.Keep(2), v.Dispatch(ORACLES[1], 2, 1)]


# --- re-ranking


def reranking(**changes):
    m = exploring(rerank=True, oracles=(ORACLE,), retrain_after=1, trainers=TWO, **changes)
    run(m, sample(1), v.LabelArrived(ORACLE, 1), sample(2), sample(3), sample(4), sample(5))
    return m


def test_queue_is_ranked_when_every_trainer_has_ended_a_round():
    m = reranking()
    assert run(m, v.RoundOver(TRAINER, 1)) == []
    assert run(m, v.RoundOver(TWO[1], 1)) == [v.AskRerank(1, (3, 4, 5))]


def test_ranking_drops_and_reorders_while_dispatch_goes_on():
    m = reranking()
    run(m, v.RoundOver(TRAINER, 1), v.RoundOver(TWO[1], 1))
    assert run(m, v.LabelArrived(ORACLE, 2)) == [v.Release(2, (2,)), v.Dispatch(ORACLE, 3, 1)]
    assert run(m, sample(6)) == [v.Keep(6)]
    assert run(m, v.QueueRanked(1, (5, 3))) == [v.Discard((4,), "reranked")]
    assert run(m, v.LabelArrived(ORACLE, 3)) == [v.Release(3, (3,)), v.Dispatch(ORACLE, 5, 1)]
    assert run(m, v.LabelArrived(ORACLE, 5)) == [v.Release(4, (5,)), v.Dispatch(ORACLE, 6, 1)]


def test_late_or_repeated_ranking_changes_nothing():
    m = reranking()
    run(m, v.RoundOver(TRAINER, 1), v.RoundOver(TWO[1], 1), v.QueueRanked(1, (3, 4, 5)))
    assert run(m, v.QueueRanked(1, ()), v.QueueRanked(2, ())) == []
    assert list(m.queue.waiting) == [3, 4, 5]


def test_one_ranking_is_asked_for_at_a_time():
    m = reranking()
    run(m, v.RoundOver(TRAINER, 1), v.RoundOver(TWO[1], 1), v.LabelArrived(ORACLE, 2))
    assert run(m, v.RoundOver(TRAINER, 2), v.RoundOver(TWO[1], 2)) == []


def test_empty_queue_is_not_ranked():
    m = exploring(rerank=True, retrain_after=1)
    run(m, sample(1), v.LabelArrived(ORACLE, 1))
    assert run(m, v.RoundOver(TRAINER, 1)) == []
