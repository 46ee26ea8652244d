"""Snapshot sets of the manager machine: begun in time, committed only when whole."""

from __future__ import annotations

import pytest
from steps import GEN, ORACLE, ORACLES, PRED, TRAINER, exploring, plan, run, sample, started

from pal_core.control import vocabulary as v
from pal_core.control.stopping import StopRules

PARTS = ("exchange", GEN, TRAINER)


def saved(number: int, *hosts: str) -> list[v.Event]:
    return [v.StateSaved(h, number) for h in hosts or PARTS]


def test_set_is_begun_after_an_interval_and_again_after_the_next():
    m = exploring(snapshot_every=60.0, startup_limit=1000.0)
    assert run(m, v.Tick(), at=59.0) == []
    assert run(m, v.Tick(), at=60.0) == [v.TakeSet(1)]
    assert run(m, v.Tick(), at=600.0) == []
    assert run(m, *saved(1), at=601.0) == [v.CommitSet(1)]
    assert run(m, v.Tick(), at=660.9) == []
    assert run(m, v.Tick(), at=661.0) == [v.TakeSet(2)]


def test_set_that_takes_too_long_is_given_up_and_the_next_one_begins_later():
    m = exploring(snapshot_every=60.0, startup_limit=300.0)
    assert run(m, v.Tick(), at=60.0) == [v.TakeSet(1)]
    assert run(m, v.Tick(), at=361.0) == []
    assert run(m, *saved(1), at=362.0) == []
    assert run(m, v.Tick(), at=421.0) == [v.TakeSet(2)]


def test_set_that_takes_too_long_costs_a_serial_run_which_waits_for_it_a_restart():
    m = exploring(serial=True, snapshot_every=60.0, startup_limit=300.0)
    assert run(m, v.Predicted(3, 0), at=60.0) == [v.TakeSet(1)]
    assert run(m, v.Tick(), at=360.0) == []
    assert run(m, v.Tick(), at=361.0) == [v.Restart("snapshot set 1 wasn't written within 300 s")]


def test_set_of_the_end_has_as_long_as_labels_that_are_awaited():
    m = exploring(serial=True, retrain_after=1, startup_limit=300.0, label_limit=5000.0)
    assert run(m, sample(1), v.Predicted(1, 1))[-1] == v.Dispatch(ORACLE, 1, 1)
    assert run(m, v.WalkersEnded((0,), "counted enough"), at=1.0) == [v.QuietenExchange(1)]
    assert run(m, v.Tick(), at=4000.0) == []
    assert run(m, v.LabelArrived(ORACLE, 1), at=4001.0) == [v.Release(1, (1,)), v.FinishTraining(m.plan.final_time)]


def test_first_interval_begins_when_the_walkers_set_off():
    m = started(plan(bootstrap=1, snapshot_every=60.0))
    run(m, v.SampleArrived(1, 0, 0.0, True), v.LabelArrived(ORACLE, 1), at=99.0)
    assert run(m, v.RoundOver(TRAINER, 1), at=100.0) == [v.StartWalkers()]
    assert run(m, v.Tick(), at=159.0) == []
    assert run(m, v.Tick(), at=160.0) == [v.TakeSet(1)]


def test_numbers_of_sets_go_on_from_earlier_parts_of_the_run():
    m = started(plan(trained=True, snapshot_every=60.0), last_set=7)
    assert run(m, v.Tick(), at=60.0) == [v.TakeSet(8)]


def test_set_goes_on_while_labels_are_made():
    m = exploring(snapshot_every=60.0)
    run(m, sample(1))
    assert run(m, v.Tick(), at=60.0) == [v.TakeSet(1)]
    assert run(m, v.LabelArrived(ORACLE, 1), *saved(1), at=61.0) == [v.CommitSet(1)]


@pytest.mark.parametrize("missing", PARTS)
def test_set_without_one_part_is_not_committed(missing):
    m = exploring(snapshot_every=60.0)
    run(m, v.Tick(), at=60.0)
    others = [h for h in PARTS if h != missing]
    assert run(m, *saved(1, *others), *saved(1, *others), v.StateSaved(ORACLE, 1), at=61.0) == []


def test_late_parts_of_an_abandoned_set_change_nothing():
    m = exploring(snapshot_every=60.0)
    run(m, v.Tick(), at=60.0)
    assert run(m, *saved(1, GEN), v.StateSaved(TRAINER, 1, written=False), *saved(1), at=61.0) == []
    assert run(m, v.Tick(), at=121.0) == [v.TakeSet(2)]
    assert run(m, *saved(1), v.StateSaved(GEN, 1, written=False), at=122.0) == []
    assert run(m, *saved(2), *saved(2), at=123.0) == [v.CommitSet(2)]


def test_host_lost_while_a_set_is_written_costs_the_set():
    m = exploring(snapshot_every=60.0, spares=1)
    run(m, v.Tick(), *saved(1, "exchange", GEN), at=60.0)
    assert run(m, v.HostsLost((TRAINER,), "killed"), at=61.0) == [v.Replace((TRAINER,))]
    assert run(m, *saved(1, TRAINER), v.Tick(), at=200.0) == [], "no set without a host that is away"
    assert run(m, v.HostReady(TRAINER), at=201.0) == [v.Welcome(TRAINER), v.TakeSet(2)]


def test_lost_oracle_costs_no_set():
    m = exploring(snapshot_every=60.0, spares=1)
    run(m, v.Tick(), *saved(1, GEN, TRAINER), at=60.0)
    run(m, v.HostsLost((ORACLE,), "killed"), at=61.0)
    assert run(m, *saved(1, "exchange"), at=62.0) == [v.CommitSet(1)]
    assert run(m, v.Tick(), at=122.0) == [v.TakeSet(2)]


# --- at the end


def stopping(event: v.Event, rules: StopRules = StopRules(steps=1), **changes):  # noqa: B008 - frozen
    m = exploring(rules=rules, final_time=0.0, **changes)
    run(m, event)
    return m


def end(m, *unsaved: str) -> list[v.Action]:
    hosts = (TRAINER, *ORACLES, PRED, GEN)
    run(m, *(v.HostHalted(h, h not in unsaved) for h in hosts), v.WalkersQuiet())
    return run(m, v.HostHalted("exchange", "exchange" not in unsaved))


@pytest.mark.parametrize("event", [v.Predicted(1, 0), v.StopAsked("done")])
def test_set_of_the_end_is_committed_before_the_run_is_over(event):
    commit, over = end(stopping(event))
    assert commit == v.CommitSet(1)
    assert isinstance(over, v.Finished)


@pytest.mark.parametrize("unsaved", PARTS)
def test_set_of_the_end_is_not_committed_without_one_part(unsaved):
    assert end(stopping(v.Predicted(1, 0)), unsaved) == [v.Finished("done", "1 steps")]


@pytest.mark.parametrize("other", [ORACLE, PRED])
def test_hosts_without_state_need_write_nothing(other):
    assert end(stopping(v.Predicted(1, 0)), other)[0] == v.CommitSet(1)


def test_set_of_the_end_takes_the_place_of_the_one_being_written():
    m = exploring(snapshot_every=60.0)
    run(m, v.Tick(), *saved(1, GEN, TRAINER), at=60.0)
    assert run(m, v.StopAsked("SIGTERM"), at=61.0)[0] == v.QuietenExchange(2)
    assert run(m, *saved(1, "exchange"), at=62.0) == []
    assert end(m)[0] == v.CommitSet(2)


def test_set_of_a_run_that_has_failed_is_not_committed():
    m = exploring()
    run(m, v.HostFailed(PRED, "no weights"))
    assert end(m) == [v.Finished("failed", "prediction/0: no weights")]
    m = stopping(v.Predicted(1, 0))
    run(m, v.HostFailed(PRED, "no weights"))
    assert end(m) == [v.Finished("failed", "prediction/0: no weights")]


def test_set_of_the_end_is_not_committed_when_a_host_was_lost_meanwhile():
    m = stopping(v.Predicted(1, 0))
    run(m, v.HostsLost((GEN,), "killed"), v.WalkersQuiet(), *(v.HostHalted(h) for h in (TRAINER, *ORACLES, PRED)))
    assert run(m, v.HostHalted("exchange")) == [v.Finished("done", "1 steps")]


def test_host_that_is_lost_after_it_has_saved_and_halted_costs_nothing():
    m = stopping(v.Predicted(1, 0))
    run(m, v.HostHalted(GEN), v.WalkersQuiet())
    assert run(m, v.HostsLost((GEN,), "killed")) == []
    assert end(m)[0] == v.CommitSet(1)
