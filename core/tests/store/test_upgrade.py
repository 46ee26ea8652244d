"""A store of format 1 becomes one of the present format."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from stores import add, label, value

from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.store.database import FILE_NAME
from pal_core.store.store import Store, StoreError
from pal_core.store.tables import TABLES, pack

FORMAT_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, started REAL NOT NULL, ended REAL, outcome TEXT, reason TEXT,
    host TEXT NOT NULL, pid INTEGER NOT NULL, settings TEXT NOT NULL, packages TEXT NOT NULL);
CREATE TABLE samples (
    id INTEGER PRIMARY KEY, session INTEGER NOT NULL, time REAL NOT NULL, origin TEXT NOT NULL,
    walker INTEGER NOT NULL, version INTEGER NOT NULL, score REAL,
    state TEXT NOT NULL DEFAULT 'waiting', data BLOB NOT NULL);
CREATE INDEX samples_by_state ON samples (state);
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY, sample INTEGER NOT NULL REFERENCES samples, number INTEGER NOT NULL, host TEXT NOT NULL,
    time REAL NOT NULL, seconds REAL, failure TEXT, text TEXT, evidence TEXT);
CREATE INDEX attempts_by_sample ON attempts (sample);
CREATE TABLE labels (
    sample INTEGER PRIMARY KEY REFERENCES samples, time REAL NOT NULL, kernel TEXT NOT NULL, package TEXT NOT NULL,
    round INTEGER, data BLOB NOT NULL);
CREATE TABLE quarantine (
    sample INTEGER PRIMARY KEY REFERENCES samples, time REAL NOT NULL, reason TEXT NOT NULL, data BLOB);
CREATE TABLE rounds (
    session INTEGER NOT NULL, round INTEGER NOT NULL, member INTEGER NOT NULL, time REAL NOT NULL,
    version INTEGER NOT NULL, epoch INTEGER NOT NULL, labels INTEGER NOT NULL, metrics TEXT NOT NULL,
    PRIMARY KEY (session, round, member));
CREATE TABLE history (
    time REAL NOT NULL, session INTEGER NOT NULL, steps INTEGER NOT NULL, selected INTEGER NOT NULL,
    labels INTEGER NOT NULL, waiting INTEGER NOT NULL);
CREATE TABLE dropped (
    session INTEGER NOT NULL, why TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (session, why));
CREATE TABLE journal (time REAL NOT NULL, session INTEGER NOT NULL, source TEXT NOT NULL, text TEXT NOT NULL);
"""


def make_format_1(directory: Path, samples: int = 3) -> None:
    """A store as pal-core 0.1.0 left it: all labelled but for a refused one if there are few."""
    db = sqlite3.connect(directory / FILE_NAME)
    db.executescript(f"PRAGMA journal_mode = WAL; BEGIN; {FORMAT_1}")
    schemas = {"samples": SAMPLE.to_json(), "labels": LABEL.to_json()}
    meta = {"format": "1", **{k: json.dumps(s) for k, s in schemas.items()}}
    db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    db.execute("INSERT INTO sessions VALUES (1, 0, 1, 'interrupted', 'asked', 'h', 1, '{}', '{}')")
    for n in range(1, samples + 1):
        refused = samples == 3 and n == 3
        state = "quarantined" if refused else "labelled"
        db.execute(
            "INSERT INTO samples VALUES (?, 1, 0, 'active', 0, 1, 0.5, ?, ?)", (n, state, pack(SAMPLE, {"x": [n, 0]}))
        )
        blob = pack(LABEL, value(n))
        if refused:
            db.execute("INSERT INTO quarantine VALUES (?, 0, 'huge', ?)", (n, blob))
        else:
            db.execute("INSERT INTO labels VALUES (?, ?, 'k', 'p 1', 1, ?)", (n, n, blob))
    points = [(1, 10, 2), (1, 50, 4), (2, 0, 0), (2, 30, 3), (3, 5, 1)]
    db.executemany("INSERT INTO history VALUES (0, ?, ?, ?, 0, 0)", points)
    db.commit()
    db.close()


def test_reader_is_told_the_next_command(tmp_path):
    make_format_1(tmp_path)
    with pytest.raises(StoreError) as error:
        Store(tmp_path)
    assert error.value.message == f"{tmp_path / FILE_NAME} has format 1, this pal-core reads 2"
    assert error.value.hint == (f"upgrade it: go on with the run (pal run SETTINGS), or pal doctor --repair {tmp_path}")


def test_writer_upgrades_and_keeps_everything(tmp_path):
    make_format_1(tmp_path)
    store = Store(tmp_path, write=True)
    assert store.notes == ["the store was upgraded from format 1 to 2"]
    store.agree(SAMPLE, LABEL, LABEL)
    store.open_session("{}", {})
    assert store.journal()[0]["text"] == store.notes[0]
    assert store.labelled() == [1, 2]
    assert [q["sample"] for q in store.quarantined()] == [3]
    assert store.labels([2])[0]["energy"] == 2.0
    assert store.history()[:, 2:4].tolist() == [[10, 2], [50, 4], [50, 4], [80, 7], [85, 8]]
    assert (store.steps(), store.selected()) == (85, 8)
    assert store.twin({"x": [2, 0]}, "any level") == (2, "labelled")
    add(store, 4)
    label(store, 4, level="new")
    store.accept([3])
    store.close()
    assert Store(tmp_path).labelled() == [1, 2, 4, 3]


def test_upgraded_store_has_the_tables_of_a_new_one(tmp_path):
    make_format_1(tmp_path)
    Store(tmp_path, write=True).close()
    Store(tmp_path / "new", write=True).close()

    def columns(path: Path) -> dict[str, list[tuple]]:
        db = sqlite3.connect(path)
        names = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")]
        return {n: [r[1:] for r in db.execute(f"PRAGMA table_info({n})")] for n in names}

    assert columns(tmp_path / FILE_NAME) == columns(tmp_path / "new" / FILE_NAME)
    assert "sets" in TABLES


def test_upgrade_is_made_once(tmp_path):
    make_format_1(tmp_path)
    Store(tmp_path, write=True).close()
    store = Store(tmp_path, write=True)
    assert store.notes == []
    assert store.steps() == 85
    store.close()
