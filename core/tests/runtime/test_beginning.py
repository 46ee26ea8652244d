"""What a run begins with: the store, initial data, the settings."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from worlds import labels_of, make_setup, plugins, points

from pal_core.builtin import npz
from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.control.queue import HIGHEST
from pal_core.data import Batch
from pal_core.policies.holding_out import by_number
from pal_core.runtime.beginning import (
    ChangedSettingsError,
    begin,
    changed_settings,
    settle_validation,
    validation_mask,
)
from pal_core.runtime.checkpoint import round_file, save_state
from pal_core.runtime.initial import InitialDataError, read_initial
from pal_core.runtime.plan import Processes
from pal_core.store.store import Store, StoreError


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "run", write=True)
    store.agree(SAMPLE, LABEL)
    yield store
    store.close(commit=False)


def add(store: Store, number: int, origin: str = "active", score: float | None = 0.5, label: bool = False) -> None:
    store.add_sample(number, {"x": np.zeros(2)}, origin=origin, walker=3, version=0, score=score)
    if label:
        store.add_label(number, {"energy": 0.0, "gradient": np.zeros(2)}, "k", "p")


def save_rounds(folder, **rounds: int) -> None:
    for member, number in rounds.items():
        save_state(round_file(folder / "run", int(member[1:]), number), {"n": np.zeros(1)}, {"version": "1"})


class TestBegin:
    """The manager machine."""

    def test_empty_store_gives_an_empty_machine(self, store, tmp_path):
        machine, *_ = begin(make_setup(tmp_path), store)
        assert machine.queue.waiting == {}
        assert (machine.tally.labels, machine.tally.steps, machine.tally.rounds) == (0, 0, 0)
        assert machine.rounds.buffer == []
        assert not machine.plan.trained

    def test_waiting_samples_come_back_with_their_worth_and_attempts(self, store, tmp_path):
        add(store, 1, "bootstrap", None)
        add(store, 2, score=0.7)
        add(store, 3, score=float("nan"))
        add(store, 4, label=True)
        add(store, 5, "wanted", 0.1)
        for attempt in (1, 2, 3):
            store.add_attempt(2, attempt, "oracle/0", seconds=1.0, failure="crashed")
        machine, *_ = begin(make_setup(tmp_path, oracle={"retries": 1}), store)
        found = {t.sample: (t.walker, t.score, t.attempts) for t in machine.queue.waiting.values()}
        assert found == {1: (3, math.inf, 0), 2: (3, 0.7, 1), 3: (3, HIGHEST, 0), 5: (3, math.inf, 0)}

    def test_initial_labels_are_trained_on_but_do_not_count_for_the_stop_rule(self, store, tmp_path):
        for number in (1, 2):
            add(store, number, "initial", label=True)
        add(store, 3, "bootstrap", label=True)
        add(store, 4, label=True)
        machine, *_ = begin(make_setup(tmp_path), store)
        assert machine.tally.labels == 2
        assert sorted(machine.rounds.buffer) == [1, 2, 3, 4]

    def test_steps_of_earlier_sessions_count(self, store, tmp_path):
        store.open_session("{}", {})
        store.add_history(70, 0, 0, 0)
        assert begin(make_setup(tmp_path), store)[0].tally.steps == 70

    def test_run_that_repeats_itself_counts_on_what_was_dropped_and_what_failed_in_a_row(self, store, tmp_path):
        store.add_set(1, {"sample": 1, "dropped": 3, "failures": 2, "session": 1, "files": []})
        store.commit()
        machine, *_ = begin(replace(make_setup(tmp_path), set=1, repeats=True), store)
        assert (machine.state()["dropped"], machine.state()["failures"]) == (3, 2)
        machine, *_ = begin(replace(make_setup(tmp_path), set=1), store)
        assert (machine.state()["dropped"], machine.state()["failures"]) == (0, 0)

    def test_rounds_are_those_that_all_members_have_on_disk(self, store, tmp_path):
        save_rounds(tmp_path, m0=3)
        machine, *_ = begin(make_setup(tmp_path), store)
        assert (machine.rounds.completed, machine.plan.trained) == (0, False)
        save_rounds(tmp_path, m1=2)
        machine, *_ = begin(make_setup(tmp_path), store)
        assert (machine.rounds.completed, machine.plan.trained) == (2, True)
        assert machine.rounds.before == 2

    def test_weights_named_by_the_options_need_no_bootstrap(self, store, tmp_path):
        assert begin(make_setup(tmp_path, model={"trained": True}), store)[0].plan.trained

    def test_queue_is_left_alone_without_oracles(self, store, tmp_path):
        add(store, 1)
        setup = make_setup(tmp_path, oracle=None, training=None, data=None, stop={"labels": None, "steps": 5})
        machine, *_ = begin(setup, store)
        assert machine.queue.waiting == {}
        assert machine.plan.bootstrap == 0

    def test_settings_reach_the_machine(self, store, tmp_path):
        setup = make_setup(
            tmp_path,
            Processes(1, 2, 2, 3, 1),
            run={"schedule": "serial", "startup_limit": 11, "stop_limit": 12},
            training={"retrain_after": 7, "final_time": 13},
            oracle={"retries": 4, "give_up_after": 5, "queue": 50, "per_walker": 6, "ahead": 8, "timeout": 14},
            selection={"rerank": True},
            data={"bootstrap": 15},
            stop={"labels": 1, "steps": 2, "rounds": 3, "wall_time": 4, "generators": "any", "training": "all",
                  "converged": {"uncertain": 0.1, "window": 20}},
        )  # fmt: skip
        plan = begin(replace(setup, end=time.time() + 4), store)[0].plan
        assert (plan.oracles, plan.trainers) == (("oracle/0", "oracle/1", "oracle/2"), ("training/0",))
        assert (plan.walker_hosts, plan.predictors) == (
            ("generator/0", "generator/1"), ("prediction/0", "prediction/1")
        )  # fmt: skip
        assert (plan.bootstrap, plan.retrain_after, plan.retries, plan.give_up_after) == (15, 7, 4, 5)
        assert (plan.queue, plan.per_walker, plan.ahead, plan.rerank, plan.serial) == (50, 6, 8, True, True)
        assert (plan.startup_limit, plan.stop_limit, plan.final_time, plan.label_limit) == (11, 12, 13, 14 + 11)
        rules = plan.rules
        assert (rules.labels, rules.steps, rules.rounds) == (1, 2, 3)
        assert plan.end == pytest.approx(4, abs=0.5)
        assert (rules.uncertain, rules.window, rules.generators, rules.training) == (0.1, 20, "any", "all")
        assert (rules.walkers, rules.members) == (4, 2)


class TestInitialData:
    """Labelled samples from files."""

    def write(self, path, n: int, seed: int = 0) -> None:
        batch = points(n, seed)
        npz.write(path, batch.join(labels_of(batch)), [{}] * n)

    def test_files_are_read_in_order_once_in_the_life_of_a_run(self, store, tmp_path):
        for seed, name in enumerate(("a.npz", "b.npz")):
            self.write(tmp_path / name, 3, seed)
        setup = make_setup(tmp_path, data={"initial": ["b.npz", "a.npz"]})
        assert read_initial(setup, store, plugins()) == 6
        assert read_initial(setup, store, plugins()) == 0
        numbers = store.labelled()
        wanted = Batch.concat([points(3, 1), points(3, 0)])
        np.testing.assert_array_equal(store.samples(numbers).columns["x"], wanted.columns["x"])
        np.testing.assert_array_equal(store.labels(numbers).columns["energy"], labels_of(wanted).columns["energy"])
        origins = store.origins(numbers)
        assert [o["oracle"] for o in origins] == ["b.npz"] * 3 + ["a.npz"] * 3
        assert {(o["origin"], o["walker"], o["package"]) for o in origins} == {("initial", -1, "npz")}

    def test_without_files_nothing_is_read(self, store, tmp_path):
        assert read_initial(make_setup(tmp_path), store, plugins()) == 0
        assert store.meta("initial") is None

    def test_bad_file_is_named_and_nothing_of_the_others_is_stored(self, store, tmp_path):
        self.write(tmp_path / "good.npz", 3)
        (tmp_path / "bad.npz").write_bytes(b"nothing of the kind")
        setup = make_setup(tmp_path, data={"initial": ["good.npz", "bad.npz"]})
        with pytest.raises(InitialDataError) as error:
            read_initial(setup, store, plugins())
        assert str(error.value).startswith(f"data.initial: {tmp_path}/bad.npz can't be read as npz: ")
        assert error.value.exit_code == 2
        store.commit()
        assert store.labelled() == []
        self.write(tmp_path / "bad.npz", 2)
        assert read_initial(setup, store, plugins()) == 5


class TestChangedSettings:
    """Going on with other settings."""

    def session(self, store, folder, **tables) -> None:
        settings = make_setup(folder, **tables).loaded.settings
        store.open_session(settings.model_dump_json(exclude_unset=True), {})

    def test_first_session_and_equal_settings_change_nothing(self, store, tmp_path):
        settings = make_setup(tmp_path).loaded.settings
        assert changed_settings(store, settings, accept=False) == []
        self.session(store, tmp_path)
        assert changed_settings(store, settings, accept=False) == []

    def test_weights_of_a_run_whose_store_is_gone_are_refused(self, store, tmp_path):
        save_rounds(tmp_path, m0=3)
        settings = make_setup(tmp_path).loaded.settings
        with pytest.raises(StoreError) as error:
            changed_settings(store, settings, accept=True)
        assert error.value.message == f"{tmp_path}/run holds models of a run whose pal.sqlite is gone"
        assert error.value.hint == "remove the directory, or use another run.directory"
        self.session(store, tmp_path)
        assert changed_settings(store, settings, accept=False) == []

    def test_harmless_change_is_told(self, store, tmp_path):
        self.session(store, tmp_path)
        found = changed_settings(store, make_setup(tmp_path, stop={"labels": 50}).loaded.settings, accept=False)
        assert [str(c) for c in found] == ["stop.labels: 40 -> 50"]

    def test_change_that_stored_data_depend_on_is_refused_unless_accepted(self, store, tmp_path):
        self.session(store, tmp_path)
        settings = make_setup(tmp_path, run={"seed": 6}, stop={"labels": 50}).loaded.settings
        with pytest.raises(ChangedSettingsError) as error:
            changed_settings(store, settings, accept=False)
        assert error.value.message == f"{tmp_path}/run was made with other settings:\n  run.seed: 5 -> 6"
        assert error.value.hint.endswith("or go on all the same: pal run --accept-changes")
        assert error.value.exit_code == 2
        assert len(changed_settings(store, settings, accept=True)) == 2

    def test_last_session_counts(self, store, tmp_path):
        self.session(store, tmp_path)
        self.session(store, tmp_path, run={"seed": 6})
        assert changed_settings(store, make_setup(tmp_path, run={"seed": 6}).loaded.settings, accept=False) == []


class TestValidation:
    """Samples held out."""

    def test_new_run_goes_by_content_whatever_number_and_seed(self, store, tmp_path):
        settle_validation(store)
        for number, x in ((1, 0.1), (2, 0.2), (7, 0.1), (8, 0.2)):
            store.add_sample(number, {"x": [x, 0.0]}, origin="active", walker=0, version=0, score=None)
        masks = []
        for seed in range(20):
            setup = make_setup(tmp_path, run={"seed": seed}, training={"validation": 0.5})
            masks.append(validation_mask(store, setup.loaded.settings, [1, 2, 7, 8]).tolist())
        assert all(mask == masks[0] and mask[:2] == mask[2:] for mask in masks)

    def test_run_begun_before_keeps_its_rule(self, store, tmp_path):
        store.open_session("{}", {})
        settle_validation(store)
        numbers = list(range(1, 41))
        for number in numbers:
            add(store, number)
        settings = make_setup(tmp_path, run={"seed": 7}, training={"validation": 0.3}).loaded.settings
        found = validation_mask(store, settings, numbers)
        np.testing.assert_array_equal(found, by_number(7, 0.3, numbers))
        assert 0 < found.sum() < 40, "equal samples with other numbers are not on one side"

    def test_rule_is_settled_once(self, store):
        settle_validation(store)
        store.open_session("{}", {})
        settle_validation(store)
        assert store.meta("validation") == "content"
