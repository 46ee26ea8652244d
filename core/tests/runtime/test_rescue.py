"""Labels that were written down where they were made, and of which the manager hasn't heard: none is computed again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from worlds import labels_of, make_setup, odd, points

from pal_core import messages as m
from pal_core.runtime import spool as module
from pal_core.runtime.oracle_process import oracle_wire
from pal_core.runtime.past import Past
from pal_core.runtime.spool import DEAR, Spool
from pal_core.store import database

ONE_ATTEMPT = {"kernel": "pal.toy-oracle", "isolate": False, "retries": 0}
STRICT = {"schedule": "serial", "batching": "all"}
SUSPICIOUS = odd("Suspicious")
FAILED = "SELECT COUNT(*) FROM attempts WHERE failure IS NOT NULL"


def state(s, number: int) -> str:
    return dict(s.rows("SELECT id, state FROM samples"))[number]


def remembered(s) -> list[float]:
    """What a check has been told of, in order of energies."""
    return sorted(s.host._desk.checks.snapshot()[f"0/{SUSPICIOUS}/admitted"].tolist())


def energies(s) -> list[float]:
    return sorted(s.store.labels(s.store.labelled()).columns["energy"].tolist())


class TestLastAttempt:
    """The label counts, not what became of its maker."""

    def test_label_of_a_rank_that_died_is_taken_in(self, story):
        s = story(oracle=ONE_ATTEMPT).explore()
        s.select(5.0)
        ((host, number),) = s.flying
        file = s.spool(host, number)
        s.lose(host)
        assert state(s, number) == "labelled"
        assert (s.host.status()["labels"], s.host.status()["quarantined"]) == (13, 0)
        assert not file.exists()

    def test_its_host_gets_no_other_sample_before_it_is_back(self, story):
        s = story(oracle=ONE_ATTEMPT, spares=1).explore()
        s.select(5.0, 4.0, 3.0)
        (host, number), (_, second) = s.flying
        s.spool(host, number)
        s.out.clear()
        s.lose(host)
        assert s.out.of(m.Label) == []
        assert s.host.status()["quarantined"] == 0
        s.say(host, m.Ready())
        (label,) = [x for x in s.out.to(host) if isinstance(x, m.Label)]
        assert label.request not in (number, second)
        assert label.attempt == 1

    def test_label_that_was_there_before_the_attempt_failed_is_taken_in(self, story):
        s = story(oracle=ONE_ATTEMPT).explore()
        s.select(5.0)
        ((host, number),) = s.flying
        file = s.spool(host, number)
        s.miss(host, number, "timeout")
        assert state(s, number) == "labelled"
        assert s.rows(FAILED) == [(0,)]
        assert not file.exists()

    def test_label_of_an_earlier_attempt_answers_the_last_one_and_its_file_goes(self, story):
        s = story(oracle={**ONE_ATTEMPT, "retries": 1}).explore()
        s.select(5.0)
        s.miss(*s.flying[0])
        ((host, number),) = s.flying
        file = s.spool("oracle/0", number, attempt=1)
        s.miss(host, number)
        assert state(s, number) == "labelled"
        assert s.flying == []
        assert s.host.status()["quarantined"] == 0
        assert not file.exists()


class TestNextStart:
    """What an earlier part of the run had not come to."""

    def test_sample_that_was_given_up_without_a_label_gets_it(self, story):
        s = story(oracle=ONE_ATTEMPT).explore()
        s.select(5.0)
        ((host, number),) = s.flying
        s.miss(host, number)
        assert state(s, number) == "quarantined"
        file = s.spool(host, number)
        s = story(oracle=ONE_ATTEMPT)
        s.host.work(0.0)
        assert state(s, number) == "labelled"
        assert s.host.status()["labels"] == 13
        assert not file.exists()

    def test_label_that_was_refused_is_not_taken_in_again(self, story):
        table = [{"kernel": SUSPICIOUS, "options": {"below": 1e9}}]
        s = story(oracle=ONE_ATTEMPT, check=table).begin()
        s.bootstrap(12)
        host, number = s.flying[0]
        s.label(host, number)
        file = s.spool(host, number)
        s = story(oracle=ONE_ATTEMPT, check=table)
        s.host.work(0.0)
        assert state(s, number) == "quarantined"
        assert s.rows("SELECT sample FROM attempts") == [(number,)]
        assert not file.exists()

    def test_check_that_raises_sets_the_label_aside_and_the_run_begins(self, story):
        s = story(check=[{"kernel": SUSPICIOUS, "options": {"below": -1e9}}]).begin()
        s.bootstrap(12)
        host, number = s.flying[0]
        s.spool(host, number)
        s = story(accept=True, check=[{"kernel": SUSPICIOUS, "options": {"how": "check"}}])
        assert s.rows("SELECT sample, reason, data IS NOT NULL FROM quarantine") == [
            (number, "a check raised: ZeroDivisionError: one over nothing", 1)
        ]
        s.begin()
        assert s.host.outcome is None


class TestMemoryOfChecks:
    """Checks are told of every label exactly once."""

    TABLE = ({"kernel": SUSPICIOUS, "options": {"below": -1e9}},)

    def test_label_taken_in_is_remembered_once(self, story):
        s = story(check=list(self.TABLE)).begin()
        s.bootstrap(12)
        s.label(*s.flying[0])
        s.spool(*s.flying[0])
        s = story(check=list(self.TABLE))
        assert len(remembered(s)) == 2
        assert remembered(s) == energies(s)

    def test_run_that_repeats_itself_remembers_what_one_without_a_break_does(self, story):
        s = story(check=list(self.TABLE), run=STRICT).begin()
        s.bootstrap(12)
        for _ in range(3):
            s.label(*s.flying[0])
        s.spool(*s.flying[0])
        s = story(check=list(self.TABLE), run=STRICT, past=Past(0, repeats=True)).begin()
        assert remembered(s) == []
        s.bootstrap(12)
        while s.flying:
            s.label(*s.flying[0])
        assert len(s.out.of(m.Label)) == 8, "four labels are there already"
        assert len(remembered(s)) == 12
        assert remembered(s) == energies(s)

    def test_label_that_comes_while_a_set_is_written_is_remembered_when_the_run_goes_on_from_it(self, story):
        tables = {"check": list(self.TABLE), "run": {"snapshot_every": 1e-9}}
        s = story(**tables).explore()
        s.select(5.0)
        s.tick()
        sets = s.host._machine.sets
        assert sets.open
        s.label(*s.flying[0])
        for host in ("exchange", "generator/0", "generator/1", "training/0", "training/1"):
            s.say(host, m.Saved(sets.number))
        assert sets.number in dict(s.store.sets())
        s = story(past=Past(max(dict(s.store.sets()))), **tables)
        assert len(remembered(s)) == 13
        assert remembered(s) == energies(s)


class TestPowerCut:
    """What is worth the wait for the disk, and in which order."""

    @pytest.fixture
    def diary(self, monkeypatch):
        done = []

        def fsync(number):
            done.append(Path(f"/proc/self/fd/{number}").readlink().name)

        monkeypatch.setattr(os, "fsync", fsync)
        return done

    @pytest.mark.parametrize("dear", [True, False])
    def test_store_is_synchronised_before_a_dear_label_is_forgotten(self, story, monkeypatch, dear):
        s = story().explore()
        s.select(5.0)
        ((host, number),) = s.flying
        seconds = DEAR if dear else 0.9 * DEAR
        file = s.spool(host, number, seconds=seconds)
        seen = []
        monkeypatch.setattr(s.store, "synchronise", lambda: seen.append(file.exists()))
        s.say(host, m.Labelled(number, 1, labels_of(s.store.samples([number])), seconds))
        assert not file.exists()
        assert seen == ([True] if dear else [])
        s.host.work(0.0)
        assert len(seen) <= 1

    def test_store_is_synchronised_by_its_log(self, story, diary):
        s = story()
        s.host.note("me", "something")
        s.host.work(0.0)
        diary.clear()
        s.store.synchronise()
        assert diary == [f"{database.FILE_NAME}-wal"]

    @pytest.mark.parametrize("dear", [True, False])
    def test_file_of_a_dear_label_and_its_folder_are_synchronised(self, tmp_path, diary, dear):
        setup = make_setup(tmp_path)
        folders = ["level", module.FOLDER]
        spool = Spool(setup.directory, "level", oracle_wire(setup.loaded))
        spool.write("oracle/0", m.Labelled(7, 1, labels_of(points(1)), DEAR if dear else 0.9 * DEAR))
        assert [name for name in diary if "7-1" not in name] == ([*folders, setup.directory.name] if dear else [])
        assert len(diary) == (4 if dear else 0)
        assert not dear or "7-1" in diary[0], "the file before its name"
