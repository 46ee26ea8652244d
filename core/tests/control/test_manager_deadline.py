"""The manager machine before a deadline: what can't end in time is not begun, and the run ends by itself."""

from __future__ import annotations

import pytest
from steps import GEN, ORACLE, ORACLES, PRED, TRAINER, exploring, plan, run, sample, started

from pal_core.control import vocabulary as v
from pal_core.control.manager import Manager
from pal_core.control.stopping import StopRules

LIMITS = {"end": 1000.0, "stop_limit": 100.0}
"""Draining begins at 900 s."""


def label(number: int, size: int, seconds: float, host: str = ORACLE) -> list[v.Event]:
    """A sample and its label, which took so long."""
    return [v.SampleArrived(number, 0, 0.5, size=size), v.LabelArrived(host, number, seconds=seconds)]


def test_reserve_is_the_limit_of_stopping_but_a_quarter_of_the_time_at_most():
    assert plan(end=1000.0, stop_limit=100.0).drain_at == 900.0
    assert plan(end=1000.0, stop_limit=600.0).drain_at == 750.0
    assert plan(end=-5.0).drain_at == -5.0
    assert plan().drain_at is None


def test_run_drains_when_its_time_is_nearly_up():
    m = exploring(**LIMITS)
    run(m, sample(1))
    assert run(m, v.Tick(), at=899.0) == []
    assert run(m, v.Tick(), at=900.0) == [v.QuietenExchange(1)]
    assert (m.outcome, m.reason) == ("interrupted", "time is up (stop.wall_time, or the end of the batch job)")
    assert run(m, v.Tick(), at=950.0) == []
    halts = [v.HaltHost(h, 1) for h in (TRAINER, *ORACLES)]
    assert run(m, v.Tick(), at=950.1) == [v.ReturnToQueue((1,)), *halts]


def test_label_that_can_not_end_in_time_is_not_begun():
    m = exploring(**LIMITS)
    run(m, *label(1, 10, 300.0), at=300.0)
    assert run(m, v.SampleArrived(2, 0, 0.5, size=10), at=600.0) == [v.Keep(2), v.Dispatch(ORACLES[1], 2, 1)]
    assert run(m, v.SampleArrived(3, 0, 0.5, size=10), at=600.1) == [v.Keep(3)]
    assert run(m, v.SampleArrived(4, 0, 0.5, size=5), at=600.1) == [v.Keep(4)], "never measured: as long as the next"


def test_shorter_labels_are_begun_before_longer_ones_that_wait():
    m = exploring(oracles=(ORACLE,), **LIMITS)
    run(m, *label(1, 10, 300.0), *label(2, 5, 50.0), at=300.0)
    run(m, v.SampleArrived(3, 0, 0.5, size=10), at=700.0)
    assert run(m, v.SampleArrived(4, 0, 0.5, size=5), at=700.0) == [v.Keep(4), v.Dispatch(ORACLE, 4, 1)]
    assert list(m.queue.waiting) == [3]


def test_label_is_begun_while_nothing_is_known_of_durations():
    m = exploring(**LIMITS)
    assert run(m, sample(1), at=899.0)[-1] == v.Dispatch(ORACLE, 1, 1)


def test_failed_attempt_waits_for_the_next_part_of_the_run_if_there_is_no_time_left():
    m = exploring(retries=3, **LIMITS)
    run(m, *label(1, 10, 300.0), v.SampleArrived(2, 0, 0.5, size=10), at=500.0)
    assert run(m, v.LabelMissed(ORACLES[1], 2), at=700.0) == []
    assert list(m.queue.waiting) == [2]


def test_refused_labels_are_measured_too():
    m = exploring(retries=0, **LIMITS)
    run(m, v.SampleArrived(1, 0, 0.5, size=10), v.LabelArrived(ORACLE, 1, admitted=False, seconds=300.0), at=500.0)
    assert run(m, v.SampleArrived(2, 0, 0.5, size=10), at=700.0) == [v.Keep(2)]


def test_last_round_of_a_run_that_was_done_is_cut_short_by_the_deadline():
    m = exploring(rules=StopRules(steps=1), **LIMITS)
    run(m, v.Predicted(1, 0), at=890.0)
    assert run(m, v.Tick(), at=900.0) == [v.HaltHost(h, 1) for h in (TRAINER, *ORACLES)]
    assert (m.outcome, m.reason) == ("interrupted", "time is up (stop.wall_time, or the end of the batch job)")


def test_labels_of_a_run_that_was_done_are_awaited_no_longer_than_the_deadline_allows():
    m = exploring(rules=StopRules(steps=1), label_limit=1e6, **LIMITS)
    run(m, sample(1), v.Predicted(1, 0), at=890.0)
    assert run(m, v.Tick(), at=950.0) == []
    assert run(m, v.Tick(), at=1000.1)[0] == v.ReturnToQueue((1,))


@pytest.mark.parametrize("ready", [True, False])
def test_run_that_has_not_begun_by_then_halts(ready):
    m = Manager(plan(**LIMITS))
    run(m, *(v.HostReady(h) for h in m.plan.hosts if ready))
    actions = run(m, v.Tick(), at=900.0)
    assert isinstance(actions[0], v.HaltHost | v.Abandon)


def test_bootstrap_is_interrupted_too():
    m = started(plan(bootstrap=2, **LIMITS))
    assert run(m, v.Tick(), at=900.0)[0] == v.QuietenExchange(1)


def test_time_that_is_up_does_not_disturb_an_end_that_has_begun():
    m = exploring(**LIMITS)
    run(m, v.StopAsked("SIGINT"), at=850.0)
    assert run(m, v.Tick(), at=905.0) == []
    assert m.reason == "SIGINT"
    m = exploring(**LIMITS)
    run(m, v.HostFailed(GEN, "broken"), at=899.0)
    assert run(m, v.Tick(), at=901.0) == []
    assert m.reason == f"{GEN}: broken"


def test_sample_that_arrives_while_an_interrupted_run_drains_waits_for_the_next_part():
    m = exploring()
    run(m, sample(1), v.StopAsked("SIGINT"))
    assert run(m, sample(2)) == [v.Keep(2)]
    run(m, v.LabelArrived(ORACLE, 1))
    assert m.phase == "halting"
    assert run(m, sample(3)) == [v.Keep(3)]
    assert list(m.queue.waiting) == [2, 3]


def test_predictor_and_walkers_may_still_speak_after_the_deadline():
    m = exploring(**LIMITS)
    run(m, v.Tick(), at=900.0)
    assert run(m, v.Predicted(5, 1), v.WalkersEnded((0,), "found"), v.HostReady(PRED), at=905.0) == []
