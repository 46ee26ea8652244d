"""A store from elsewhere: no SQL of its own runs, and odd content is one clear error."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest

from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.doctor.examine import examine, repair
from pal_core.doctor.recover import recover
from pal_core.runtime.beginning import changed_settings
from pal_core.settings.model import Settings
from pal_core.store.database import FILE_NAME, connect
from pal_core.store.guarded import is_set_state
from pal_core.store.links import links_out
from pal_core.store.lock import LOCK_FILE, Lock, holder_of
from pal_core.store.store import Store, StoreError

BOMB = "[" * 200_000


@pytest.fixture
def run(tmp_path) -> Path:
    """A run directory with two labelled samples and a set."""
    directory = tmp_path / "run"
    store = Store(directory, write=True)
    store.agree(SAMPLE, LABEL, LABEL)
    store.open_session("{}", {})
    for number in (1, 2):
        store.add_sample(number, {"x": np.full(2, float(number))}, origin="active", walker=0, version=1, score=0.5)
        store.add_label(number, {"energy": np.array(1.0), "gradient": np.zeros(2)}, "k", "p")
    store.add_set(1, {"sample": 3, "round": 0, "files": ["generator-0.safetensors"]})
    store.close()
    return directory


def change(run: Path, *statements: str) -> None:
    db = sqlite3.connect(run / FILE_NAME)
    db.execute("PRAGMA writable_schema = ON")
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


@pytest.mark.parametrize(
    ("statements", "what"),
    [
        (["CREATE TRIGGER t AFTER INSERT ON journal BEGIN DELETE FROM labels; END"], "a trigger 't'"),
        (["ALTER TABLE labels RENAME TO real", "CREATE VIEW labels AS SELECT * FROM real"], "a view 'labels'"),
        (["CREATE VIRTUAL TABLE v USING fts5(x)"], "a virtual table 'v'"),
        (["CREATE TABLE g (a, b AS (a + 1))"], "a generated column in table 'g'"),
    ],
)
@pytest.mark.parametrize("write", [False, True])
def test_sql_that_came_with_the_file_is_refused(run, statements, what, write):
    change(run, *statements)
    with pytest.raises(StoreError, match=re.escape(what)) as error:
        Store(run, write=write)
    assert str(run / FILE_NAME) in str(error.value)
    assert "don't use this store" in error.value.hint
    (found,) = [f for f in examine(run) if f.severity == "problem"]
    assert what in found.text


def test_schema_can_call_no_function_of_the_connection(tmp_path):
    """Neither those that SQLite calls unsafe nor such as PAL defines itself."""
    called = []
    db = connect(tmp_path / "any", "mode=rwc")
    db.create_function("reach_out", 0, lambda: called.append(1))
    db.execute("CREATE VIEW v AS SELECT reach_out()")
    with pytest.raises(sqlite3.OperationalError, match="unsafe use of reach_out"):
        db.execute("SELECT * FROM v").fetchall()
    db.close()
    assert not called


def read_all(run: Path) -> None:
    store = Store(run)
    try:
        store.samples(store.labelled())
        store.labels(store.labelled())
        store.sets()
        store.sessions()
    finally:
        store.close()


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE meta SET value = 'BOMB' WHERE key = 'samples'", "the schema of samples can't be read"),
        ('UPDATE meta SET value = \'[["x", "O", [], ""]]\' WHERE key = \'samples\'', "boolean, integer or float"),
        ("UPDATE meta SET value = '{}5' WHERE key = 'labels'", "the schema of labels can't be read"),
        ("UPDATE meta SET value = '7' WHERE key = 'samples'", "the schema of samples can't be used"),
        ("UPDATE samples SET data = x'FFFFFFFF'", "is damaged"),
        ("UPDATE samples SET data = 'text'", "is damaged"),
        ("UPDATE samples SET data = x'00000000'", "is damaged"),
        ("UPDATE sets SET state = 'BOMB'", "the state of snapshot set 1 can't be read"),
        ('UPDATE sets SET state = \'{"files": ["../../x"]}\'', "snapshot set 1 isn't what PAL writes"),
        ('UPDATE sets SET state = \'{"sample": "3; DROP"}\'', "snapshot set 1 isn't what PAL writes"),
        ("UPDATE sets SET number = -3", "snapshot set -3 isn't what PAL writes"),
        ("UPDATE sessions SET packages = '['", "session 1 can't be read"),
        ("UPDATE meta SET value = 'pickle' WHERE key = 'format'", "its format is 'pickle'"),
    ],
)
def test_odd_content_is_one_clear_error(run, statement, what):
    change(run, statement.replace("BOMB", BOMB))
    with pytest.raises(StoreError, match=re.escape(what)) as error:
        read_all(run)
    assert str(run / FILE_NAME) in str(error.value)
    assert error.value.hint


@pytest.mark.parametrize("settings", [BOMB, "[]", '{"run": {"directory": 7}}', "\x80\x04K\x01."])
def test_odd_settings_of_an_earlier_session_are_one_clear_error(run, settings):
    change(run, f"UPDATE sessions SET settings = '{settings}'")  # noqa: S608
    store = Store(run)
    with pytest.raises(StoreError, match="the settings of session 1 can't be read"):
        changed_settings(store, Settings.model_construct(), accept=True)
    store.close()


@pytest.mark.parametrize(
    "state",
    [
        *({"sample": v} for v in (-1, 2**70, True, 1.0, None, "3")),
        *({"files": v} for v in ("x", [1], [""], ["/etc/passwd"], ["../x"], ["a/b"], [".."])),
        *({"waiting": v} for v in ({}, [[1]], [-1])),
        *({"window": v} for v in ([1], [[1]], [[1, "2"]])),
        *([], None, "state", {"stage": 3}),
    ],
)
def test_state_of_a_set_holds_numbers_and_names(state):
    assert not is_set_state(state)


def test_state_as_the_machine_writes_it_is_sound():
    state = {"stage": "exploring", "round": 1, "window": [[3, 1]], "waiting": [4], "files": ["a.safetensors"]}
    assert is_set_state({**state, "of a later version": object()})


def test_saving_a_damaged_store_runs_no_second_statement(run, tmp_path):
    """SQLite reads the first statement of a table's description only; whoever ran all of it would write elsewhere."""
    outside = tmp_path / "outside.sqlite"
    change(
        run,
        "UPDATE meta SET value = '1' WHERE key = 'format'",
        f"UPDATE sqlite_master SET sql = sql || '; ATTACH DATABASE ''{outside}'' AS o; CREATE TABLE o.x (y)' "  # noqa: S608
        "WHERE name = 'journal'",
        'CREATE TABLE "evil"" (x); --" (x)',
    )
    lock = Lock(run)
    with pytest.raises(StoreError, match="nothing can be saved"):
        recover(run, lock)
    lock.release()
    assert not outside.exists()


def test_saving_leaves_what_is_not_pals_behind(run):
    change(run, 'CREATE TABLE other (x, "y, (SELECT 1)")', "INSERT INTO other VALUES (1, 2)")
    lock = Lock(run)
    assert "2 samples" in recover(run, lock)
    lock.release()
    db = sqlite3.connect(run / FILE_NAME)
    assert not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'other'").fetchall()
    db.close()


class TestLinks:
    """An archive may hold links in place of PAL's own files."""

    @pytest.mark.parametrize(
        "name", ["logs", "models", "spool", "status.json", "lock", ".status.json.77", "quarantine"]
    )
    def test_link_that_leads_out_is_refused_and_removed_by_the_doctor(self, run, tmp_path, name):
        (tmp_path / "precious").mkdir()
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(tmp_path / "precious")
        with pytest.raises(StoreError, match="is a link that leads out of the run directory, to "):
            Store(run, write=True)
        if name == "lock":  # it must go by hand: without a lock nothing is repaired
            with pytest.raises(StoreError):
                repair(run)
            (run / name).unlink()
        else:
            assert [t.done for t in repair(run)].count("the link was removed") == 1
        Store(run, write=True).close()
        assert list((tmp_path / "precious").iterdir()) == []

    def test_link_deep_inside_and_one_to_nowhere_are_found(self, run, tmp_path):
        (run / "models" / "member-000").mkdir(parents=True)
        deep = run / "models" / "member-000" / "round-00001.safetensors"
        deep.symlink_to(tmp_path / "not-there-yet")
        assert links_out(run) == [deep]

    def test_links_within_and_those_of_others_are_left_alone(self, run, tmp_path):
        (tmp_path / "start.xyz").touch()
        (run / "start.xyz").symlink_to(tmp_path / "start.xyz")
        (run / "scratch").symlink_to(tmp_path)
        (run / "snapshots" / "000001").mkdir(parents=True)
        (run / "snapshots" / "newest").symlink_to(run / "snapshots" / "000001")
        (run / "quarantine" / "1-1").mkdir(parents=True)
        (run / "quarantine" / "1-1" / "pseudo").symlink_to("/")
        (tmp_path / "other name").symlink_to(run)
        assert links_out(tmp_path / "other name") == []


@pytest.mark.parametrize(
    "record",
    [
        BOMB,
        json.dumps({"host": "h", "pid": "1; rm", "since": 0, "start": "", "place": "p", "word": "w"}),
        json.dumps({"host": "h", "pid": -1, "since": 0, "start": "", "place": "p", "word": "w"}),
        json.dumps({"host": "h", "pid": 5, "since": 1e300, "start": "", "place": "p", "word": "w"}),
        json.dumps({"host": ["h"], "pid": 5, "since": 1, "start": "", "place": "p", "word": "w"}),
    ],
)
def test_odd_record_in_the_lock_is_nobody_s(run, record):
    (run / LOCK_FILE).write_text(record)
    assert holder_of(run) is None
    Lock(run).release()


@pytest.mark.skipif(sys.platform != "linux", reason="pipes in place of files are tried on Linux")
@pytest.mark.timeout(20)
def test_pipe_in_place_of_the_lock_is_not_waited_for(run):
    (run / LOCK_FILE).unlink()
    os.mkfifo(run / LOCK_FILE)
    with pytest.raises(StoreError):
        Lock(run)
