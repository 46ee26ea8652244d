"""Whole runs in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from worlds import odd, plugins, toy

from pal_core import api
from pal_core.api import Result, RunError, open_run
from pal_core.builtin.npz import write
from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.builtin.surface import muller_brown
from pal_core.errors import SettingsError
from pal_core.runtime.beginning import ChangedSettingsError
from pal_core.runtime.manager import STOP_FILE
from pal_core.store.store import Store, StoreError


def run(folder, observers=(), should_stop=lambda: False, accept_changes=False, **tables) -> Result:
    return api.run(
        toy(**tables),
        base=folder,
        plugins=plugins(),
        observers=observers,
        should_stop=should_stop,
        accept_changes=accept_changes,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run that has met its stop rule."""
    return run(tmp_path_factory.mktemp("done"))


def rows(folder, sql: str) -> list[tuple]:
    store = Store(folder / "run")
    try:
        return store._run(sql)
    finally:
        store.close()


class TestResult:
    """What a run leaves behind."""

    def test_run_ends_by_its_stop_rule(self, done):
        assert (done.outcome, done.reason) == ("done", "40 labels")

    def test_dataset_holds_every_label_with_its_sample(self, done):
        data = done.dataset()
        assert len(data) == 40
        assert list(data.schema) == [*SAMPLE, *LABEL]
        energy, gradient = muller_brown(data.columns["x"])
        np.testing.assert_allclose(data.columns["energy"], energy)
        np.testing.assert_allclose(data.columns["gradient"], gradient)

    def test_history_is_a_table_that_grows(self, done):
        history = done.history()
        assert history.shape[1] == 6
        assert (np.diff(history[:, 0]) >= 0).all()
        assert history[-1, 4] == 40

    def test_rounds_tell_members_and_labels(self, done):
        rounds = done.rounds()
        assert [r["member"] for r in rounds] == [0, 1] * (len(rounds) // 2)
        assert rounds[0]["labels"] == 12
        assert rounds[-1]["labels"] == 40
        assert "energy_mae" in rounds[-1]["metrics"]

    def test_models_have_learned_the_surface(self, done):
        data = done.dataset()
        first, last = (
            np.mean([np.abs(k.predict(data).columns["energy"] - data.columns["energy"]) for k in done.models(n)])
            for n in (1, None)
        )
        assert last < 0.5 * first
        assert done.stored_rounds()[-1] == done.rounds()[-1]["round"]

    def test_unknown_round_is_refused_with_those_there_are(self, done):
        with pytest.raises(RunError, match=r"has no weights of round 0; rounds on disk: \[1, "):
            done.models(0)

    def test_run_can_be_opened_later(self, done, tmp_path):
        file = done.directory.parent / "toy.toml"
        file.write_text(TOML)
        found = open_run(file, plugins())
        assert (found.outcome, found.reason) == ("done", "40 labels")
        np.testing.assert_array_equal(found.dataset().columns["x"], done.dataset().columns["x"])

    def test_run_that_never_began_cannot_be_opened(self, tmp_path):
        (tmp_path / "toy.toml").write_text(TOML)
        with pytest.raises(StoreError, match="holds no run"):
            open_run(tmp_path / "toy.toml", plugins())
        Store(tmp_path / "run", write=True).close()
        with pytest.raises(RunError, match=r"has never begun; start it: pal run .*toy.toml"):
            open_run(tmp_path / "toy.toml", plugins())
        with pytest.raises(RunError, match="has no weights of any round; rounds on disk: none"):
            Result(api.load(tmp_path / "toy.toml", plugins()), "done", "").models()

    def test_file_and_dict_make_the_same_run(self, done, tmp_path):
        (tmp_path / "toy.toml").write_text(TOML)
        again = api.run(str(tmp_path / "toy.toml"), plugins=plugins())
        assert again.directory == tmp_path / "run"
        # The bootstrap depends on seeds only; later samples on who was how fast.
        np.testing.assert_array_equal(
            np.sort(again.dataset().columns["x"][:12], axis=0), np.sort(done.dataset().columns["x"][:12], axis=0)
        )

    def test_lock_step_runs_are_alike(self, tmp_path):
        data = [
            run(tmp_path / k, run={"batching": "all", "schedule": "serial"}, stop={"labels": 24}).dataset()
            for k in "ab"
        ]
        np.testing.assert_array_equal(data[0].columns["x"], data[1].columns["x"])


class TestWays:
    """Settings that lead through other parts of the code."""

    def test_child_process_labels_alike(self, tmp_path, done):
        result = run(tmp_path, oracle={"isolate": True}, stop={"labels": 14})
        np.testing.assert_array_equal(
            np.sort(result.dataset().columns["x"][:12], axis=0), np.sort(done.dataset().columns["x"][:12], axis=0)
        )

    def test_initial_data_instead_of_a_bootstrap(self, tmp_path, done):
        write(tmp_path / "start.npz", done.dataset(), [{}] * 40)
        result = run(tmp_path, data={"initial": ["start.npz"], "bootstrap": 0}, stop={"labels": 5})
        assert len(result.dataset()) == 45
        assert rows(tmp_path, "SELECT origin, COUNT(*) FROM samples GROUP BY origin")[-1] == ("initial", 40)

    def test_without_oracle_and_training_walkers_only_walk(self, tmp_path):
        result = run(tmp_path, oracle=None, training=None, data=None, stop={"labels": None, "steps": 200})
        assert result.reason.endswith("steps")
        assert len(result.dataset()) == 0
        assert result.history()[-1, 2] >= 200
        assert result.stored_rounds() == []

    @pytest.mark.parametrize(
        ("stop", "reason"),
        [
            ({"rounds": 1, "labels": None}, "1 training rounds"),
            ({"labels": None, "steps": 1000, "generators": "all"}, "4 of 4 walkers ended (6 steps done)"),
        ],
    )
    def test_other_stop_rules(self, tmp_path, stop, reason):
        options = {"options": {"steps": 6}} if "walkers" in reason else {}
        assert run(tmp_path, generator=options, stop=stop).reason == reason

    def test_committee_that_predicts_nonsense_is_not_trusted(self, tmp_path):
        # Its predictions are not finite, and the selection trusts everything: walkers mustn't be told so.
        seen = run(
            tmp_path,
            generator={"kernel": odd("Counter"), "options": {"tells": True}},
            model={"kernel": odd("Nonsense")},
            selection={"kernel": odd("Judge"), "options": {}},
            oracle=None,
            training=None,
            data=None,
            stop={"labels": None, "steps": 20},
        )
        notes = {e["text"] for e in Store(seen.directory).journal(1000) if e["source"].startswith("generator ")}
        assert notes == {"trusted False, version 0"}


class TestFailures:
    """Runs that don't end well."""

    def test_mistakes_in_settings_come_all_at_once(self, tmp_path):
        with pytest.raises(SettingsError) as error:
            run(tmp_path, generator={"walkers": 0}, stop={"labels": -1})
        assert len(error.value.problems) == 2
        assert not (tmp_path / "run").exists()

    def test_kernel_that_raises_is_named_with_its_traceback(self, tmp_path):
        with pytest.raises(RunError) as error:
            run(tmp_path, model={"kernel": odd("Script"), "options": {"fails": "train"}})
        assert f"kernel {odd('Script')}" in error.value.message
        assert "settings table [model], rank 0, training/0: RuntimeError: no train today" in error.value.message
        assert error.value.hint == f"what was labelled is kept in {tmp_path}/run"
        assert "in train" in error.value.trace
        assert len(rows(tmp_path, "SELECT * FROM labels")) == 12

    def test_oracle_that_always_fails_ends_the_run(self, tmp_path):
        with pytest.raises(RunError, match="the last 5 samples gave no label that could be used"):
            run(tmp_path, oracle={"options": {"fail_share": 1.0}, "give_up_after": 5})
        assert "unconverged" in rows(tmp_path, "SELECT reason FROM quarantine")[0][0]

    def test_refused_run_can_be_started_again_at_once(self, tmp_path):
        run(tmp_path, stop={"labels": 12})
        for _ in range(2):
            with pytest.raises(ChangedSettingsError) as error:
                run(tmp_path, run={"seed": 6})
        assert error.value.__traceback__ is not None  # as a notebook keeps it
        assert run(tmp_path, run={"seed": 6}, accept_changes=True).outcome == "done"

    def test_everything_is_closed_when_the_loop_raises(self, tmp_path, monkeypatch):
        closed = []
        monkeypatch.setattr(api.ManagerHost, "work", lambda self, now: 1 / 0)
        for host in api.build_hosts.__globals__["_HOSTS"].values():
            monkeypatch.setattr(host, "close", lambda self: closed.append(self.address))
        with pytest.raises(ZeroDivisionError):
            run(tmp_path)
        assert set(closed) == {"exchange", "prediction/0", "generator/0", "oracle/0", "training/0"}
        Store(tmp_path / "run", write=True).close()

    def test_ctrl_c_leaves_a_run_that_goes_on(self, tmp_path):
        def interrupt() -> bool:
            if len(rows(tmp_path, "SELECT * FROM labels")) >= 12:
                raise KeyboardInterrupt
            return False

        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, should_stop=interrupt, oracle={"isolate": True})
        result = run(tmp_path, oracle={"isolate": True}, stop={"labels": 20})
        assert len(result.dataset()) == 20
        assert rows(tmp_path, "SELECT outcome FROM sessions") == [(None,), ("done",)]


class TestGoingOn:
    """Runs in several parts."""

    def interrupted(self, folder, at: int, **tables) -> Result:
        """A run that is asked to stop at so many labels."""
        return run(folder, should_stop=lambda: self.labels(folder) >= at, **tables)

    @staticmethod
    def labels(folder) -> int:
        return len(rows(folder, "SELECT sample FROM labels")) if (folder / "run/pal.sqlite").exists() else 0

    def test_labels_of_all_parts_are_there_and_none_twice(self, tmp_path):
        tables = {
            "generator": {"kernel": odd("Counter"), "walkers": 6},
            "model": {"kernel": odd("Script"), "options": {}},
            "selection": {"kernel": "pal.all", "options": {}},
            "oracle": {"isolate": False, "options": {"delay": 0.002}},
        }
        before: set[tuple] = set()
        for at in (15, 30, 45):
            result = self.interrupted(tmp_path, at, **tables, stop={"labels": 1000})
            assert (result.outcome, result.reason) == ("interrupted", "asked to stop")
            labels = set(rows(tmp_path, "SELECT sample, data FROM labels"))
            assert len(labels) >= at
            assert before <= labels
            before = labels
        total = len(before) + 10
        result = run(tmp_path, **tables, stop={"labels": total})
        assert (result.outcome, len(result.dataset())) == ("done", total)
        assert before <= set(rows(tmp_path, "SELECT sample, data FROM labels"))
        assert rows(tmp_path, "SELECT COUNT(*) FROM attempts") == [(total,)]
        # Every walker counts on from where it was: nothing that was judged is proposed again.
        ((samples, different),) = rows(
            tmp_path, "SELECT COUNT(*), COUNT(DISTINCT data) FROM samples WHERE origin = 'active'"
        )
        assert samples == different > total

    def test_interruption_in_the_bootstrap_does_not_start_it_over(self, tmp_path):
        slow = {"oracle": {"isolate": False, "options": {"delay": 0.05}}}
        self.interrupted(tmp_path, 5, **slow)
        assert 5 <= self.labels(tmp_path) < 12
        run(tmp_path, **slow, stop={"labels": 20})
        assert rows(tmp_path, "SELECT COUNT(*) FROM samples WHERE origin = 'bootstrap'") == [(12,)]

    def test_committee_is_trained_from_the_start_of_a_later_part(self, tmp_path):
        tables = {
            "generator": {"kernel": odd("Counter"), "options": {"tells": True}},
            "model": {"kernel": odd("Script"), "options": {}},
            "selection": {"kernel": "pal.all", "options": {}},
        }
        run(tmp_path, **tables, stop={"labels": 30})
        ((last,),) = rows(tmp_path, "SELECT MAX(version) FROM rounds")
        assert last > 1
        run(tmp_path, **tables, stop={"labels": 50})
        notes = [text for (text,) in rows(tmp_path, "SELECT text FROM journal WHERE session = 2")]
        versions = [int(text.rpartition(" ")[2]) for text in notes if text.startswith("trusted")]
        assert min(versions) >= last

    def test_stop_file_stops_and_does_not_outlive_the_run(self, tmp_path):
        class Stopper:
            def started(self, directory: Path, status):
                self.file = directory / STOP_FILE

            def progressed(self, status):
                self.file.touch()

            def ended(self, status):
                pass

        result = run(tmp_path, observers=[Stopper()], stop={"labels": 100_000, "wall_time": 30})
        assert result.outcome == "interrupted"
        assert not (tmp_path / "run" / STOP_FILE).exists()
        assert run(tmp_path, stop={"labels": 12}).outcome == "done"

    def test_finished_run_ends_at_once_when_it_is_run_again(self, tmp_path):
        for _ in range(2):
            result = run(tmp_path, stop={"labels": 14})
        assert (result.outcome, len(result.dataset())) == ("done", 14)


TOML = """
[run]
directory = "run"
seed = 5
[generator]
kernel = "pal.toy-walker"
walkers = 4
[model]
kernel = "pal.toy-model"
members = 2
[training]
retrain_after = 10
final_time = 5
[oracle]
kernel = "pal.toy-oracle"
isolate = false
[selection]
options = { field = "energy", upper = 2.0 }
[data]
bootstrap = 12
[stop]
labels = 40
"""
