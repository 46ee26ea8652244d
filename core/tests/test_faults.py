"""Whole runs whose kernels raise or give nonsense: they go on, or end in bounded time with the reason."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from worlds import odd, plugins, toy

from pal_core import api
from pal_core.api import Result, RunError
from pal_core.runtime import snapshots
from pal_core.store.store import Store


def run(folder, **tables: Any) -> Result:
    return api.run(toy(**tables), base=folder, plugins=plugins())


def rows(folder, sql: str) -> list[tuple]:
    store = Store(folder / "run")
    try:
        return store._run(sql)
    finally:
        store.close()


def journal(folder) -> list[str]:
    return [text for (text,) in rows(folder, "SELECT text FROM journal ORDER BY rowid")]


def clumsy(**options: Any) -> dict[str, Any]:
    return {"kernel": odd("Clumsy"), "walkers": 4, "options": options}


COUNTING = {"model": {"kernel": odd("Script"), "options": {}}, "selection": {"kernel": "pal.all", "options": {}}}


class TestWalkers:
    """Errors of walkers."""

    def test_run_goes_on_without_a_walker_that_always_fails(self, tmp_path):
        result = run(tmp_path, generator=clumsy(fails="propose", who=1, at=2), **COUNTING)
        assert (result.outcome, result.reason) == ("done", "40 labels")
        told = [t for t in journal(tmp_path) if "settings table [generator], rank 0, generator/0" in t]
        assert [t.rpartition("; ")[2] for t in told] == [
            *(f"walker 1 goes on from its start ({k} of 3 resets in a row)" for k in (1, 2, 3)),
            "walker 1 is disabled",
        ]
        assert any(t.startswith("Traceback") and "no propose today" in t for t in journal(tmp_path))

    @pytest.mark.parametrize("fails", ["propose", "nan"])
    @pytest.mark.parametrize("serial", [False, True])
    def test_run_ends_with_the_reason_when_every_walker_is_disabled(self, tmp_path, fails, serial):
        strict = {"schedule": "serial", "batching": "all"} if serial else {}
        begin = time.monotonic()
        with pytest.raises(RunError) as error:
            run(tmp_path, run=strict, generator=clumsy(fails=fails, at=2), stop={"labels": 10**6}, **COUNTING)
        assert time.monotonic() < begin + 30
        what = "RuntimeError: no propose" if fails == "propose" else "FloatingPointError: a proposal has values"
        assert error.value.message.startswith("every walker has been disabled; the last: walker ")
        assert what in error.value.message
        assert rows(tmp_path, "SELECT outcome, reason FROM sessions") == [("failed", error.value.message)]

    def test_status_tells_of_faults(self, tmp_path):
        seen = []

        class Watcher:
            def started(self, directory, status):
                assert (status["faults"], status["news"]) == (0, [])

            def progressed(self, status):
                pass

            def ended(self, status):
                seen.append(status)

        tables = {"generator": clumsy(fails="propose", who=1, at=2), **COUNTING}
        api.run(toy(**tables), base=tmp_path, plugins=plugins(), observers=[Watcher()])
        assert seen[0]["faults"] == 4
        assert seen[0]["news"][-1][1].endswith("RuntimeError: no propose today; walker 1 is disabled")

    def test_deterministic_run_with_faults_can_be_broken_off_and_repeats_itself(self, tmp_path):
        tables = {"generator": clumsy(fails="propose", who=1, at=3), **COUNTING}
        tables |= {"run": {"schedule": "serial", "batching": "all", "snapshot_every": 0.01}}
        for until in (15, 25, 35):

            def look(at: int = until) -> bool:
                if len(rows(tmp_path, "SELECT * FROM labels")) >= at:
                    raise KeyboardInterrupt
                return False

            with pytest.raises(KeyboardInterrupt):
                api.run(toy(**tables), base=tmp_path, plugins=plugins(), should_stop=look)
        assert run(tmp_path, **tables).reason == "40 labels"


class TestMembers:
    """Errors of members."""

    def test_one_member_that_predicts_nonsense_leaves_nothing_trusted(self, tmp_path):
        run(
            tmp_path,
            generator={"kernel": odd("Counter"), "options": {"tells": True}},
            model={"kernel": odd("HalfNonsense"), "options": {}},
            selection={"kernel": odd("Judge"), "options": {}},
            oracle=None,
            training=None,
            data=None,
            stop={"labels": None, "steps": 20},
        )
        notes = rows(tmp_path, "SELECT DISTINCT text FROM journal WHERE source LIKE 'generator %'")
        assert notes == [("trusted False, version 0",)]
        told = rows(tmp_path, "SELECT text FROM journal WHERE text LIKE '%these samples are not trusted'")
        assert told
        assert all("member 1 predicts" in t for (t,) in told)

    def test_training_that_fails_now_and_then_does_not_end_the_run(self, tmp_path):
        result = run(
            tmp_path,
            model={"kernel": odd("Moody"), "options": {}},
            selection={"kernel": "pal.all", "options": {}},
            generator={"kernel": odd("Counter")},
        )
        assert result.reason == "40 labels"
        assert any("trains on from its last weights" in t for t in journal(tmp_path))

    @pytest.mark.parametrize(
        ("fails", "what"),
        [
            ("train", "RuntimeError: no train today"),
            ("divergence", "FloatingPointError: training of member 0 has led to weights that are not finite: trained"),
            ("predict", "RuntimeError: no predict today"),
        ],
    )
    def test_member_that_always_fails_ends_the_run_with_the_reason(self, tmp_path, fails, what):
        with pytest.raises(RunError) as error:
            run(
                tmp_path,
                model={"kernel": odd("Script"), "options": {"fails": fails}},
                selection={"kernel": "pal.all", "options": {}},
            )
        assert f"kernel {odd('Script')}" in error.value.message
        assert error.value.message.endswith(what)
        assert what in error.value.trace

    def test_selection_that_raises_ends_the_run(self, tmp_path):
        with pytest.raises(RunError, match=r"settings table \[selection\].*RuntimeError: no judgement today"):
            run(tmp_path, selection={"kernel": odd("Judge"), "options": {"fails": "select"}})


class TestOracles:
    """Errors of oracles."""

    @pytest.mark.parametrize("isolate", [False, True])
    def test_run_whose_oracle_always_fails_ends_in_bounded_time_with_the_reason(self, tmp_path, isolate):
        begin = time.monotonic()
        with pytest.raises(RunError) as error:
            run(
                tmp_path,
                oracle={"isolate": isolate, "options": {"fail_share": 1.0}, "give_up_after": 5, "retries": 1},
                data={"bootstrap": 1000},
            )
        assert time.monotonic() < begin + 30
        message = error.value.message
        assert message.startswith("the last 5 samples gave no label that could be used; the last: unconverged: ")
        assert rows(tmp_path, "SELECT COUNT(*) FROM attempts") == [(10,)]
        assert rows(tmp_path, "SELECT reason FROM sessions") == [(message,)]

    def test_policy_stop_ends_the_run_at_the_first_failure(self, tmp_path):
        with pytest.raises(RunError, match=r"unconverged: .*\(oracle.on_error\)"):
            run(tmp_path, oracle={"on_error": "stop", "options": {"fail_share": 1.0}})
        assert rows(tmp_path, "SELECT COUNT(*) FROM attempts") == [(1,)]

    def test_failures_now_and_then_cost_attempts_only(self, tmp_path):
        result = run(tmp_path, oracle={"retries": 3, "options": {"fail_share": 0.3}})
        assert len(result.dataset()) == 40


class TestSets:
    """Snapshot sets that can't be written."""

    def test_full_disk_does_not_end_the_run(self, tmp_path, monkeypatch):
        def full(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(snapshots, "save_state", full)
        result = run(tmp_path, run={"snapshot_every": 0.05})
        assert (result.outcome, len(result.dataset())) == ("done", 40)
        assert rows(tmp_path, "SELECT * FROM sets") == []
        told = [t for t in journal(tmp_path) if t.startswith("snapshot set ")]
        assert told
        assert all(t.endswith("is given up: OSError: [Errno 28] No space left on device") for t in told)
        assert any(t.startswith("the last snapshot can't be written: OSError") for t in journal(tmp_path))

    def test_disk_that_is_full_for_a_while_costs_sets_only(self, tmp_path, monkeypatch):
        save, calls = snapshots.save_state, []

        def full_at_first(*args):
            calls.append(args)
            if len(calls) < 4:
                raise OSError(28, "No space left on device")
            save(*args)

        monkeypatch.setattr(snapshots, "save_state", full_at_first)
        run(tmp_path, run={"snapshot_every": 0.02}, oracle={"options": {"delay": 0.01}})
        assert len(rows(tmp_path, "SELECT * FROM sets")) == 2
        assert len(list((tmp_path / "run" / "snapshots").iterdir())) == 2

    @pytest.mark.parametrize("serial", [False, True])
    def test_walker_without_its_state_does_not_stop_the_serial_schedule(self, tmp_path, serial):
        strict = {"schedule": "serial", "batching": "all"} if serial else {}
        generator = clumsy(fails="snapshot", who=1)
        result = run(tmp_path, run={**strict, "snapshot_every": 0.02}, generator=generator, **COUNTING)
        assert result.reason == "40 labels"
        assert rows(tmp_path, "SELECT * FROM sets") == []


def test_faults_are_in_the_log_with_their_traceback(tmp_path, caplog):
    run(tmp_path, generator=clumsy(fails="propose", who=1, at=2), **COUNTING)
    assert "RuntimeError: no propose today; walker 1 is disabled\nTraceback" in caplog.text
    assert np.sum([r.levelname == "ERROR" for r in caplog.records]) == 4
