"""Samples of an audit in the manager machine: labelled, never trained on, never dropped for their score."""

from __future__ import annotations

from steps import ORACLE, TRAINER, exploring, plan, ready, run, sample

from pal_core.control import vocabulary as v
from pal_core.control.queue import Ticket


def audit(number: int, walker: int = 0) -> v.SampleArrived:
    return v.SampleArrived(number, walker, 0.0, audit=True)


def test_label_counts_but_makes_no_release():
    machine = exploring(oracles=(ORACLE,), retrain_after=2)
    found = run(machine, audit(1), v.LabelArrived(ORACLE, 1), audit(2), v.LabelArrived(ORACLE, 2))
    assert not [a for a in found if isinstance(a, v.Release)]
    assert machine.tally.labels == 2
    found = run(machine, sample(3), v.LabelArrived(ORACLE, 3), sample(4), v.LabelArrived(ORACLE, 4))
    assert [a for a in found if isinstance(a, v.Release)] == [v.Release(1, (3, 4))]


def test_others_are_dropped_from_a_full_queue_however_uncertain():
    machine = exploring(oracles=(ORACLE,), queue=2)
    found = run(machine, sample(1), audit(2), sample(3, score=9.0), sample(4, score=5.0))
    assert [a.samples for a in found if isinstance(a, v.Discard)] == [(4,)]
    found = run(machine, audit(5))
    assert [a.samples for a in found if isinstance(a, v.Discard)] == [(3,)]


def test_reranking_leaves_them():
    machine = exploring(oracles=(ORACLE,), rerank=True, retrain_after=1)
    run(machine, sample(1), audit(2), sample(3), v.LabelArrived(ORACLE, 1))
    (asked,) = [a for a in run(machine, v.RoundOver(TRAINER, 1)) if isinstance(a, v.AskRerank)]
    assert run(machine, v.QueueRanked(asked.request, ())) == [v.Discard((3,), "reranked")]


def test_waiting_audit_is_no_bootstrap_that_was_cut_short():
    machine = ready(plan(bootstrap=3), waiting=[Ticket(1, audit=True)], buffered=[7, 8])
    assert v.Release(1, (7, 8)) in run(machine, v.Inspected())
