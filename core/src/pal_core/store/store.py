"""The store of a run: one SQLite file, one writer.

Everything is written ahead: the manager commits what a message brought before it sends anything that follows from it.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pal_core.data import Batch, Schema
from pal_core.store.database import FILE_NAME, Database, StoreError
from pal_core.store.tables import pack, unpack

__all__ = ["FILE_NAME", "Store", "StoreError", "StoredSample"]

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class StoredSample:
    """A sample's record without its data."""

    id: int
    origin: str
    walker: int
    version: int
    score: float | None
    attempts: int


class Store(Database):
    """Samples, labels and history of a run.

    Parameters and errors are those of `Database`.
    """

    def __init__(self, directory: Path, write: bool = False) -> None:
        super().__init__(directory, write)
        self.session = 0

    # --- sessions

    @cached_property
    def schemas(self) -> tuple[Schema, Schema]:
        """Schemas of samples and of labels, as agreed on by the run's first session."""
        texts = self.meta("samples") or "[]", self.meta("labels") or "[]"
        return Schema.from_json(json.loads(texts[0])), Schema.from_json(json.loads(texts[1]))

    def agree(self, samples: Schema, labels: Schema) -> None:
        """Set the schemas, or check that they are those of the earlier sessions.

        Raises
        ------
        StoreError
            If the run has stored samples or labels of other schemas.
        """
        if self.meta("samples") is None:
            self.set_meta("samples", json.dumps(samples.to_json()))
            self.set_meta("labels", json.dumps(labels.to_json()))
            self.commit()
            self.__dict__.pop("schemas", None)
            return
        for what, found, wanted in zip(("samples", "labels"), self.schemas, (samples, labels), strict=True):
            if found != wanted:
                raise StoreError(
                    f"{self.path} holds {what} of {found}, the settings' kernels make {wanted}",
                    "use another run.directory",
                )

    def open_session(self, settings: str, packages: Mapping[str, str]) -> int:
        """Begin a session of this run; returns its number."""
        self.session = self._write(
            "INSERT INTO sessions (started, host, pid, settings, packages) VALUES (?, ?, ?, ?, ?)",
            time.time(),
            socket.gethostname(),
            os.getpid(),
            settings,
            json.dumps(dict(packages)),
        )
        self.commit()
        return self.session

    def end_session(self, outcome: str, reason: str) -> None:
        """Write down how the session ended."""
        self._write(
            "UPDATE sessions SET ended = ?, outcome = ?, reason = ? WHERE id = ?",
            time.time(),
            outcome,
            reason,
            self.session,
        )
        self.commit()

    def sessions(self) -> list[dict[str, Any]]:
        """All sessions, oldest first."""
        return self._records("SELECT id, started, ended, outcome, reason, host, pid, settings FROM sessions")

    # --- samples and labels

    @property
    def next_sample(self) -> int:
        """Number for the next new sample."""
        return int(self._run("SELECT COALESCE(MAX(id), 0) + 1 FROM samples")[0][0])

    def add_sample(
        self, number: int, sample: Mapping[str, Any], *, origin: str, walker: int, version: int, score: float | None
    ) -> None:
        """Store a new sample that waits for a label."""
        finite = score if score is not None and np.isfinite(score) else None
        values = (number, self.session, time.time(), origin, walker, version, finite, pack(self.schemas[0], sample))
        self._write(
            "INSERT INTO samples (id, session, time, origin, walker, version, score, data) VALUES (?,?,?,?,?,?,?,?)",
            *values,
        )

    def add_label(self, number: int, label: Mapping[str, Any], kernel: str, package: str) -> None:
        """Store the label of a sample; a second label of one sample is ignored."""
        blob = pack(self.schemas[1], label)
        self._write(
            "INSERT OR IGNORE INTO labels (sample, time, kernel, package, data) VALUES (?, ?, ?, ?, ?)",
            number,
            time.time(),
            kernel,
            package,
            blob,
        )
        self._set_state([number], "labelled")

    def add_attempt(
        self,
        number: int,
        attempt: int,
        host: str,
        *,
        seconds: float,
        failure: str = "",
        text: str = "",
        evidence: str = "",
    ) -> None:
        """Store one attempt of an oracle; `failure` is empty for a success."""
        self._write(
            "INSERT INTO attempts (sample, number, host, time, seconds, failure, text, evidence) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            number,
            attempt,
            host,
            time.time(),
            seconds,
            failure or None,
            text or None,
            evidence or None,
        )

    def quarantine(self, number: int, reason: str, label: Mapping[str, Any] | None = None) -> None:
        """Set a sample aside for good, with its label if it has a suspicious one."""
        blob = None if label is None else pack(self.schemas[1], label)
        self._write("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?)", number, time.time(), reason, blob)
        self._set_state([number], "quarantined")

    def is_quarantined(self, number: int) -> bool:
        """Whether a sample has been set aside."""
        return bool(self._run("SELECT 1 FROM quarantine WHERE sample = ?", [number]))

    def drop(self, numbers: Iterable[int], why: str, unseen: int = 0) -> None:
        """Mark stored samples as dropped, and count them and `unseen` ones that were never stored."""
        numbers = list(numbers)
        self._set_state(numbers, "dropped")
        self._write(
            "INSERT INTO dropped VALUES (?, ?, ?) "
            "ON CONFLICT (session, why) DO UPDATE SET count = count + excluded.count",
            self.session,
            why,
            len(numbers) + unseen,
        )

    def _set_state(self, numbers: Sequence[int], state: str) -> None:
        for number in numbers:
            self._write("UPDATE samples SET state = ? WHERE id = ?", state, number)

    def released(self, numbers: Iterable[int], number_of_round: int) -> None:
        """Write down in which round labels were first trained on."""
        for number in numbers:
            self._write("UPDATE labels SET round = ? WHERE sample = ? AND round IS NULL", number_of_round, number)

    def waiting(self) -> list[StoredSample]:
        """Samples that wait for a label, oldest first."""
        rows = self._run(
            "SELECT id, origin, walker, version, score, "
            "(SELECT COUNT(*) FROM attempts WHERE sample = samples.id AND failure IS NOT NULL) "
            "FROM samples WHERE state = 'waiting' ORDER BY id"
        )
        return [StoredSample(*row) for row in rows]

    def labelled(self) -> list[int]:
        """Numbers of the samples with an admitted label, in order of labelling."""
        return [int(r[0]) for r in self._run("SELECT sample FROM labels ORDER BY time, sample")]

    def samples(self, numbers: Sequence[int]) -> Batch:
        """Samples by number, in the given order."""
        return unpack(self.schemas[0], self._blobs("samples", "id", numbers))

    def labels(self, numbers: Sequence[int]) -> Batch:
        """Labels by number of the sample, in the given order."""
        return unpack(self.schemas[1], self._blobs("labels", "sample", numbers))

    def _blobs(self, table: str, key: str, numbers: Sequence[int]) -> list[bytes]:
        found: dict[int, bytes] = {}
        for i in range(0, len(numbers), _CHUNK):
            part = [int(n) for n in numbers[i : i + _CHUNK]]
            marks = ",".join("?" * len(part))
            # Table and column names are ours; the numbers are bound.
            sql = f"SELECT {key}, data FROM {table} WHERE {key} IN ({marks})"  # noqa: S608
            found.update(self._run(sql, part))
        missing = [n for n in numbers if n not in found]
        if missing:
            raise StoreError(f"{self.path} has no {table} of {missing[:5]}")
        return [found[n] for n in numbers]

    def origins(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Provenance of labelled samples, in the given order."""
        rows = self._records(
            "SELECT s.id AS sample, s.origin, s.walker, s.version, s.score, l.kernel AS oracle, l.package, l.round, "
            "l.time FROM samples s JOIN labels l ON l.sample = s.id"
        )
        found = {row["sample"]: row for row in rows}
        return [found[n] for n in numbers]

    # --- training and history

    def add_round(
        self, number: int, member: int, *, version: int, epoch: int, labels: int, metrics: Mapping[str, float]
    ) -> None:
        """Store how a member did in a round."""
        self._write(
            "INSERT OR REPLACE INTO rounds VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            self.session,
            number,
            member,
            time.time(),
            version,
            epoch,
            labels,
            json.dumps(dict(metrics)),
        )

    def rounds(self) -> list[dict[str, Any]]:
        """All rounds of all members, in order."""
        rows = self._records(
            "SELECT session, round, member, time, version, epoch, labels, metrics FROM rounds "
            "ORDER BY session, round, member"
        )
        return [{**row, "metrics": json.loads(row["metrics"])} for row in rows]

    def rounds_done(self, members: int) -> int:
        """Rounds that all of so many members have ended."""
        sql = "SELECT COUNT(*) FROM (SELECT 1 FROM rounds GROUP BY session, round HAVING COUNT(*) = ?)"
        return int(self._run(sql, (members,))[0][0])

    def add_history(self, steps: int, selected: int, labels: int, waiting: int) -> None:
        """Store a point of the run's history; `steps` and `selected` count from the session's start."""
        self._write(
            "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?)", time.time(), self.session, steps, selected, labels, waiting
        )

    def history(self) -> NDArray[np.float64]:
        """Columns time, session, steps, selected, labels, waiting; shape (n, 6)."""
        rows = self._run("SELECT * FROM history ORDER BY time")
        return np.array(rows, np.float64).reshape(len(rows), 6)

    def steps(self) -> int:
        """Samples predicted in all sessions together."""
        sql = "SELECT COALESCE(SUM(most), 0) FROM (SELECT MAX(steps) AS most FROM history GROUP BY session)"
        return int(self._run(sql)[0][0])

    def note(self, source: str, text: str) -> None:
        """Add a sentence to the journal."""
        self._write("INSERT INTO journal VALUES (?, ?, ?, ?)", time.time(), self.session, source, text)

    def journal(self, last: int = 20) -> list[dict[str, Any]]:
        """The last entries of the journal, oldest first."""
        return self._records("SELECT time, source, text FROM journal ORDER BY rowid DESC LIMIT ?", [last])[::-1]

    def counts(self) -> dict[str, int]:
        """How many samples are in each state, labels by origin, failed attempts and dropped samples."""
        out = {f"samples_{s}": n for s, n in self._run("SELECT state, COUNT(*) FROM samples GROUP BY state")}
        by_origin = "SELECT s.origin, COUNT(*) FROM labels l JOIN samples s ON s.id = l.sample GROUP BY s.origin"
        out |= {f"labels_{o}": n for o, n in self._run(by_origin)}
        out["failed_attempts"] = self._run("SELECT COUNT(*) FROM attempts WHERE failure IS NOT NULL")[0][0]
        out["dropped"] = self._run("SELECT COALESCE(SUM(count), 0) FROM dropped")[0][0]
        return out
