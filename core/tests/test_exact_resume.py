"""A deterministic run that was interrupted, however and wherever, equals the uninterrupted one bit for bit."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from killing import count, finish, kill_when, start
from worlds import odd, plugins, toy

from pal_core import api
from pal_core.runtime.checkpoint import set_directory
from pal_core.runtime.snapshots import SetReader
from pal_core.store.store import StoreError
from pal_core.testing.runs import differences

LABELS = "SELECT COUNT(*) FROM labels"
ROUNDS = "SELECT COUNT(*) FROM rounds"
ATTEMPTS = "SELECT COUNT(*) FROM attempts"
SETS = "SELECT MAX(number) FROM sets"

SETTINGS = toy(
    run={"schedule": "serial", "batching": "all", "snapshot_every": 0.1},
    model={"options": {"features": 50, "delay": 0.001}},
    oracle={"options": {"delay": 0.01}},
    selection={"options": {"field": "energy", "upper": 3.0}},
    data={"bootstrap": 20},
    stop={"labels": 60},
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The uninterrupted run."""
    return go_on(tmp_path_factory.mktemp("whole"))


def go_on(folder: Path) -> Path:
    """Run to the end, in this process; the run directory."""
    result = api.run(SETTINGS, base=folder, plugins=plugins())
    assert (result.outcome, result.reason) == ("done", "60 labels")
    return result.directory


def break_off(folder: Path, there: Callable[[], bool]) -> None:
    """Run in this process until an exception out of nowhere ends everything: no set is written then."""

    def look() -> bool:
        if there():
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        api.run(SETTINGS, base=folder, plugins=plugins(), should_stop=look)


def check_equal(found: Path, wanted: Path) -> None:
    assert differences(found, wanted) == []


class TestKilled:
    """SIGKILL at a place chosen by progress; the run goes on in another process."""

    def test_in_the_bootstrap(self, whole, tmp_path):
        kill_when(lambda: count(tmp_path, LABELS) >= 7, start(tmp_path, SETTINGS))
        assert 7 <= count(tmp_path, LABELS) < 20
        check_equal(go_on(tmp_path), whole)
        assert count(tmp_path, ATTEMPTS) <= 61  # stored labels are not computed again, but perhaps one under way

    def test_while_labelling_after_a_set(self, whole, tmp_path):
        kill_when(lambda: count(tmp_path, LABELS) >= 35 and count(tmp_path, SETS) > 0, start(tmp_path, SETTINGS))
        assert count(tmp_path, LABELS) < 60
        check_equal(go_on(tmp_path), whole)
        assert count(tmp_path, ATTEMPTS) <= 61

    def test_while_training_or_exploring_again_and_again(self, whole, tmp_path):
        for rounds in (1, 2, 5):
            kill_when(lambda at=rounds: count(tmp_path, ROUNDS) >= at, start(tmp_path, SETTINGS))
        assert finish(start(tmp_path, SETTINGS)) == "done 60 labels"
        check_equal(tmp_path / "run", whole)

    def test_by_the_keyboard(self, whole, tmp_path):
        kill_when(lambda: count(tmp_path, LABELS) >= 35, start(tmp_path, SETTINGS), signal.SIGINT)
        check_equal(go_on(tmp_path), whole)


class TestDamaged:
    """Sets that can't be read."""

    def test_older_set_serves_where_the_newest_is_damaged(self, whole, tmp_path, caplog):
        two = "SELECT COUNT(*) >= 2 FROM sets"
        break_off(tmp_path, lambda: bool(count(tmp_path, two)) and count(tmp_path, LABELS) > 30)
        newest = set_directory(tmp_path / "run", count(tmp_path, SETS))
        (newest / "generator-0.safetensors").write_bytes(b"half")
        check_equal(go_on(tmp_path), whole)
        assert f"{newest.name}/generator-0.safetensors can't be read" in caplog.text

    def test_without_any_set_the_run_repeats_itself_from_the_start_but_pays_for_no_label_twice(self, whole, tmp_path):
        break_off(tmp_path, lambda: count(tmp_path, LABELS) >= 45 and count(tmp_path, SETS) > 0)
        for file in (tmp_path / "run" / "snapshots").rglob("*.safetensors"):
            file.write_bytes(b"half")
        check_equal(go_on(tmp_path), whole)
        assert count(tmp_path, ATTEMPTS) <= 61


@pytest.mark.parametrize("every", [6, 13])
def test_asked_to_stop_every_few_labels(whole, tmp_path, every):
    outcome = ""
    while outcome != "done":
        until = count(tmp_path, LABELS) + every
        result = api.run(
            SETTINGS, base=tmp_path, plugins=plugins(), should_stop=lambda at=until: count(tmp_path, LABELS) >= at
        )
        outcome = result.outcome
    check_equal(tmp_path / "run", whole)
    assert count(tmp_path, "SELECT COUNT(*) FROM sessions") > 2


def test_labels_under_way_at_a_stop_are_finished_and_not_computed_again(whole, tmp_path):
    api.run(SETTINGS, base=tmp_path, plugins=plugins(), should_stop=lambda: count(tmp_path, LABELS) >= 33)
    api.run(SETTINGS, base=tmp_path, plugins=plugins())
    assert count(tmp_path, ATTEMPTS) == 60
    check_equal(tmp_path / "run", whole)


class TestComparison:
    """What the tests above look at would be noticed."""

    @pytest.fixture
    def copy(self, whole, tmp_path) -> Path:
        shutil.copytree(whole, tmp_path / "copy")
        return tmp_path / "copy"

    def change(self, folder: Path, sql: str) -> None:
        db = sqlite3.connect(folder / "pal.sqlite")
        db.execute(sql)
        db.commit()
        db.close()

    @pytest.mark.parametrize(
        ("sql", "table"),
        [
            ("UPDATE samples SET score = score + 1e-15 * score WHERE id = 40", "samples"),
            ("UPDATE labels SET data = (SELECT data FROM labels WHERE sample = 1) WHERE sample = 2", "labels"),
            ("UPDATE labels SET round = round + 1 WHERE sample = 50", "labels"),
            ("UPDATE rounds SET epoch = epoch + 1 WHERE round = 2", "rounds"),
            ("DELETE FROM rounds WHERE round = 5", "rounds"),
        ],
    )
    def test_changed_row(self, whole, copy, sql, table):
        self.change(copy, sql)
        (found,) = differences(copy, whole)
        assert found.startswith(f"{table}: ")

    def test_changed_weight_and_state(self, whole, copy):
        from safetensors.numpy import load_file, save_file

        for file in (*copy.glob("models/member-001/round-00002.*"), *copy.glob("snapshots/*/generator-0.*")):
            arrays = load_file(file)
            name = sorted(k for k, a in arrays.items() if a.dtype == np.float64 and a.size)[0]
            arrays[name] = np.asarray(np.nextafter(arrays[name], np.inf))
            save_file(arrays, file)
        found = differences(copy, whole)
        assert [f.split(": ")[0].split("/")[0] for f in found] == ["models", "snapshots"]

    def test_missing_file(self, whole, copy):
        next(copy.glob("models/member-000/*")).unlink()
        (found,) = differences(copy, whole)
        assert found.endswith("is in one of the runs only")


def test_last_set_of_a_run_holds_every_kernel_with_a_state(whole):
    number = int(sorted(whole.glob("snapshots/*"))[-1].name)
    past = SetReader(whole, number)
    assert all(past.state(f"walker/{k}") for k in range(4))
    assert all(past.state(f"{what}/{k}") for what in ("member", "weights") for k in range(2))


def test_kernel_that_is_not_deterministic_is_noticed(tmp_path):
    settings = {**SETTINGS, "generator": {"kernel": f"{Path(__file__).parent}/runtime/odd_kernels.py:Unseeded"}}
    api.run(settings, base=tmp_path, plugins=plugins(), should_stop=lambda: count(tmp_path, LABELS) >= 25)
    for file in (tmp_path / "run" / "snapshots").rglob("*.safetensors"):
        file.write_bytes(b"half")
    with pytest.raises(StoreError, match=r"the run isn't deterministic: sample 1 differs .* is a kernel not seeded"):
        api.run(settings, base=tmp_path, plugins=plugins())


def test_walker_that_was_disabled_before_the_set_stays_disabled(tmp_path):
    walkers = {"kernel": odd("Mortal"), "walkers": 4, "on_error": "disable"}
    selection = {"options": {"field": "energy", "upper": 1.0}}
    settings = {**SETTINGS, "generator": walkers, "selection": selection}
    api.run(settings, base=tmp_path / "whole", plugins=plugins())

    def look() -> bool:
        if count(tmp_path / "killed", LABELS) > 40 and count(tmp_path / "killed", SETS) > 1:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        api.run(settings, base=tmp_path / "killed", plugins=plugins(), should_stop=look)
    assert count(tmp_path / "killed", LABELS) < 60
    result = api.run(settings, base=tmp_path / "killed", plugins=plugins())
    assert (result.outcome, result.reason) == ("done", "60 labels")
    check_equal(tmp_path / "killed" / "run", tmp_path / "whole" / "run")
    disabled = "SELECT COUNT(*) FROM journal WHERE source = 'generator/0' AND text LIKE '%walker 1 is disabled'"
    assert count(tmp_path / "killed", disabled) == 1, "once, in the part before the set"
