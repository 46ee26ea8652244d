"""What runs have left: numbers out of their stores while they go on, and whether the oracles' own journal agrees."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import time
from collections import Counter
from pathlib import Path

from pal_core.store.store import Store

Labels = Counter[tuple[tuple[float, ...], float]]
JOURNAL_ORACLE = "journal_oracle.py:JournalOracle"


def bring_journal_oracle(folder: Path) -> None:
    """Put the oracle that keeps a journal where a settings file there finds it as `JOURNAL_ORACLE`."""
    shutil.copy(Path(__file__).with_name("journal_oracle.py"), folder)


def journal(folder: Path) -> list[dict[str, object]]:
    """What the oracles say they have labelled."""
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def made_and_stored(folder: Path, directory: Path) -> tuple[Labels, Labels]:
    """Labels by the oracles' journal, and by the store; none is of one sample twice."""
    made = Counter((tuple(line["x"]), line["energy"]) for line in journal(folder))
    store = Store(directory)
    try:
        numbers = store.labelled()
        rows = zip(store.samples(numbers), store.labels(numbers), strict=True)
        stored = Counter((tuple(sample["x"].tolist()), float(label["energy"])) for sample, label in rows)
    finally:
        store.close()
    assert len(numbers) == len(set(numbers))
    assert set(stored) <= set(made), "stored, but never made"
    return made, stored


def number(folder: Path, sql: str) -> int:
    """A number out of the store of the run in `folder`, 0 while there is none."""
    try:
        db = sqlite3.connect(f"file:{folder / 'run' / 'pal.sqlite'}?mode=ro", uri=True)
        try:
            return int(db.execute(sql).fetchone()[0] or 0)
        finally:
            db.close()
    except sqlite3.OperationalError:
        return 0


def await_number(process: subprocess.Popen[str], folder: Path, sql: str, least: int, limit: float) -> None:
    """Wait until a number out of the store is reached."""
    end = time.monotonic() + limit
    while number(folder, sql) < least:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"{sql} is below {least} after {limit} s"
        time.sleep(0.002)
