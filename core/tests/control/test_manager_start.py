"""The manager machine before the walkers set off: votes, inspection, bootstrap, resumed runs."""

from __future__ import annotations

import pytest
from steps import GEN, HOSTS, ORACLE, ORACLES, PRED, TRAINER, plan, ready, run, started

from pal_core.control import vocabulary as v
from pal_core.control.manager import PHASES, Manager, ManagerPlan
from pal_core.control.queue import Ticket
from pal_core.control.stopping import StopRules


def test_machine_begins_in_the_first_phase_of_its_table():
    assert Manager(plan()).phase == next(iter(PHASES))


def test_an_oracle_inspects_the_first_samples_when_all_hosts_are_ready():
    m = Manager(plan())
    assert run(m, *(v.HostReady(h) for h in HOSTS[:-1])) == []
    assert run(m, v.HostReady(HOSTS[-1])) == [v.InspectFirst(ORACLE)]


def test_repeated_vote_asks_for_no_second_inspection():
    m = ready(plan())
    assert run(m, v.HostReady(HOSTS[0]), v.HostReady("stranger")) == []


def test_inspection_counts_only_after_all_votes():
    m = Manager(plan())
    assert run(m, v.Inspected()) == []
    assert m.phase == "starting"


def test_walkers_propose_without_a_model_until_the_first_round():
    m = ready(plan(bootstrap=3))
    assert run(m, v.Inspected()) == [v.StartHosts(), v.AskBootstrap(3)]
    assert m.phase == "bootstrapping"


def test_trained_models_let_walkers_explore_at_once():
    m = ready(plan(trained=True))
    assert run(m, v.Inspected()) == [v.StartHosts(), v.StartWalkers()]
    assert m.phase == "running"


def test_run_without_oracles_and_trainers_explores_at_once():
    m = Manager(ManagerPlan(walker_hosts=(GEN,), predictors=(PRED,)))
    assert run(m, *(v.HostReady(h) for h in m.plan.hosts)) == [v.StartHosts(), v.StartWalkers()]


def test_initial_data_are_trained_on_instead_of_a_bootstrap():
    m = ready(plan(bootstrap=3), buffered=[1, 2])
    assert run(m, v.Inspected()) == [v.StartHosts(), v.Release(1, (1, 2))]
    assert run(m, v.RoundOver(TRAINER, 1)) == [v.StartWalkers()]


def test_trained_models_also_train_on_the_data_at_hand():
    m = ready(plan(trained=True), buffered=[1])
    assert run(m, v.Inspected()) == [v.StartHosts(), v.StartWalkers(), v.Release(1, (1,))]


def test_bootstrap_samples_are_labelled_trained_on_and_then_walkers_explore():
    m = started(plan(bootstrap=2))
    assert run(m, v.SampleArrived(1, 0, 0.0, True)) == [v.Keep(1), v.Dispatch(ORACLE, 1, 1)]
    assert run(m, v.LabelArrived(ORACLE, 1)) == []
    assert run(m, v.SampleArrived(2, 0, 0.0, True)) == [v.Keep(2), v.Dispatch(ORACLES[1], 2, 1)]
    assert run(m, v.LabelArrived(ORACLES[1], 2)) == [v.Release(1, (1, 2))]
    assert run(m, v.RoundStarted(TRAINER, 1)) == []
    assert run(m, v.RoundOver(TRAINER, 1)) == [v.StartWalkers()]
    assert m.phase == "running"


def test_bootstrap_ends_without_the_samples_that_nobody_could_label():
    m = started(plan(bootstrap=2))
    run(m, v.SampleArrived(1, 0, 0.0, True), v.SampleArrived(2, 0, 0.0, True))
    assert run(m, v.LabelMissed(ORACLE, 1, final=True)) == [v.QuarantineSample(1, 1)]
    assert run(m, v.LabelArrived(ORACLES[1], 2)) == [v.Release(1, (2,))]


def test_bootstrap_without_any_label_fails_the_run():
    m = started(plan(bootstrap=1))
    run(m, v.SampleArrived(1, 0, 0.0, True))
    actions = run(m, v.LabelMissed(ORACLE, 1, final=True))
    assert actions == [v.QuarantineSample(1, 1), *(v.HaltHost(h) for h in HOSTS)]
    assert m.reason == "none of the bootstrap samples could be labelled"


def test_bootstrap_samples_are_not_dropped_by_the_bound_of_the_queue():
    m = started(plan(bootstrap=4, oracles=(ORACLE,), queue=1))
    actions = run(m, *(v.SampleArrived(i, 0, 0.0, True) for i in range(4)))
    assert actions == [v.Keep(0), v.Dispatch(ORACLE, 0, 1), v.Keep(1), v.Keep(2), v.Keep(3)]


def test_bootstrap_sample_whose_like_is_known_is_not_waited_for():
    m = started(plan(bootstrap=2))
    run(m, v.SampleArrived(1, 0, 0.0, True), v.LabelArrived(ORACLE, 1))
    assert run(m, v.SampleKnown()) == []
    assert run(m, v.SampleKnown(bootstrap=True)) == [v.Release(1, (1,))]


def test_state_of_a_set_is_what_the_next_part_of_the_run_begins_with():
    rules = StopRules(labels=9, uncertain=0.1, window=10)
    m = started(plan(trained=True, serial=True, rules=rules), waiting=[Ticket(8)], rounds=3, rounds_done=2)
    run(m, v.SampleArrived(9, 0, 0.5), v.Predicted(6, 1))
    state = m.state()
    assert state == {
        "stage": "exploring",
        "round": 3,
        "rounds": 2,
        "steps": 6,
        "selected": 1,
        "window": [[6, 1]],
        "waiting": [8, 9],
        "dropped": 0,
        "failures": 0,
    }
    window = [(samples, selected) for samples, selected in state["window"]]
    counted = {"rounds": state["round"], "rounds_done": state["rounds"], "selected": state["selected"]}
    again = Manager(m.plan, steps=state["steps"], window=window, stage=state["stage"], **counted)
    assert again.state() == state | {"waiting": []}


def test_state_of_a_set_names_samples_being_labelled_as_waiting():
    m = started(plan(trained=True, oracles=(ORACLE,)), waiting=[Ticket(7), Ticket(8)])
    assert m.state()["waiting"] == [8, 7]


def test_resumed_bootstrap_asks_only_for_what_is_missing():
    m = ready(plan(bootstrap=3), waiting=[Ticket(7), Ticket(8)])
    dispatches = [v.Dispatch(ORACLE, 7, 1), v.Dispatch(ORACLES[1], 8, 1)]
    assert run(m, v.Inspected()) == [v.StartHosts(), v.AskBootstrap(1), *dispatches]


def test_first_round_of_a_resumed_bootstrap_waits_for_the_rest_of_its_labels():
    m = ready(plan(bootstrap=3), waiting=[Ticket(7)], labelled=2, buffered=[5, 6])
    assert run(m, v.Inspected()) == [v.StartHosts(), v.Dispatch(ORACLE, 7, 1)]
    assert run(m, v.LabelArrived(ORACLE, 7)) == [v.Release(1, (5, 6, 7))]


def test_resumed_run_counts_labels_and_rounds_from_where_it_was():
    rules = StopRules(labels=3)
    m = ready(plan(trained=True, rules=rules), labelled=2, rounds=4, buffered=[1, 2], waiting=[Ticket(3), Ticket(4)])
    actions = run(m, v.Inspected())
    assert actions == [v.StartHosts(), v.StartWalkers(), v.Release(5, (1, 2)), v.Dispatch(ORACLE, 3, 1)]
    assert run(m, v.LabelArrived(ORACLE, 3)) == [v.QuietenExchange(1), v.Release(6, (3,)), v.FinishTraining(300.0)]


def test_resumed_run_that_had_met_its_rule_ends_at_once():
    m = ready(plan(trained=True, rules=StopRules(labels=3)), labelled=3)
    end = [v.QuietenExchange(1), v.FinishTraining(300.0)]
    assert run(m, v.Inspected()) == [v.StartHosts(), v.StartWalkers(), *end]


@pytest.mark.parametrize("problems", [("atoms on top of each other",), ("no such element", "walker 3: empty")])
def test_problems_of_the_first_samples_end_the_run(problems):
    m = ready(plan())
    assert run(m, v.Inspected(problems)) == [v.HaltHost(h) for h in HOSTS]
    assert run(m, *(v.HostHalted(h) for h in HOSTS)) == [v.Finished("failed", "; ".join(problems))]


def test_kernel_that_raises_at_the_start_halts_everyone_at_once():
    m = Manager(plan())
    assert run(m, v.HostFailed(PRED, "no such file")) == [v.HaltHost(h) for h in HOSTS]
    assert run(m, *(v.HostHalted(h) for h in HOSTS)) == [v.Finished("failed", f"{PRED}: no such file")]


def test_stop_before_the_start_halts_everyone():
    m = Manager(plan())
    assert run(m, v.StopAsked("SIGINT")) == [v.HaltHost(h) for h in HOSTS]
    assert run(m, *(v.HostHalted(h) for h in HOSTS)) == [v.Finished("interrupted", "SIGINT")]


def test_hosts_that_never_vote_are_named():
    m = Manager(plan(startup_limit=30.0))
    run(m, *(v.HostReady(h) for h in HOSTS if h not in (PRED, TRAINER)))
    assert run(m, v.Tick(), at=30.0) == []
    assert run(m, v.Tick(), at=30.1) == [v.Abandon((PRED, TRAINER), "starting")]


def test_inspection_has_the_same_time_again_and_its_oracle_is_named():
    m = ready(plan(startup_limit=30.0), at=29.0)
    assert run(m, v.Tick(), at=59.0) == []
    assert run(m, v.Tick(), at=59.1) == [v.Abandon((ORACLE,), "starting")]
