"""Asynchronous runs that are killed and go on: no label lost, none doubled, walkers go on from their snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killing import count, kill_when, start
from worlds import odd, plugins, toy

from pal_core import api
from pal_core.runtime.snapshots import SetReader
from pal_core.store.store import Store

LABELS = "SELECT COUNT(*) FROM labels"
SETS = "SELECT MAX(number) FROM sets"


def counting(walkers: int = 6, labels: int = 10**6, **tables: Any) -> dict[str, Any]:
    """Walkers that never propose anything twice, of which everything is labelled."""
    return toy(
        run={"snapshot_every": 0.05},
        generator={"kernel": odd("Counter"), "walkers": walkers},
        model={"kernel": odd("Script"), "options": {}},
        selection={"kernel": "pal.all", "options": {}},
        oracle={"isolate": False, "options": {"delay": 0.002}, "queue": 20},
        stop={"labels": labels},
        **tables,
    )


def rows(folder: Path, sql: str) -> list[tuple]:
    store = Store(folder / "run")
    try:
        return store._run(sql)
    finally:
        store.close()


def points(folder: Path, where: str) -> np.ndarray:
    store = Store(folder / "run")
    try:
        numbers = [n for (n,) in store._run(f"SELECT id FROM samples WHERE {where} ORDER BY id")]  # noqa: S608 - our own
        return store.samples(numbers).columns["x"]
    finally:
        store.close()


class TestKilled:
    """SIGKILL between two sets."""

    @pytest.fixture
    def killed(self, tmp_path) -> Path:
        there = "SELECT COUNT(*) > 40 FROM labels"
        run = start(tmp_path, counting())
        kill_when(lambda: bool(count(tmp_path, there)) and count(tmp_path, SETS) >= 2, run)
        return tmp_path

    def test_no_label_is_lost_or_doubled(self, killed):
        before = set(rows(killed, "SELECT sample, data FROM labels"))
        total = len(before) + 20
        result = api.run(counting(labels=total), base=killed, plugins=plugins())
        assert (result.outcome, len(result.dataset())) == ("done", total)
        assert before <= set(rows(killed, "SELECT sample, data FROM labels"))
        assert rows(killed, "SELECT COUNT(DISTINCT samples.data) FROM samples JOIN labels ON sample = id") == [(total,)]
        attempts = count(killed, "SELECT COUNT(*) FROM attempts")
        assert attempts <= total + 1  # one may have been answered but not yet stored

    def test_walkers_go_on_from_their_last_snapshot(self, killed):
        number, last = count(killed, SETS), count(killed, "SELECT MAX(id) FROM samples")
        past = SetReader(killed / "run", number)
        stand = [int(past.state(f"walker/{k}")["count"]) for k in range(6)]
        assert min(stand) > 0
        api.run(counting(labels=count(killed, LABELS) + 30), base=killed, plugins=plugins())
        later = points(killed, f"id > {last}")
        for walker in range(6):
            steps = later[later[:, 0] == walker, 1]
            assert steps.size == 0 or steps.min() >= stand[walker]
        # What was proposed after the set and is stored is recognised, not labelled again.
        ((samples, different),) = rows(
            killed, "SELECT COUNT(*), COUNT(DISTINCT data) FROM samples WHERE state != 'dropped'"
        )
        assert samples == different

    @pytest.mark.parametrize("walkers", [2, 9])
    def test_number_of_walkers_may_change(self, killed, walkers):
        before = set(rows(killed, "SELECT sample, data FROM labels"))
        last = count(killed, "SELECT MAX(id) FROM samples")
        past = SetReader(killed / "run", count(killed, SETS))
        stand = {w: int(past.state(f"walker/{w}")["count"]) for w in range(min(walkers, 6))}
        total = len(before) + 60
        result = api.run(counting(walkers, total), base=killed, plugins=plugins())
        assert (result.outcome, len(result.dataset())) == ("done", total)
        assert before <= set(rows(killed, "SELECT sample, data FROM labels"))
        later = points(killed, f"id > {last}")
        assert set(later[:, 0]) <= set(range(walkers))
        for walker in range(walkers):
            steps = later[later[:, 0] == walker, 1]
            assert steps.size == 0 or steps.min() >= stand.get(walker, 0)

    def test_training_goes_on_with_all_labels_and_from_the_last_weights(self, killed):
        rounds = rows(killed, "SELECT MAX(round), MAX(version), MAX(epoch) FROM rounds")[0]
        labels = count(killed, LABELS)
        result = api.run(counting(labels=labels + 20), base=killed, plugins=plugins())
        new = [r for r in result.rounds() if r["session"] == 2]
        assert new
        assert min(r["round"] for r in new) > rounds[0]
        assert min(r["version"] for r in new) > rounds[1]
        assert new[-1]["labels"] == labels + 20
        assert min(r["epoch"] for r in new) > 1

    def test_schedule_may_change_to_the_deterministic_one_and_back(self, killed):
        before = set(rows(killed, "SELECT sample, data FROM labels"))
        for strict in (True, False):
            settings = counting(labels=count(killed, LABELS) + 15)
            settings["run"] |= {"schedule": "serial", "batching": "all"} if strict else {}
            assert api.run(settings, base=killed, plugins=plugins()).outcome == "done"
            assert before <= set(rows(killed, "SELECT sample, data FROM labels"))


class TestDuplicates:
    """What is known is not paid for twice."""

    def test_walkers_that_share_their_start_pay_for_it_once(self, tmp_path):
        options = {"start": [[0.0, 0.5]]}
        settings = toy(
            generator={"walkers": 4, "options": options},
            selection={"kernel": "pal.all", "options": {}},
            run={"batching": "all"},
        )
        result = api.run(settings, base=tmp_path, plugins=plugins())
        assert len(result.dataset()) == 40
        assert rows(tmp_path, "SELECT COUNT(*), COUNT(DISTINCT data) FROM samples") in [[(n, n)] for n in range(40, 80)]
        assert rows(tmp_path, "SELECT SUM(count) FROM dropped WHERE why = 'duplicate'")[0][0] >= 3

    def test_bootstrap_of_one_and_the_same_structure_ends(self, tmp_path):
        settings = counting(walkers=1, labels=30)
        result = api.run(settings, base=tmp_path, plugins=plugins())  # its bootstrap samples are all alike
        assert len(result.dataset()) == 30
        assert rows(tmp_path, "SELECT COUNT(*) FROM samples WHERE origin = 'bootstrap'") == [(1,)]
        assert rows(tmp_path, "SELECT SUM(count) FROM dropped WHERE why = 'duplicate'")[0][0] >= 11

    def test_labels_of_another_level_of_theory_are_other_labels(self, tmp_path):
        settings = counting(walkers=2, labels=20)
        api.run(settings, base=tmp_path, plugins=plugins())
        for file in (tmp_path / "run/snapshots").rglob("*.safetensors"):
            file.unlink()  # the walkers begin again, at places that have been labelled
        again = counting(walkers=2, labels=30)
        api.run(again, base=tmp_path, plugins=plugins())
        assert rows(tmp_path, "SELECT COUNT(*), COUNT(DISTINCT data) FROM samples WHERE state = 'labelled'") == [
            (30, 30)
        ]
        for file in (tmp_path / "run/snapshots").rglob("*.safetensors"):
            file.unlink()
        again = counting(walkers=2, labels=40)
        again["oracle"]["options"] = {"delay": 0.001}
        api.run(again, base=tmp_path, plugins=plugins(), accept_changes=True)
        ((labelled, different),) = rows(
            tmp_path, "SELECT COUNT(*), COUNT(DISTINCT data) FROM samples WHERE state = 'labelled'"
        )
        assert labelled == 40
        assert different < 40
