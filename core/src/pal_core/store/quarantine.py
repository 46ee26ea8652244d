"""Samples set aside: no label could be had, or a check has refused it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pal_core.store.database import StoreError
from pal_core.store.samples import Samples
from pal_core.store.tables import pack, unpack

__all__ = ["Quarantine"]


_SET_ASIDE = """
INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, NULL)
ON CONFLICT (sample) DO UPDATE SET time = excluded.time, reason = excluded.reason, settled = NULL,
    kernel = CASE WHEN excluded.data IS NULL THEN kernel ELSE excluded.kernel END,
    package = CASE WHEN excluded.data IS NULL THEN package ELSE excluded.package END,
    level = CASE WHEN excluded.data IS NULL THEN level ELSE excluded.level END,
    data = COALESCE(excluded.data, data)
"""


class Quarantine(Samples):
    """Setting aside, and what a person decides about it.

    A row of the table stays as a record when the matter is settled. Should the same sample be set aside again, its
    label takes the place of the earlier one.
    """

    def quarantine(
        self,
        number: int,
        reason: str,
        label: Mapping[str, Any] | None = None,
        *,
        kernel: str = "",
        package: str = "",
        level: str = "",
    ) -> None:
        """Set a sample aside, with its label and who made it, if it has a suspicious one."""
        blob = None if label is None else pack(self.schemas[1], label)
        # After a restart the label may have been admitted before: one place is enough.
        self._write("DELETE FROM labels WHERE sample = ? AND data = ?", number, blob)
        self._write(_SET_ASIDE, number, time.time(), reason, blob, kernel, package, level)
        self._set_state([number], "quarantined")

    def is_quarantined(self, number: int) -> bool:
        """Whether a sample is set aside."""
        return self._state(number) == "quarantined"

    def quarantined(self) -> list[dict[str, Any]]:
        """All samples that are set aside, oldest first.

        Returns
        -------
        list of dict
            ``sample``, ``time``, ``reason``, ``kernel``, ``package``, ``level``, ``has_label`` (whether a suspicious
            label is kept), ``origin`` (the sample's class) and ``attempts``: a list of dict ``number``, ``host``,
            ``time``, ``seconds``, ``failure``, ``text``, ``evidence``.
        """
        rows = self._records(
            "SELECT sample, q.time, reason, kernel, package, level, data IS NOT NULL AS has_label, origin "
            "FROM (SELECT id, state, origin FROM samples) JOIN quarantine q ON sample = id "
            "WHERE state = 'quarantined' ORDER BY q.time, sample"
        )
        return [{**row, "has_label": bool(row["has_label"]), "attempts": self._attempts(row["sample"])} for row in rows]

    def _attempts(self, number: int) -> list[dict[str, Any]]:
        columns = "number, host, time, seconds, failure, text, evidence"
        return self._records(f"SELECT {columns} FROM attempts WHERE sample = ? ORDER BY id", [number])  # noqa: S608

    def suspicious(self, number: int) -> dict[str, Any] | None:
        """The label for which a sample was set aside; None if there is none."""
        rows = self._run("SELECT data FROM quarantine WHERE sample = ? AND data IS NOT NULL", [number])
        return dict(unpack(self.schemas[1], rows[0])[0]) if rows else None

    def requeue(self, numbers: Iterable[int]) -> None:
        """Let samples wait for a label again; their attempts so far don't count against them any more."""
        self._settle(numbers, "requeued", self._requeue)

    def accept(self, numbers: Iterable[int]) -> None:
        """Admit the suspicious labels of samples.

        Raises
        ------
        StoreError
            If one of the samples isn't set aside, or has no label.
        """
        numbers = list(numbers)
        rows = self._run("SELECT sample FROM quarantine WHERE data IS NOT NULL")
        without = [n for n in numbers if n not in {r[0] for r in rows}]
        if without:
            raise StoreError(
                f"{self.path}: no label of {_listed(without)} can be accepted, there is none",
                "have them labelled again (requeue), or give them up (discard)",
            )
        self._settle(numbers, "accepted", self._accept)

    def discard(self, numbers: Iterable[int]) -> None:
        """Give samples up for good."""
        self._settle(numbers, "discarded", lambda number: self._set_state([number], "dropped"))

    def _settle(self, numbers: Iterable[int], how: str, one: Callable[[int], None]) -> None:
        numbers = list(numbers)
        others = [n for n in numbers if self._state(n) != "quarantined"]
        if others:
            raise StoreError(
                f"{self.path}: not in quarantine: {_listed(others)}", f"see which are: pal labels list {self.directory}"
            )
        for number in numbers:
            self._write("UPDATE quarantine SET settled = ? WHERE sample = ?", how, number)
            one(number)
        self.commit()

    def _requeue(self, number: int) -> None:
        self._write(
            "UPDATE samples SET forgiven = (SELECT COALESCE(MAX(id), 0) FROM attempts WHERE sample = ?1) WHERE id = ?1",
            number,
        )
        self._set_state([number], "waiting")

    def _accept(self, number: int) -> None:
        self._write(
            "INSERT OR IGNORE INTO labels (sample, time, kernel, package, data, level) "
            "SELECT sample, ?, kernel, package, data, level FROM quarantine WHERE sample = ?",
            *(time.time(), number),
        )
        self._set_state([number], "labelled")

    def _state(self, number: int) -> str | None:
        rows = self._run("SELECT state FROM samples WHERE id = ?", [number])
        return str(rows[0][0]) if rows else None


def _listed(numbers: list[int]) -> str:
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return f"sample {', '.join(map(str, numbers[:5]))}{more}"
