"""Stores of earlier formats become stores of the present one, in place and in one transaction."""

from __future__ import annotations

import sqlite3

from pal_core.store.tables import FORMAT, digest

__all__ = ["upgrade"]

_TO_2 = """
ALTER TABLE samples ADD COLUMN hash BLOB;
ALTER TABLE samples ADD COLUMN expected BLOB;
ALTER TABLE samples ADD COLUMN forgiven INTEGER NOT NULL DEFAULT 0;
UPDATE samples SET hash = pal_digest(data);
CREATE INDEX samples_by_hash ON samples (hash);
ALTER TABLE labels ADD COLUMN level TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN kernel TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN package TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN level TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN settled TEXT;
CREATE TABLE sets (
    number INTEGER PRIMARY KEY, session INTEGER NOT NULL, time REAL NOT NULL, state TEXT NOT NULL);
CREATE TEMP TABLE earlier AS
    SELECT now.session, SUM(before.steps) AS steps, SUM(before.selected) AS selected
    FROM (SELECT DISTINCT session FROM history) AS now
    JOIN (SELECT session, MAX(steps) AS steps, MAX(selected) AS selected FROM history GROUP BY session) AS before
    ON before.session < now.session GROUP BY now.session;
UPDATE history SET
    steps = steps + COALESCE((SELECT steps FROM earlier WHERE earlier.session = history.session), 0),
    selected = selected + COALESCE((SELECT selected FROM earlier WHERE earlier.session = history.session), 0);
DROP TABLE earlier
"""
"""History counted from the session's start; levels of theory and who made a quarantined label were not kept."""
_STEPS = {1: _TO_2}


def upgrade(db: sqlite3.Connection, found: int) -> None:
    """Bring a store of an earlier format up to `FORMAT`, or leave it as it is if that fails."""
    db.create_function("pal_digest", 1, digest, deterministic=True)
    db.execute("BEGIN IMMEDIATE")
    try:
        for number in range(found, FORMAT):
            for statement in _STEPS[number].split(";"):
                db.execute(statement)
        db.execute("UPDATE meta SET value = ? WHERE key = 'format'", (str(FORMAT),))
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
