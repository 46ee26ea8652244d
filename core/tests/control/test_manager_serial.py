"""The manager machine in the serial schedule: single turns, then labels, then training, and sets in between."""

from __future__ import annotations

import pytest
from steps import GEN, ORACLE, ORACLES, TRAINER, exploring, plan, ready, run, sample, started

from pal_core.control import vocabulary as v
from pal_core.control.queue import Ticket

TURN = [v.ResumeWalkers()]


def serial(**changes):
    return exploring(**({"serial": True, "retrain_after": 2} | changes))


def test_first_turn_is_taken_when_the_walkers_set_off():
    m = ready(plan(trained=True, serial=True))
    assert run(m, v.Inspected()) == [v.StartHosts(), v.StartWalkers(), v.ResumeWalkers()]


def test_next_turn_is_taken_when_the_last_one_is_over():
    m = serial()
    assert run(m, v.Tick()) == []
    assert run(m, v.Predicted(3, 0)) == TURN
    assert run(m, v.Tick()) == []


def test_samples_of_a_turn_are_labelled_only_after_it():
    m = serial(retrain_after=1)
    assert run(m, sample(1), sample(2)) == [v.Keep(1), v.Keep(2)]
    assert run(m, v.Predicted(3, 2)) == [v.Dispatch(ORACLE, 1, 1), v.Dispatch(ORACLES[1], 2, 1)]


def test_serial_run_explores_labels_and_trains_one_after_the_other():
    m = serial()
    assert run(m, sample(1), v.Predicted(3, 1)) == [v.Keep(1), *TURN]
    run(m, sample(2), sample(3))
    assert run(m, v.Predicted(3, 2)) == [v.Dispatch(ORACLE, 1, 1), v.Dispatch(ORACLES[1], 2, 1)]
    assert run(m, v.LabelArrived(ORACLE, 1)) == [v.Dispatch(ORACLE, 3, 1)]
    assert run(m, v.LabelArrived(ORACLES[1], 2)) == []
    assert run(m, v.LabelArrived(ORACLE, 3)) == [v.Release(1, (1, 2, 3))]
    assert run(m, v.RoundStarted(TRAINER, 1)) == []
    assert run(m, v.RoundOver(TRAINER, 1)) == TURN


def test_serial_run_without_trainers_goes_on_after_labelling():
    m = serial(retrain_after=1, trainers=())
    run(m, sample(1), v.Predicted(1, 1))
    assert run(m, v.LabelArrived(ORACLE, 1)) == TURN


def test_serial_run_without_any_label_goes_on_exploring():
    m = serial(retrain_after=1, retries=0)
    run(m, sample(1), v.Predicted(1, 1))
    assert run(m, v.LabelMissed(ORACLE, 1)) == [v.QuarantineSample(1, 1), *TURN]


def test_serial_run_without_oracles_takes_turn_after_turn():
    m = serial(oracles=(), trainers=())
    assert run(m, v.Predicted(3, 1), v.Predicted(3, 1)) == TURN * 2


def test_serial_run_labels_what_the_bound_of_its_queue_lets_wait():
    m = serial(retrain_after=9, queue=2)
    run(m, sample(1), sample(2))
    assert run(m, v.Predicted(2, 2)) == [v.Dispatch(ORACLE, 1, 1), v.Dispatch(ORACLES[1], 2, 1)]


def test_serial_run_labels_when_a_round_is_worth_of_samples_was_dropped_by_a_bound():
    m = serial(retrain_after=2, per_walker=1)
    run(m, sample(1), sample(2))
    assert run(m, v.Predicted(2, 2)) == TURN
    assert run(m, sample(3)) == [v.Keep(3), v.Discard((2,), "queue full")]
    assert run(m, v.Predicted(1, 1)) == [v.Dispatch(ORACLE, 3, 1)]
    assert run(m, v.LabelArrived(ORACLE, 3)) == [v.Release(1, (3,))]
    assert run(m, v.RoundOver(TRAINER, 1)) == TURN
    assert run(m, sample(4), sample(5), v.Predicted(2, 2))[-1:] == TURN


def turns_until_labelling(interrupted_after: int = 0) -> int:
    """A walker selects a sample a turn, of which its bound lets only the newest wait."""
    m = serial(retrain_after=4, per_walker=1)
    for turn in range(1, 20):
        actions = run(m, sample(turn), v.Predicted(1, 1))
        if any(isinstance(a, v.Dispatch) for a in actions):
            return turn
        if turn == interrupted_after:
            state = m.state()
            waiting = [Ticket(n, 0, 0.5) for n in state["waiting"]]
            m = started(m.plan, waiting=waiting, stage=state["stage"], dropped=state["dropped"])
    raise AssertionError("nothing was ever labelled")


@pytest.mark.parametrize("turn", [1, 3])
def test_resumed_serial_run_labels_after_as_many_turns(turn):
    assert turns_until_labelling(interrupted_after=turn) == turns_until_labelling() == 5


def test_failures_in_a_row_go_on_being_counted_in_a_resumed_run():
    m = exploring(retries=0, give_up_after=2)
    run(m, sample(1), v.LabelMissed(ORACLE, 1))
    m = started(m.plan, failures=m.state()["failures"])
    run(m, sample(2), v.LabelMissed(ORACLE, 2))
    assert m.outcome == "failed"


def test_serial_run_bootstraps_before_its_first_turn():
    m = started(plan(serial=True, bootstrap=1))
    assert run(m, v.SampleArrived(1, 0, 0.0, True)) == [v.Keep(1), v.Dispatch(ORACLE, 1, 1)]
    assert run(m, v.LabelArrived(ORACLE, 1)) == [v.Release(1, (1,))]
    assert run(m, v.RoundOver(TRAINER, 1)) == [v.StartWalkers(), *TURN]


def test_resumed_serial_run_goes_on_labelling_before_it_trains():
    m = ready(plan(trained=True, serial=True), stage="labelling", waiting=[Ticket(2)], buffered=[1])
    assert run(m, v.Inspected()) == [v.StartHosts(), v.StartWalkers(), v.Dispatch(ORACLE, 2, 1)]
    assert run(m, v.LabelArrived(ORACLE, 2)) == [v.Release(1, (1, 2))]


def test_resumed_serial_run_trains_on_its_data_before_it_explores():
    m = ready(plan(trained=True, serial=True), buffered=[1])
    assert run(m, v.Inspected()) == [v.StartHosts(), v.StartWalkers(), v.Release(1, (1,))]
    assert run(m, v.RoundOver(TRAINER, 1)) == TURN


def test_serial_run_resumed_with_a_round_of_samples_labels_them_first():
    m = ready(plan(trained=True, serial=True, retrain_after=1), waiting=[Ticket(2)])
    assert run(m, v.Inspected()) == [v.StartHosts(), v.StartWalkers(), v.Dispatch(ORACLE, 2, 1)]


# --- snapshot sets


def test_set_is_taken_between_two_turns_and_the_next_turn_waits_for_it():
    m = serial(snapshot_every=60.0)
    assert run(m, v.Tick(), at=100.0) == []
    assert run(m, v.Predicted(3, 0), at=100.0) == [v.TakeSet(1)]
    assert run(m, v.StateSaved("exchange", 1), v.StateSaved(GEN, 1), at=101.0) == []
    assert run(m, v.StateSaved(TRAINER, 1), at=102.0) == [v.CommitSet(1), *TURN]
    assert run(m, v.Predicted(3, 0), at=103.0) == TURN


def test_set_that_could_not_be_written_costs_nothing_but_itself():
    m = serial(snapshot_every=60.0)
    run(m, v.Predicted(3, 0), at=100.0)
    assert run(m, v.StateSaved(GEN, 1, written=False), at=101.0) == TURN
    assert run(m, v.StateSaved("exchange", 1), v.StateSaved(TRAINER, 1), at=102.0) == []


def test_no_set_is_taken_out_of_the_middle_of_labelling_or_training():
    m = serial(snapshot_every=60.0, retrain_after=1)
    run(m, sample(1))
    assert run(m, v.Predicted(3, 1), at=100.0) == [v.Dispatch(ORACLE, 1, 1)]
    assert run(m, v.LabelArrived(ORACLE, 1), at=101.0) == [v.Release(1, (1,))]
    assert run(m, v.Tick(), at=102.0) == []
    assert run(m, v.RoundOver(TRAINER, 1), at=103.0) == [v.TakeSet(1)]


def finish(m, *, at=0.0):
    """Everybody halts, with their part of the last set written."""
    events = [v.HostHalted(GEN), v.WalkersQuiet(), *(v.HostHalted(h) for h in (TRAINER, *ORACLES))]
    run(m, *events, at=at)
    return run(m, v.HostHalted("prediction/0"), v.HostHalted("exchange"), at=at)


def test_last_set_of_an_interrupted_serial_run_is_committed_while_it_explores():
    m = serial()
    run(m, v.StopAsked("SIGTERM"))
    assert finish(m) == [v.CommitSet(1), v.Finished("interrupted", "SIGTERM")]


def test_last_set_of_a_serial_run_is_not_committed_out_of_the_middle_of_training():
    m = serial(retrain_after=1)
    run(m, sample(1), v.Predicted(1, 1), v.LabelArrived(ORACLE, 1), v.StopAsked("SIGTERM"))
    assert finish(m) == [v.Finished("interrupted", "SIGTERM")]


def test_last_set_of_a_serial_run_is_not_committed_out_of_its_bootstrap():
    m = started(plan(serial=True, bootstrap=1))
    run(m, v.StopAsked("SIGTERM"))
    assert finish(m) == [v.Finished("interrupted", "SIGTERM")]


def test_lost_host_costs_a_serial_run_a_restart_even_with_a_spare():
    m = serial(spares=1)
    assert run(m, v.HostsLost((ORACLE,), "rank 5 has died")) == [v.Restart("rank 5 has died")]
