"""Samples and labels of a run."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pal_core.data import Batch, Schema
from pal_core.store.database import Database, StoreError
from pal_core.store.tables import digest, pack, unpack

__all__ = ["Samples", "StoredSample"]

_CHUNK = 500
_PLURAL = re.compile("(sample|label|attempt)s")
_TWIN = """
SELECT s.id, s.state FROM samples s LEFT JOIN labels l ON l.sample = s.id LEFT JOIN quarantine q ON q.sample = s.id
WHERE s.hash = :hash AND s.data = :data AND (
    s.state = 'waiting'
    OR s.state = 'labelled' AND (:level = '' OR l.level IN ('', :level))
    OR s.state = 'quarantined' AND (:level = '' OR q.level IN ('', :level)))
ORDER BY s.id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class StoredSample:
    """A sample's record without its data; `size` is the length of its ragged dimension, 1 without one."""

    id: int
    origin: str
    walker: int
    version: int
    score: float | None
    attempts: int
    size: int = 1


class Samples(Database):
    """What walkers proposed, what oracles answered, and what became of both."""

    # --- schemas

    @cached_property
    def schemas(self) -> tuple[Schema, Schema]:
        """Schemas of samples and of labels, as agreed on by the run's first session."""
        return self._schema("samples"), self._schema("labels")

    @cached_property
    def expected_schema(self) -> Schema:
        """Schema of what the committee expected, as agreed on by the last session."""
        return self._schema("expected")

    def _schema(self, key: str) -> Schema:
        rows = self._json(self.meta(key) or "[]", f"the schema of {key}")
        try:
            return Schema.from_json(rows)
        except (TypeError, ValueError) as error:
            raise self.damaged(f"the schema of {key} can't be used ({error})") from error

    def _unpacked(self, schema: Schema, blobs: Sequence[bytes]) -> Batch:
        try:
            return unpack(schema, blobs)
        except (TypeError, ValueError) as error:
            raise self.damaged(str(error)) from error

    def agree(self, samples: Schema, labels: Schema, expected: Schema | None = None) -> None:
        """Set the schemas, or check that they are those of the earlier sessions.

        Parameters
        ----------
        samples, labels : Schema
        expected : Schema, optional
            Of the committee's mean, see `add_sample`. May change: what another committee expected is then forgotten,
            since the checks of labels could make nothing of it.

        Raises
        ------
        StoreError
            If the run has stored samples or labels of other schemas.
        """
        if self.meta("samples") is None:
            self.set_meta("samples", json.dumps(samples.to_json()))
            self.set_meta("labels", json.dumps(labels.to_json()))
        else:
            self._refuse_other(samples, labels)
        text = json.dumps((expected or Schema()).to_json())
        if self.meta("expected") != text:
            self.set_meta("expected", text)
            self._write("UPDATE samples SET expected = NULL WHERE expected IS NOT NULL")
        self.commit()
        self.__dict__.pop("schemas", None)
        self.__dict__.pop("expected_schema", None)

    def _refuse_other(self, samples: Schema, labels: Schema) -> None:
        for what, found, wanted in zip(("samples", "labels"), self.schemas, (samples, labels), strict=True):
            if found != wanted:
                raise StoreError(
                    f"{self.path} holds {what} of {found}, the settings' kernels make {wanted}",
                    "use another run.directory",
                )

    # --- in

    @property
    def next_sample(self) -> int:
        """A number that no stored sample has, and none beyond it."""
        return int(self._run("SELECT COALESCE(MAX(id), 0) + 1 FROM samples")[0][0])

    def add_sample(
        self,
        number: int,
        sample: Mapping[str, Any],
        *,
        origin: str,
        walker: int,
        version: int,
        score: float | None,
        expected: Mapping[str, Any] | None = None,
    ) -> None:
        """Store a new sample that waits for a label; `expected` is the committee's mean for it, if there was one."""
        finite = score if score is not None and np.isfinite(score) else None
        blob = pack(self.schemas[0], sample)
        mean = None if expected is None else pack(self.expected_schema, expected)
        self._write(
            "INSERT INTO samples (id, session, time, origin, walker, version, score, data, hash, expected) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(number, self.session, time.time(), origin, walker, version, finite, blob, digest(blob), mean),
        )

    def add_label(self, number: int, label: Mapping[str, Any], kernel: str, package: str, level: str = "") -> None:
        """Store the label of a sample; a second label of one sample is ignored.

        Parameters
        ----------
        number : int
            Of the sample.
        label : mapping
            Values by the names of the label schema.
        kernel, package : str
            Who made it.
        level : str
            Digest of the level of theory; empty if it isn't known, which then counts as any.
        """
        blob = pack(self.schemas[1], label)
        self._write(
            "INSERT OR IGNORE INTO labels (sample, time, kernel, package, data, level) VALUES (?, ?, ?, ?, ?, ?)",
            *(number, time.time(), kernel, package, blob, level),
        )
        self._set_state([number], "labelled")
        # What was refused before stays as a record.
        self._write("UPDATE quarantine SET settled = 'labelled' WHERE sample = ? AND settled IS NULL", number)

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
            *(number, attempt, host, time.time(), seconds, failure or None, text or None, evidence or None),
        )

    def drop(self, numbers: Iterable[int], why: str, unseen: int = 0) -> None:
        """Mark stored samples as dropped, and count them and `unseen` ones that were never stored.

        A sample whose label is kept from before a restart (see `Restart`) goes back among those instead.
        """
        numbers = list(numbers)
        self._set_state(numbers, "dropped")
        for number in numbers:
            self._write(
                "UPDATE samples SET state = 'ahead' WHERE id = ?1 AND EXISTS (SELECT 1 FROM labels WHERE sample = ?1 "
                "UNION ALL SELECT 1 FROM quarantine WHERE sample = ?1 AND settled IS NULL)",
                number,
            )
        self._write(
            "INSERT INTO dropped VALUES (?, ?, ?) "
            "ON CONFLICT (session, why) DO UPDATE SET count = count + excluded.count",
            *(self.session, why, len(numbers) + unseen),
        )

    def _set_state(self, numbers: Sequence[int], state: str) -> None:
        for number in numbers:
            self._write("UPDATE samples SET state = ? WHERE id = ?", state, number)

    def released(self, numbers: Iterable[int], number_of_round: int) -> None:
        """Write down in which round labels were first trained on."""
        for number in numbers:
            self._write("UPDATE labels SET round = ? WHERE sample = ? AND round IS NULL", number_of_round, number)

    # --- out

    def waiting(self) -> list[StoredSample]:
        """Samples that wait for a label, oldest first."""
        rows = self._run(
            "SELECT id, origin, walker, version, score, (SELECT COUNT(*) FROM attempts "
            "WHERE sample = samples.id AND failure IS NOT NULL AND attempts.id > samples.forgiven), "
            "substr(data, 1, 4) FROM samples WHERE state = 'waiting' ORDER BY id"
        )
        return [
            StoredSample(number, origin, walker, version, score, attempts, max(int.from_bytes(size, "little"), 1))
            for number, origin, walker, version, score, attempts, size in rows
        ]

    def labelled(self, since: float = 0.0) -> list[int]:
        """Numbers of the samples with an admitted label that was made after a time, in order of labelling."""
        sql = (
            "SELECT sample FROM labels JOIN samples ON id = sample WHERE state = 'labelled' AND labels.time > ? "
            "ORDER BY labels.time, id"
        )
        return [int(r[0]) for r in self._run(sql, [since])]

    def version(self, number: int) -> int:
        """Lowest model version of the committee that a sample was selected by."""
        return int(self._run("SELECT version FROM samples WHERE id = ?", [number])[0][0])

    @property
    def labels_made(self) -> int:
        """Labels in the store, whatever became of their samples."""
        return int(self._run("SELECT COUNT(*) FROM labels")[0][0])

    def lacks_label(self, number: int) -> bool:
        """Whether a sample is stored without any label, admitted or refused."""
        sql = (
            "SELECT 1 FROM samples WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM labels WHERE sample = ?1) "
            "AND NOT EXISTS (SELECT 1 FROM quarantine WHERE sample = ?1 AND data IS NOT NULL)"
        )
        return bool(self._run(sql, [number]))

    def used(self, upto: int) -> list[int]:
        """Samples whose labels rounds up to this one were trained on, in the order of their release."""
        sql = (
            "SELECT sample FROM labels JOIN samples ON id = sample WHERE state = 'labelled' AND round <= ? "
            "ORDER BY round, sample"
        )
        return [int(r[0]) for r in self._run(sql, [upto])]

    def unused(self, upto: int) -> list[int]:
        """Labelled samples of which no round up to this one knows, ascending; any later round forgets them.

        Those of an audit are never trained on.
        """
        self._write("UPDATE labels SET round = NULL WHERE round > ?", upto)
        sql = (
            "SELECT sample FROM labels JOIN samples ON id = sample WHERE state = 'labelled' AND round IS NULL "
            "AND origin NOT IN ('audit', 'initial audit')"
        )
        return sorted(int(r[0]) for r in self._run(sql))

    def audited(self) -> list[int]:
        """Labelled samples of this run's audit of which it is known what the committee expected, ascending."""
        sql = (
            "SELECT id FROM samples WHERE state = 'labelled' AND origin = 'audit' AND expected IS NOT NULL ORDER BY id"
        )
        return [int(r[0]) for r in self._run(sql)]

    def audit_counts(self) -> dict[str, int]:
        """How many samples of this run's audit are in each state."""
        return dict(self._run("SELECT state, COUNT(*) FROM samples WHERE origin = 'audit' GROUP BY state"))

    def digests(self, numbers: Sequence[int]) -> list[bytes]:
        """Digest of every sample's content, in the given order."""
        return [digest(blob) for blob in self._blobs("samples", "id", numbers)]

    def scores(self, numbers: Sequence[int]) -> NDArray[np.float64]:
        """Uncertainty by which samples were selected, in the given order; NaN where it isn't known or wasn't finite."""
        try:
            return np.array(self._column("score", "samples", "id", numbers), np.float64)
        except (TypeError, ValueError) as error:
            raise self.damaged(f"a score is no number ({error})") from error

    def samples(self, numbers: Sequence[int]) -> Batch:
        """Samples by number, in the given order."""
        return self._unpacked(self.schemas[0], self._blobs("samples", "id", numbers))

    def labels(self, numbers: Sequence[int]) -> Batch:
        """Labels by number of the sample, in the given order."""
        return self._unpacked(self.schemas[1], self._blobs("labels", "sample", numbers))

    def expected(self, number: int) -> dict[str, Any] | None:
        """What the committee expected of a sample when it was selected; None if it said nothing."""
        rows = self._run("SELECT expected FROM samples WHERE id = ? AND expected IS NOT NULL", [number])
        return dict(self._unpacked(self.expected_schema, rows[0])[0]) if rows else None

    def expectations(self, numbers: Sequence[int]) -> Batch:
        """What committees expected of samples, in the given order; of each they must have said something."""
        return self._unpacked(self.expected_schema, self._column("expected", "samples", "id", numbers))

    def twin(self, sample: Mapping[str, Any], level: str) -> tuple[int, str] | None:
        """The newest stored sample with the same content, and its state.

        Those count that wait, and those labelled or quarantined at this level of theory; an empty level is any.
        """
        blob = pack(self.schemas[0], sample)
        rows = self._run(_TWIN, {"hash": digest(blob), "data": blob, "level": level})
        return (int(rows[0][0]), str(rows[0][1])) if rows else None

    def want(self, number: int) -> bool:
        """Note that a walker wants a sample which was selected and waits; whether it is one."""
        sql = "SELECT 1 FROM samples WHERE id = ? AND state = 'waiting' AND origin IN ('active', 'wanted')"
        if not self._run(sql, [number]):
            return False
        self._write("UPDATE samples SET origin = 'wanted' WHERE id = ?", number)
        return True

    def _blobs(self, table: str, key: str, numbers: Sequence[int]) -> list[bytes]:
        return self._column("data", table, key, numbers)

    def _column(self, column: str, table: str, key: str, numbers: Sequence[int]) -> list[Any]:
        found: dict[int, Any] = {}
        for i in range(0, len(numbers), _CHUNK):
            part = [int(n) for n in numbers[i : i + _CHUNK]]
            marks = ",".join("?" * len(part))
            # Table and column names are ours; the numbers are bound.
            sql = f"SELECT {key}, {column} FROM {table} WHERE {key} IN ({marks})"  # noqa: S608
            found.update(self._run(sql, part))
        missing = [n for n in numbers if n not in found]
        if missing:
            raise StoreError(f"{self.path} has no {table} of {missing[:5]}")
        return [found[n] for n in numbers]

    def origins(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Provenance of labelled samples, in the given order."""
        rows = self._records(
            "SELECT s.id AS sample, s.origin, s.walker, s.version, s.score, l.kernel AS oracle, l.package, l.round, "
            "l.time, NULLIF(l.level, '') AS level FROM samples s JOIN labels l ON l.sample = s.id"
        )
        found = {row["sample"]: row for row in rows}
        return [found[n] for n in numbers]

    def counts(self) -> dict[str, int]:
        """How many samples are in each state, labels by origin, failed attempts and dropped samples.

        Samples ahead of the set that a run was rewound to don't count, nor do their labels.
        """
        by_state = "SELECT state, COUNT(*) FROM samples WHERE state != 'ahead' GROUP BY state"
        out = {f"samples_{s}": n for s, n in self._run(by_state)}
        by_origin = "SELECT origin, COUNT(*) FROM labels JOIN samples ON id = sample WHERE state = 'labelled'"
        out |= {f"labels_{o}": n for o, n in self._run(f"{by_origin} GROUP BY origin")}
        out["failed_attempts"] = self._run("SELECT COUNT(*) FROM attempts WHERE failure IS NOT NULL")[0][0]
        out["dropped"] = self._run("SELECT COALESCE(SUM(count), 0) FROM dropped")[0][0]
        return out

    def drops(self) -> dict[str, int]:
        """How many samples were dropped by reason, those included that were never stored; most first."""
        rows = self._run(
            "SELECT why, SUM(count) FROM dropped GROUP BY why HAVING SUM(count) > 0 UNION ALL "
            "SELECT 'given up by hand', COUNT(*) FROM quarantine WHERE settled = 'discarded' HAVING COUNT(*) > 0 "
            "ORDER BY 2 DESC"
        )
        return {str(why): int(n) for why, n in rows}

    def told(self) -> str:
        """What is stored, in a line: states of samples, labels by origin, failed attempts, and drops by reason."""
        counts = {k: n for k, n in self.counts().items() if n and k not in ("samples_dropped", "dropped")}
        parts = [f"{n} {(_one(k) if n == 1 else k).replace('_', ' ')}" for k, n in counts.items()]
        drops = ", ".join(f"{n} {why}" for why, n in self.drops().items())
        return "; ".join([", ".join(parts) or "nothing yet", *([f"dropped: {drops}"] if drops else [])])


def _one(what: str) -> str:
    """Name of a count for one: `sample_waiting`."""
    return _PLURAL.sub(r"\1", what)
