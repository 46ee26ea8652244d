"""The manager machine at the end: stop rules, interruptions, failures, silence."""

from __future__ import annotations

import pytest
from steps import GEN, HOSTS, ORACLE, ORACLES, PRED, TRAINER, exploring, plan, ready, run, sample, started

from pal_core.control import vocabulary as v
from pal_core.control.manager import Manager
from pal_core.control.stopping import StopRules

SOME = [v.HaltHost(h, 1) for h in (TRAINER, *ORACLES)]
"""What is halted before the exchange is, with the number of the set that it writes."""
SOME_HALTED = [v.HostHalted(h) for h in (TRAINER, *ORACLES)]
WALKERS_QUIET = [v.HostHalted(GEN), v.WalkersQuiet()]
CLOSED = [v.HostHalted(PRED), v.HostHalted("exchange")]
STOP = {
    "labels": (StopRules(labels=1), [sample(1), v.LabelArrived(ORACLE, 1)], "1 labels"),
    "steps": (StopRules(steps=10), [v.Predicted(10, 1)], "10 steps"),
    "rounds": (StopRules(rounds=1), [v.RoundOver(TRAINER, 1)], "1 training rounds"),
    "generator": (StopRules(), [v.WalkersEnded((0,), "found")], "1 of 1 walkers ended (found)"),
    "trainer": (StopRules(), [v.MemberAsksStop(2, "flat")], "training of member 2 asked to stop (flat)"),
    "convergence": (
        StopRules(uncertain=0.1, window=10),
        [v.Predicted(10, 0)],
        "converged: 0.0% of the last 10 samples uncertain",
    ),
}


@pytest.mark.parametrize("rule", STOP)
def test_every_stop_rule_leads_through_the_last_round_to_the_end(rule):
    rules, events, reason = STOP[rule]
    m = exploring(rules=rules, final_time=7.0)
    actions = run(m, *events)
    assert actions.count(v.QuietenExchange(1)) == 1
    assert actions[-1] == v.FinishTraining(7.0)
    assert run(m, v.TrainingOver(TRAINER)) == SOME
    assert run(m, *SOME_HALTED) == []
    assert run(m, *WALKERS_QUIET) == [v.CloseExchange()]
    assert run(m, *CLOSED) == [v.CommitSet(1), v.Finished("done", reason)]
    assert m.phase == "ended"


def test_labels_being_made_are_awaited_and_trained_on():
    m = exploring(rules=StopRules(steps=1))
    run(m, sample(1))
    assert run(m, v.Predicted(1, 0)) == [v.QuietenExchange(1)]
    assert m.phase == "draining"
    assert run(m, v.LabelArrived(ORACLE, 1)) == [v.Release(1, (1,)), v.FinishTraining(300.0)]


def test_sample_that_comes_after_the_stop_is_discarded():
    m = exploring(rules=StopRules(steps=1))
    run(m, v.Predicted(1, 0))
    assert run(m, sample(1)) == [v.Discard((1,), "stopping")]


def test_attempt_that_fails_after_the_stop_waits_for_the_next_part_of_the_run():
    m = exploring(rules=StopRules(steps=1), retries=1)
    run(m, sample(1), v.Predicted(1, 0))
    assert run(m, v.LabelMissed(ORACLE, 1)) == [v.FinishTraining(300.0)]
    assert list(m.queue.waiting) == [1]


def test_last_round_waits_for_every_trainer():
    m = exploring(rules=StopRules(steps=1), trainers=(TRAINER, "training/1"))
    run(m, v.Predicted(1, 0))
    assert run(m, v.TrainingOver("training/1")) == []
    assert run(m, v.TrainingOver(TRAINER)) == [v.HaltHost(TRAINER, 1), v.HaltHost("training/1", 1), *SOME[1:]]


def test_run_without_time_for_a_last_round_halts_at_once():
    m = exploring(rules=StopRules(steps=1), final_time=0.0)
    assert run(m, v.Predicted(1, 0)) == [v.QuietenExchange(1), *SOME]


def test_exchange_is_closed_after_trainers_and_oracles_whatever_halts_first():
    m = exploring(rules=StopRules(steps=1), final_time=0.0)
    run(m, v.Predicted(1, 0))
    assert run(m, v.WalkersQuiet(), *SOME_HALTED[:-1]) == []
    assert run(m, SOME_HALTED[-1]) == [v.CloseExchange()]


def test_pure_exploration_ends_with_the_exchange():
    m = exploring(rules=StopRules(steps=1), trainers=(), oracles=())
    assert run(m, v.Predicted(1, 0)) == [v.QuietenExchange(1)]
    assert run(m, *WALKERS_QUIET) == [v.CloseExchange()]
    assert run(m, *CLOSED) == [v.CommitSet(1), v.Finished("done", "1 steps")]


def test_second_reason_to_stop_changes_nothing():
    m = exploring(rules=StopRules(steps=1))
    run(m, sample(1), v.Predicted(1, 0))
    assert run(m, v.MemberAsksStop(0, "flat"), v.WalkersEnded((0,), "found"), v.Predicted(5, 5)) == []
    assert m.reason == "1 steps"


def test_ended_machine_takes_everything_and_does_nothing():
    m = exploring(rules=StopRules(steps=1), final_time=0.0)
    run(m, v.Predicted(1, 0), *SOME_HALTED, *WALKERS_QUIET, *CLOSED)
    assert run(m, sample(1), v.Tick(), v.HostFailed(PRED, "late"), v.StopAsked("late"), at=1e9) == []


# --- interruption


def test_interrupted_run_awaits_labels_but_trains_no_more():
    m = exploring()
    run(m, sample(1))
    assert run(m, v.StopAsked("SIGINT")) == [v.QuietenExchange(1)]
    assert run(m, v.LabelArrived(ORACLE, 1)) == SOME
    run(m, *SOME_HALTED, *WALKERS_QUIET)
    assert run(m, *CLOSED) == [v.CommitSet(1), v.Finished("interrupted", "SIGINT")]


def test_interrupted_bootstrap_ends_the_same_way():
    m = started(plan(bootstrap=2))
    run(m, v.SampleArrived(1, 0, 0.0, True))
    assert run(m, v.StopAsked("SIGTERM")) == [v.QuietenExchange(1)]
    assert run(m, v.LabelMissed(ORACLE, 1)) == SOME
    assert list(m.queue.waiting) == [1]


def test_labels_of_an_interrupted_run_are_awaited_no_longer_than_the_limit():
    m = exploring(stop_limit=60.0)
    run(m, sample(1))
    run(m, v.StopAsked("SIGINT"), at=5.0)
    assert run(m, v.Tick(), at=65.0) == []
    assert run(m, v.Tick(), at=65.1) == [v.ReturnToQueue((1,)), *SOME]


def test_interruption_cuts_short_the_wait_for_labels_of_a_run_that_was_done():
    m = exploring(rules=StopRules(steps=1), label_limit=3600.0, stop_limit=60.0)
    run(m, sample(1), v.Predicted(1, 0))
    assert run(m, v.StopAsked("SIGTERM"), v.Tick(), at=100.0) == []
    assert run(m, v.Tick(), at=160.1) == [v.ReturnToQueue((1,)), *SOME]
    assert (m.outcome, m.reason) == ("interrupted", "SIGTERM")


def test_interruption_ends_the_last_round():
    m = exploring(rules=StopRules(steps=1))
    run(m, v.Predicted(1, 0))
    assert run(m, v.StopAsked("SIGINT")) == SOME
    assert m.outcome == "interrupted"


def test_interruption_asked_twice_changes_nothing():
    m = exploring()
    run(m, sample(1), v.StopAsked("SIGINT"))
    assert run(m, v.StopAsked("SIGINT"), v.StopAsked("SIGTERM")) == []
    assert m.reason == "SIGINT"


# --- failures and silence


def test_failing_host_halts_everyone_and_what_flies_waits_again():
    m = exploring()
    run(m, sample(1), sample(2))
    halts = [v.HaltHost(h) for h in HOSTS]
    assert run(m, v.HostFailed(TRAINER, "out of memory")) == [v.ReturnToQueue((1, 2)), *halts]
    assert run(m, v.LabelArrived(ORACLE, 1)) == []
    assert run(m, *(v.HostHalted(h) for h in HOSTS)) == [v.Finished("failed", "training/0: out of memory")]


def test_second_failure_changes_nothing():
    m = exploring()
    run(m, v.HostFailed(TRAINER, "out of memory"))
    assert run(m, v.HostFailed(PRED, "no weights")) == []
    assert m.reason == "training/0: out of memory"


def test_failure_at_the_end_halts_who_has_not_been_told():
    m = exploring(rules=StopRules(steps=1), final_time=0.0)
    run(m, v.Predicted(1, 0))
    assert run(m, v.HostFailed(ORACLE, "disk full")) == [v.HaltHost(h, 1) for h in ("exchange", GEN, PRED)]
    run(m, *SOME_HALTED, v.HostHalted(GEN), v.HostHalted(PRED))
    assert run(m, v.HostHalted("exchange")) == [v.Finished("failed", "oracle/0: disk full")]


def test_failure_of_a_predictor_while_the_exchange_closes_halts_both():
    m = exploring(rules=StopRules(steps=1), final_time=0.0)
    run(m, v.Predicted(1, 0), *WALKERS_QUIET, *SOME_HALTED)
    assert run(m, v.HostFailed(PRED, "no weights")) == [v.HaltHost("exchange", 1), v.HaltHost(PRED, 1)]
    assert run(m, v.HostHalted(PRED), v.HostHalted("exchange")) == [v.Finished("failed", "prediction/0: no weights")]


def test_walker_host_that_the_exchange_has_halted_is_not_told_again():
    m = exploring(rules=StopRules(steps=1), walker_hosts=(GEN, "generator/1"))
    run(m, v.Predicted(1, 0), v.HostHalted(GEN))
    told = [a.host for a in run(m, v.HostFailed(TRAINER, "out of memory"))]
    assert told == ["exchange", "generator/1", PRED, TRAINER, *ORACLES]


def test_silent_oracle_at_the_end_does_not_keep_labels_from_the_last_round():
    m = exploring(rules=StopRules(steps=1), label_limit=100.0, stop_limit=10.0)
    run(m, sample(1), sample(2), v.Predicted(1, 0), v.LabelArrived(ORACLE, 1))
    assert run(m, v.Tick(), at=110.0) == []
    assert run(m, v.Tick(), at=110.1) == [v.ReturnToQueue((2,)), v.Release(1, (1,)), v.FinishTraining(300.0)]


def test_silent_trainer_is_named_after_the_limit_of_the_last_round():
    m = exploring(rules=StopRules(steps=1), final_time=30.0, stop_limit=10.0, trainers=(TRAINER, "training/1"))
    run(m, v.Predicted(1, 0), v.TrainingOver(TRAINER))
    assert run(m, v.Tick(), at=40.0) == []
    assert run(m, v.Tick(), at=40.1) == [v.Abandon(("training/1",), "finishing")]
    assert m.phase == "ended"


def halting(**changes):
    m = exploring(rules=StopRules(steps=1), final_time=0.0, stop_limit=10.0, **changes)
    run(m, v.Predicted(1, 0))
    return m


def test_hosts_that_do_not_halt_are_named():
    m = halting()
    run(m, v.HostHalted(TRAINER), v.HostHalted(ORACLE), v.WalkersQuiet())
    assert run(m, v.Tick(), at=10.1) == [v.Abandon((ORACLES[1],), "halting")]


def test_exchange_and_walkers_that_do_not_become_quiet_are_named():
    m = halting(walker_hosts=(GEN, "generator/1"))
    run(m, *SOME_HALTED, v.HostHalted(GEN))
    assert run(m, v.Tick(), at=10.1) == [v.Abandon(("exchange", "generator/1"), "halting")]


def test_closing_has_the_same_time_again():
    m = halting(predictors=(PRED, "prediction/1"))
    run(m, *WALKERS_QUIET, *SOME_HALTED, at=9.0)
    run(m, v.HostHalted(PRED), at=15.0)
    assert run(m, v.Tick(), at=19.0) == []
    assert run(m, v.Tick(), at=19.1) == [v.Abandon(("exchange", "prediction/1"), "halting")]


def test_run_whose_stop_rule_is_met_already_has_nothing_left_to_do():
    m = Manager(plan(rules=StopRules(labels=5)), labelled=5, buffered=[1, 2, 3, 4, 5], rounds=2, complete=True)
    for host in HOSTS:
        m.handle(v.HostReady(host), 0.0)
    actions = m.handle(v.Inspected(), 0.0)
    assert not [a for a in actions if isinstance(a, v.Release | v.StartWalkers | v.StartHosts)]
    for host in HOSTS:
        actions = m.handle(v.HostHalted(host), 1.0)
    assert actions == [v.Finished("done", "5 labels: nothing left to do")]


def test_failure_of_the_start_hardly_waits_for_hosts_that_are_still_building():
    m = Manager(plan(stop_limit=60.0))
    m.handle(v.HostFailed(TRAINER, "no such file"), 1.0)
    assert m.handle(v.Tick(), 3.9) == []
    assert isinstance(m.handle(v.Tick(), 4.1)[0], v.Abandon)


def test_hosts_that_are_ready_have_all_the_time_to_halt_when_nothing_is_left_to_do():
    m = ready(plan(rules=StopRules(labels=5), stop_limit=60.0), labelled=5, complete=True)
    run(m, v.Inspected())
    assert run(m, v.Tick(), at=60.0) == []
    assert run(m, v.Tick(), at=60.1) == [v.Abandon(tuple(sorted(HOSTS)), "halting")]
