"""Runs that must have ended at a given time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from worlds import make_setup, plugins, toy

from pal_core import api, worker
from pal_core.api import Result
from pal_core.store.store import Store


def run(folder: Path, seconds: float, **tables: Any) -> Result:
    settings = toy(stop={"labels": None, "wall_time": seconds}, **tables)
    return api.run(settings, base=folder, plugins=plugins())


def rows(folder: Path, sql: str) -> list[tuple]:
    store = Store(folder / "run")
    try:
        return store._run(sql)
    finally:
        store.close()


@pytest.mark.parametrize("serial", [False, True])
def test_run_ends_in_time_as_an_interruption_that_can_be_resumed(tmp_path, serial):
    strict = {"snapshot_every": 0.2} | ({"schedule": "serial", "batching": "all"} if serial else {})
    begin = time.monotonic()
    result = run(tmp_path, 2.0, run=strict, oracle={"options": {"delay": 0.01}})
    assert 1.5 <= time.monotonic() - begin < 2.5
    assert result.outcome == "interrupted"
    assert result.reason.startswith("time is up")
    assert worker.EXIT_CODES[result.outcome] == 75
    done = len(result.dataset())
    again = run(tmp_path, 2.0, run=strict, oracle={"options": {"delay": 0.01}})
    assert len(again.dataset()) > done


def test_no_label_is_begun_that_by_what_was_measured_cannot_end(tmp_path):
    result = run(tmp_path, 4.0, oracle={"options": {"delay": 0.45}}, data={"bootstrap": 3})
    assert result.outcome == "interrupted"
    ((labels, attempts),) = rows(tmp_path, "SELECT (SELECT COUNT(*) FROM labels), (SELECT COUNT(*) FROM attempts)")
    assert labels == attempts >= 4  # none was begun in vain
    (session,) = rows(tmp_path, "SELECT started FROM sessions")
    (last,) = rows(tmp_path, "SELECT MAX(time) FROM labels")
    assert last[0] - session[0] < 3.3  # a quarter of the time is left for the end


def test_stop_rule_that_is_met_before_counts(tmp_path):
    settings = toy(stop={"labels": 14, "wall_time": 60.0})
    result = api.run(settings, base=tmp_path, plugins=plugins())
    assert (result.outcome, result.reason) == ("done", "14 labels")


def test_time_that_is_too_short_for_anything_ends_all_the_same(tmp_path):
    begin = time.monotonic()
    result = run(tmp_path, 0.05)
    assert result.outcome == "interrupted"
    assert time.monotonic() - begin < 3


class TestEndTime:
    """What a rank takes for the end."""

    @pytest.fixture
    def loaded(self, tmp_path):
        return make_setup(tmp_path, stop={"wall_time": 50.0}).loaded

    def test_own_limit_counts_from_the_start_of_the_rank(self, loaded, monkeypatch):
        monkeypatch.delenv(worker.END_VARIABLE, raising=False)
        monkeypatch.delenv(worker.LAUNCHED_VARIABLE, raising=False)
        assert worker._end_time(loaded, 1000.0) == 1050.0

    def test_limit_of_a_batch_job_counts_if_it_comes_first(self, loaded, monkeypatch):
        monkeypatch.delenv(worker.LAUNCHED_VARIABLE, raising=False)
        for end, wanted in (("1020", 1020.0), ("1080", 1050.0)):
            monkeypatch.setenv(worker.END_VARIABLE, end)
            assert worker._end_time(loaded, 1000.0) == wanted

    def test_launcher_has_counted_the_own_limit_already(self, loaded, monkeypatch):
        monkeypatch.setenv(worker.LAUNCHED_VARIABLE, "1")
        monkeypatch.setenv(worker.END_VARIABLE, "1080")
        assert worker._end_time(loaded, 1000.0) == 1080.0
        monkeypatch.delenv(worker.END_VARIABLE)
        assert worker._end_time(loaded, 1000.0) is None
