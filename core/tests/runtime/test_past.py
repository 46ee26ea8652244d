"""Where a run goes on, and whether it repeats itself from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from worlds import make_setup

from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.runtime.checkpoint import set_directory
from pal_core.runtime.past import Past, find_past
from pal_core.runtime.snapshots import write_part
from pal_core.settings.load import Loaded
from pal_core.store.store import Store

STRICT = {"schedule": "serial", "batching": "all"}


def loaded(folder: Path, run: dict[str, Any] | None = None, **tables: Any) -> Loaded:
    return make_setup(folder, run={**STRICT, **(run or {})}, **tables).loaded


class History:
    """Sessions and sets of a run."""

    def __init__(self, folder: Path) -> None:
        self.directory = folder / "run"
        self.store = Store(self.directory, write=True)
        self.store.agree(SAMPLE, LABEL)

    def session(self, settings: Loaded, packages: dict[str, str] | None = None) -> None:
        known = {k.distribution: k.version for k in settings.kernels}
        self.store.open_session(settings.settings.model_dump_json(exclude_unset=True), packages or known)

    def set(self, number: int, walkers: int = 4) -> None:
        write_part(
            self.directory, number, "generator/0", {f"walker/{k}": {"x": np.zeros(2)} for k in range(walkers)}, {}
        )
        self.store.add_set(number, {"session": self.store.session, "files": ["generator-0.safetensors"]})
        self.store.commit()


@pytest.fixture
def history(tmp_path):
    made = History(tmp_path)
    yield made
    made.store.close()


def test_run_that_has_not_begun_has_no_past(tmp_path):
    assert find_past(loaded(tmp_path)) == Past(0, repeats=False)


def test_deterministic_run_repeats_itself_from_its_newest_set(history, tmp_path):
    history.session(loaded(tmp_path))
    assert find_past(loaded(tmp_path)) == Past(0, repeats=True)
    history.set(1)
    history.set(2)
    assert find_past(loaded(tmp_path)) == Past(2, repeats=True)
    (set_directory(history.directory, 2) / "generator-0.safetensors").write_bytes(b"half")
    assert find_past(loaded(tmp_path)) == Past(1, repeats=True)


def test_set_of_which_a_file_is_missing_does_not_serve(history, tmp_path, caplog):
    history.session(loaded(tmp_path))
    history.set(1)
    history.set(2)
    (set_directory(history.directory, 2) / "generator-0.safetensors").unlink()
    assert find_past(loaded(tmp_path)) == Past(1, repeats=True)
    assert "snapshot set 2 lacks generator-0.safetensors; see: pal doctor" in caplog.text


def test_other_runs_go_on_from_it(history, tmp_path):
    plain = make_setup(tmp_path).loaded
    history.session(plain)
    history.set(1)
    assert find_past(plain) == Past(1, repeats=False)


def test_walkers_that_keep_no_state_are_repeated_from_the_start(history, tmp_path):
    history.session(loaded(tmp_path))
    history.set(1, walkers=3)
    assert find_past(loaded(tmp_path)) == Past(0, repeats=True)


@pytest.mark.parametrize(
    ("changed", "repeats"),
    [
        ({"stop": {"labels": 90}}, True),
        ({"run": {"snapshot_every": 5.0, "stop_limit": 9.0}}, True),
        ({"oracle": {"processes": 7, "timeout": 5.0}, "generator": {"processes": 2}}, True),
        ({"generator": {"walkers": 3}}, False),
        ({"generator": {"options": {"temperature": 30.0}}}, False),
        ({"selection": {"options": {"field": "energy", "upper": 3.0}}}, False),
        ({"training": {"retrain_after": 9}}, False),
        ({"run": {"threads": 2}}, False),
    ],
)
def test_run_with_changed_settings_repeats_itself_only_if_they_do_not_matter(history, tmp_path, changed, repeats):
    history.session(loaded(tmp_path))
    history.set(1)
    assert find_past(loaded(tmp_path, **changed)) == Past(1, repeats)
    history.session(loaded(tmp_path, **changed))
    assert find_past(loaded(tmp_path, **changed)) == Past(1, repeats)  # killed before its first set
    history.set(2)
    assert find_past(loaded(tmp_path, **changed)) == Past(2, repeats=True)


def test_packages_of_other_versions_may_take_another_course(history, tmp_path):
    history.session(loaded(tmp_path), {"pal-core": "0.0.1"})
    history.set(1)
    assert find_past(loaded(tmp_path)) == Past(1, repeats=False)


def test_run_that_was_not_deterministic_before_is_not_repeated(history, tmp_path):
    history.session(make_setup(tmp_path).loaded)
    history.set(1)
    assert find_past(loaded(tmp_path)) == Past(1, repeats=False)


def test_settings_that_this_version_does_not_know_are_not_repeated(history, tmp_path):
    history.store.open_session('{"unknown": 1}', {k.distribution: k.version for k in loaded(tmp_path).kernels})
    history.set(1)
    assert find_past(loaded(tmp_path)) == Past(1, repeats=False)
