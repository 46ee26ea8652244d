"""The status that `pal status` and observers get."""

from __future__ import annotations

import json
import os

import pytest
from worlds import make_setup

from pal_core.control import vocabulary as v
from pal_core.control.manager import Manager, ManagerPlan
from pal_core.control.stopping import StopRules
from pal_core.runtime.status import StatusBoard


@pytest.fixture
def board(tmp_path):
    def make(end: float | None = None, **rules) -> tuple[StatusBoard, Manager]:
        machine = Manager(ManagerPlan(rules=StopRules(**rules), end=end))
        return StatusBoard(machine, make_setup(tmp_path).plan), machine

    return make


def test_status_is_json_with_all_keys(board):
    made, _ = board(labels=10)
    made.epoch(1, 3, 9, {"loss": float("nan"), "validation_energy_mae": 0.5})
    status = json.loads(json.dumps(made.make(1.0), allow_nan=False))
    assert set(status) == {
        "phase", "outcome", "reason", "pid", "host", "ranks", "began", "updated", "seconds", "steps",
        "steps_per_second", "uncertain_share", "labels", "labels_per_second", "queue", "labelling", "rounds",
        "waiting_labels", "members", "quarantined", "failed_attempts", "dropped", "walkers_ended", "utilisation",
        "rules", "progress", "seconds_left", "faults", "news", "spares",
    }  # fmt: skip
    assert (status["phase"], status["outcome"], status["pid"], status["ranks"]) == ("starting", None, os.getpid(), 1)
    assert status["members"]["1"] == {
        "version": 3, "epoch": 9, "metrics": {"loss": None, "validation_energy_mae": 0.5}
    }  # fmt: skip


def test_rates_are_those_of_the_last_ten_statuses(board):
    made, machine = board(labels=100, steps=10_000)
    assert made.make(0.0)["steps_per_second"] == 0.0
    for second in range(1, 21):
        machine.tally.steps += 10 if second < 11 else 30
        machine.tally.labels += 2
        status = made.make(float(second))
    assert status["steps_per_second"] == 30.0
    assert status["labels_per_second"] == 2.0


def test_time_left_is_that_of_the_rule_that_is_met_first(board):
    made, machine = board(labels=100, steps=1000, end=500.0)
    assert made.make(0.0)["seconds_left"] == 500.0
    machine.tally.labels, machine.tally.steps = 20, 500
    assert made.make(10.0)["seconds_left"] == 10.0  # 500 steps at 50 a second
    machine.tally.labels = 90
    assert made.make(20.0)["seconds_left"] == pytest.approx(10 / 4.5, abs=0.1)


def test_nobody_knows_the_time_left_without_countable_rules(board):
    made, _ = board(uncertain=0.1)
    status = made.make(1.0)
    assert status["seconds_left"] is status["progress"] is None


def test_progress_is_that_of_the_nearest_rule_and_at_most_all(board):
    made, machine = board(labels=100, rounds=10, end=50.0)
    machine.tally.labels = 30
    assert made.make(10.0)["progress"] == 0.3
    machine.tally.rounds = 6
    assert made.make(10.0)["progress"] == 0.6
    assert made.make(1000.0)["progress"] == 1.0


def test_utilisation_is_the_mean_over_a_roles_hosts(board):
    made, _ = board()
    made.pulse("oracle/0", 1.0, {})
    made.pulse("oracle/1", 0.5, {})
    made.pulse("oracle/1", 0.0, {})
    made.pulse("exchange", 0.25, {})
    assert made.make(1.0)["utilisation"] == {"exchange": 0.25, "oracle": 0.5}


def test_only_rules_that_are_set_are_shown(board):
    rules = board(labels=10)[0].make(0.0)["rules"]
    assert rules["labels"] == 10
    assert "steps" not in rules


def test_phase_and_counts_are_the_machines(board):
    made, machine = board()
    machine.handle(v.StopAsked("enough"), 0.0)
    machine.tally.predicted(10, 3)
    status = made.make(1.0)
    assert (status["phase"], status["reason"]) == ("halting", "enough")
    assert (status["steps"], status["uncertain_share"]) == (10, 0.3)
