"""The manager machine when processes die: spares, retreat and restart, in every phase."""

from __future__ import annotations

import pytest
from steps import GEN, HOSTS, ORACLE, ORACLES, PRED, TRAINER, exploring, plan, ready, run, sample, started

from pal_core.control import vocabulary as v
from pal_core.control.manager import Manager
from pal_core.control.stopping import StopRules

DIED = "rank 3 has died"
HOPELESS = [v.Restart(f"{DIED}; no spare rank is left")]


def lost(*hosts: str) -> v.HostsLost:
    return v.HostsLost(hosts, DIED)


# --- with a spare rank


@pytest.mark.parametrize("host", [GEN, PRED, TRAINER, ORACLE])
def test_spare_rank_takes_a_lost_host_over_and_everybody_hears_of_it(host):
    m = exploring(spares=1)
    assert run(m, lost(host)) == [v.Replace((host,))]
    assert run(m, v.HostReady(host)) == [v.Welcome(host)]
    assert run(m, v.HostReady(host)) == []


def test_hosts_of_one_rank_are_replaced_by_one_spare():
    m = exploring(spares=1)
    assert run(m, lost(GEN, PRED)) == [v.Replace((GEN, PRED))]
    assert run(m, v.HostReady(PRED), v.HostReady(GEN)) == [v.Welcome(PRED), v.Welcome(GEN)]


def test_idle_spare_that_dies_is_no_spare_any_more():
    m = exploring(spares=1)
    assert run(m, lost()) == []
    assert run(m, lost(GEN)) == HOPELESS


def test_host_whose_new_rank_dies_too_needs_another_spare():
    m = exploring(spares=2)
    assert run(m, lost(GEN), lost(GEN)) == [v.Replace((GEN,))] * 2
    assert run(m, lost(GEN)) == HOPELESS


def test_lost_oracle_costs_an_attempt_and_another_one_tries():
    m = exploring(spares=1)
    run(m, sample(1))
    assert run(m, lost(ORACLE)) == [v.Replace((ORACLE,)), v.Dispatch(ORACLES[1], 1, 2)]
    assert run(m, sample(2)) == [v.Keep(2)]
    assert run(m, v.HostReady(ORACLE)) == [v.Welcome(ORACLE), v.Dispatch(ORACLE, 2, 1)]


def test_sample_whose_last_attempt_is_lost_is_quarantined():
    m = exploring(spares=1, retries=0)
    run(m, sample(1))
    assert run(m, lost(ORACLE)) == [v.QuarantineSample(1, 1), v.Replace((ORACLE,))]


def test_late_answer_of_a_lost_oracle_changes_nothing():
    m = exploring(spares=1)
    run(m, sample(1), lost(ORACLE))
    assert run(m, v.LabelArrived(ORACLE, 1, attempt=1), v.LabelMissed(ORACLE, 1, attempt=1)) == []
    assert run(m, v.LabelArrived(ORACLES[1], 1, attempt=2)) == []
    assert (m.tally.labels, m.rounds.buffer) == (1, [1])


def test_answer_to_an_earlier_attempt_on_the_same_oracle_changes_nothing():
    m = exploring(oracles=(ORACLE,), retries=1)
    run(m, sample(1), v.LabelMissed(ORACLE, 1, attempt=1))
    assert run(m, v.LabelMissed(ORACLE, 1, attempt=1), v.LabelArrived(ORACLE, 1, attempt=1)) == []
    assert run(m, v.LabelArrived(ORACLE, 1, attempt=2)) == []
    assert m.tally.labels == 1


def test_lost_idle_oracle_gets_no_sample_until_it_is_back():
    m = exploring(oracles=(ORACLE,), spares=1)
    assert run(m, lost(ORACLE), sample(1)) == [v.Replace((ORACLE,)), v.Keep(1)]
    assert run(m, v.HostReady(ORACLE)) == [v.Welcome(ORACLE), v.Dispatch(ORACLE, 1, 1)]


def test_bootstrap_survives_the_loss_of_an_oracle_and_a_trainer():
    m = started(plan(bootstrap=1, spares=2))
    run(m, v.SampleArrived(1, 0, 0.0, True))
    assert run(m, lost(ORACLE), lost(TRAINER)) == [
        v.Replace((ORACLE,)),
        v.Dispatch(ORACLES[1], 1, 2),
        v.Replace((TRAINER,)),
    ]
    assert run(m, v.LabelArrived(ORACLES[1], 1)) == [v.Release(1, (1,))]
    assert run(m, v.HostReady(TRAINER), v.RoundOver(TRAINER, 1)) == [v.Welcome(TRAINER), v.StartWalkers()]


def test_host_that_does_not_begin_anew_in_time_costs_a_restart():
    m = exploring(spares=1, startup_limit=30.0)
    run(m, lost(TRAINER), at=10.0)
    assert run(m, v.Tick(), at=40.0) == []
    assert run(m, v.Tick(), at=40.1) == [v.Restart(f"{TRAINER} didn't begin anew within 30 s")]


# --- without one


def test_run_goes_on_with_the_oracles_that_are_left():
    m = exploring()
    run(m, sample(1), sample(2))
    assert run(m, lost(ORACLE)) == [v.Forgo((ORACLE,))]
    assert run(m, v.LabelArrived(ORACLES[1], 2)) == [v.Dispatch(ORACLES[1], 1, 2)]
    assert run(m, lost(ORACLE), v.HostReady(ORACLE), sample(3)) == [v.Keep(3)]


def test_oracle_that_is_being_replaced_counts_as_left():
    m = exploring(spares=1)
    run(m, lost(ORACLES[1]))
    assert run(m, lost(ORACLE)) == [v.Forgo((ORACLE,))]


def test_oracle_whose_new_rank_dies_too_is_done_without_if_there_is_no_other_spare():
    m = exploring(spares=1, startup_limit=30.0)
    run(m, lost(ORACLE))
    assert run(m, lost(ORACLE)) == [v.Forgo((ORACLE,))]
    assert run(m, v.Tick(), at=99.0) == []
    assert v.Forgo((ORACLE,)) not in run(m, v.StopAsked("SIGTERM"))


@pytest.mark.parametrize("hosts", [(GEN,), (PRED,), (TRAINER,), (TRAINER, ORACLE), ORACLES])
def test_loss_of_what_the_run_can_not_do_without_costs_a_restart(hosts):
    m = exploring()
    assert run(m, lost(*hosts)) == HOPELESS
    assert m.phase == "ended"


def test_last_oracle_costs_a_restart():
    m = exploring()
    run(m, lost(ORACLE))
    assert run(m, lost(ORACLES[1])) == HOPELESS


# --- spares don't help


@pytest.mark.parametrize("hosts", [("exchange",), ("exchange", GEN)])
def test_loss_of_the_exchange_costs_a_restart(hosts):
    assert run(exploring(spares=9), lost(*hosts)) == [v.Restart(DIED)]


@pytest.mark.parametrize("host", HOSTS)
def test_loss_before_the_start_costs_a_restart(host):
    assert run(Manager(plan(spares=9)), lost(host)) == [v.Restart(DIED)]
    assert run(ready(plan(spares=9)), lost(host)) == [v.Restart(DIED)]


def test_loss_of_walkers_during_the_bootstrap_costs_a_restart():
    assert run(started(plan(bootstrap=3, spares=9)), lost(GEN)) == [v.Restart(DIED)]


def test_walkers_lost_between_the_bootstrap_and_their_setting_off_are_replaced():
    m = started(plan(bootstrap=1, spares=1))
    run(m, v.SampleArrived(1, 0, 0.0, True), v.LabelArrived(ORACLE, 1), v.RoundStarted(TRAINER, 1))
    assert run(m, lost(GEN)) == [v.Replace((GEN,))]
    assert run(m, v.RoundOver(TRAINER, 1)) == [v.StartWalkers()]
    assert run(m, v.HostReady(GEN)) == [v.Welcome(GEN)]


def test_oracle_that_is_lost_after_its_label_has_come_gets_no_other_sample():
    m = exploring(spares=1, retries=0)
    run(m, *(sample(k) for k in (1, 2, 3)))
    assert run(m, v.LabelArrived(ORACLE, 1, lost=True)) == []
    assert run(m, lost(ORACLE)) == [v.Replace((ORACLE,))]
    assert m.quarantined == 0
    assert run(m, v.HostReady(ORACLE)) == [v.Welcome(ORACLE), v.Dispatch(ORACLE, 3, 1)]


def test_walkers_of_a_lost_host_live_again_whatever_had_ended_them():
    rules = StopRules(walkers=2, generators="all")
    m = exploring(spares=1, rules=rules)
    run(m, v.WalkersEnded((0,), "counted enough"))
    run(m, v.HostsLost((GEN,), DIED, (0, 1)), v.HostReady(GEN))
    run(m, v.WalkersEnded((1,), "counted enough"))
    assert m.phase == "running"
    run(m, v.WalkersEnded((0,), "counted enough"))
    assert m.phase == "finishing"


def test_walkers_of_a_lost_host_that_were_disabled_are_not_counted_until_they_are_again():
    m = exploring(spares=1, rules=StopRules(walkers=2))
    run(m, v.WalkersEnded((0,), "no luck", True))
    run(m, v.HostsLost((GEN,), DIED, (0, 1)), v.HostReady(GEN))
    run(m, v.WalkersEnded((1,), "no luck", True))
    assert m.phase == "running"
    run(m, v.WalkersEnded((0,), "no luck", True))
    assert m.outcome == "failed"


def test_samples_without_a_label_in_a_row_end_the_run_also_when_oracles_are_lost():
    m = exploring(spares=9, retries=0, give_up_after=1)
    run(m, sample(1))
    actions = run(m, lost(ORACLE))
    assert actions[0] == v.QuarantineSample(1, 1)
    assert v.Forgo((ORACLE,)) in actions
    assert not [a for a in actions if isinstance(a, v.Replace)]
    others = [h for h in HOSTS if h != ORACLE]
    assert run(m, *(v.HostHalted(h) for h in others))[-1] == v.Finished("failed", m.reason)


# --- at the end


def stopped(**changes):
    m = exploring(rules=StopRules(steps=1), **changes)
    run(m, sample(1), v.Predicted(1, 0))
    return m


def test_oracle_lost_while_the_run_drains_returns_its_sample():
    m = stopped(spares=1)
    assert run(m, lost(ORACLE)) == [v.ReturnToQueue((1,)), v.Forgo((ORACLE,)), v.FinishTraining(300.0)]


def test_trainer_lost_in_the_last_round_is_not_waited_for():
    m = stopped(spares=1)
    run(m, v.LabelArrived(ORACLE, 1))
    assert run(m, lost(TRAINER)) == [v.Forgo((TRAINER,)), *(v.HaltHost(h, 1) for h in ORACLES)]


@pytest.mark.parametrize("host", [TRAINER, *ORACLES])
def test_host_lost_while_it_halts_counts_as_halted(host):
    m = stopped(final_time=0.0)
    run(m, v.LabelArrived(ORACLE, 1), v.HostHalted(GEN), v.WalkersQuiet())
    run(m, *(v.HostHalted(h) for h in (TRAINER, *ORACLES) if h != host))
    assert run(m, lost(host)) == [v.Forgo((host,)), v.CloseExchange()]


def test_host_that_is_being_replaced_when_the_run_ends_is_given_up():
    m = exploring(spares=1)
    run(m, lost(ORACLE))
    assert run(m, v.StopAsked("SIGTERM")) == [
        v.QuietenExchange(1),
        v.Forgo((ORACLE,)),
        *(v.HaltHost(h, 1) for h in (TRAINER, ORACLES[1])),
    ]
    assert run(m, v.HostReady(ORACLE)) == []


def test_host_that_is_being_replaced_when_another_fails_is_given_up():
    m = exploring(spares=1)
    run(m, lost(TRAINER))
    told = [v.HaltHost(h) for h in HOSTS if h != TRAINER]
    assert run(m, v.HostFailed(PRED, "no weights")) == [v.Forgo((TRAINER,)), *told]


def test_exchange_lost_while_the_run_drains_costs_a_restart():
    assert run(stopped(), lost("exchange")) == [v.Restart(DIED)]


def test_exchange_lost_after_a_failure_changes_nothing_of_the_end():
    m = exploring()
    run(m, v.HostFailed(PRED, "no weights"))
    assert run(m, lost("exchange")) == [v.Forgo(("exchange",))]
    run(m, *(v.HostHalted(h) for h in HOSTS[1:-1]))
    assert run(m, v.HostHalted(HOSTS[-1])) == [v.Finished("failed", "prediction/0: no weights")]


def test_all_walkers_disabled_is_a_failure():
    m = exploring(rules=StopRules(walkers=2))
    assert run(m, v.WalkersEnded((0,), "nan", disabled=True), v.WalkersEnded((0,), "nan", disabled=True)) == []
    actions = run(m, v.WalkersEnded((1,), "nan", disabled=True))
    assert actions == [v.HaltHost(h) for h in HOSTS]
    assert m.reason == "every walker has been disabled; the last: nan"


def test_some_walkers_disabled_and_the_others_ended_is_an_end_like_others():
    m = exploring(rules=StopRules(walkers=2))
    run(m, v.WalkersEnded((0,), "nan", disabled=True))
    assert run(m, v.WalkersEnded((1,), "found"))[0] == v.QuietenExchange(1)
    assert m.reason == "2 of 2 walkers ended (found)"
