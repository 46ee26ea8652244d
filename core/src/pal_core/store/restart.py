"""Snapshot sets, and a run that goes on from one as if it had never been interrupted.

A deterministic run that was killed is *rewound* to its last set: samples numbered beyond it are put *ahead*, with all
that is known of them. The walkers propose them again, with the same numbers and content, and their labels are taken
from the store. A label never leaves the store on this way, and what was refused stays refused.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from pal_core.store.database import StoreError
from pal_core.store.guarded import is_set_state
from pal_core.store.quarantine import Quarantine
from pal_core.store.tables import pack

__all__ = ["Restart"]

_HELD = (
    "SELECT sample FROM labels UNION SELECT sample FROM quarantine WHERE data IS NOT NULL "
    "UNION SELECT sample FROM quarantine WHERE settled IS NULL"
)


class Restart(Quarantine):
    """What a run needs to go on exactly."""

    # --- sets

    def add_set(self, number: int, state: Mapping[str, Any]) -> None:
        """Make a set of snapshots count, from the next commit on; `state` is stored as JSON."""
        self._write(
            "INSERT OR REPLACE INTO sets VALUES (?, ?, ?, ?)",
            number,
            self.session,
            time.time(),
            json.dumps(dict(state)),
        )

    def last_set(self) -> tuple[int, dict[str, Any]] | None:
        """Number and state of the newest set."""
        sets = self.sets()
        return sets[-1] if sets else None

    def sets(self) -> list[tuple[int, dict[str, Any]]]:
        """All sets, oldest first."""
        rows = self._run("SELECT number, state FROM sets ORDER BY number")
        return [(int(n), self._set_state_of(int(n), text)) for n, text in rows]

    def _set_state_of(self, number: int, text: Any) -> dict[str, Any]:
        state = self._json(text, f"the state of snapshot set {number}")
        if number < 0 or not is_set_state(state):
            raise self.damaged(f"the state of snapshot set {number} isn't what PAL writes")
        return dict(state)

    def drop_sets(self, before: int) -> None:
        """Forget the sets with smaller numbers."""
        self._write("DELETE FROM sets WHERE number < ?", before)

    # --- rewinding

    def rewind(self, sample: int, round: int, waiting: Iterable[int] = ()) -> None:
        """Go back to where `sample` was the next new sample and `round` the last one begun, and commit.

        Samples from there on that wait, are labelled or quarantined become *ahead*; dropped ones without any label
        are deleted. Earlier ones that were `waiting` wait again, whatever became of them. Rounds after `round` are
        deleted, and labels first used by those become unused.
        """
        self._set_state(list(waiting), "waiting")
        self._write(
            "UPDATE samples SET state = 'ahead' WHERE id >= ? AND (state IN ('waiting', 'labelled', 'quarantined') "  # noqa: S608
            f"OR id IN ({_HELD}))",
            sample,
        )
        self._write(
            "DELETE FROM attempts WHERE sample IN (SELECT id FROM samples WHERE id >= ? AND state = 'dropped')", sample
        )
        self._write(
            "DELETE FROM quarantine WHERE sample IN (SELECT id FROM samples WHERE id >= ? AND state = 'dropped')",
            sample,
        )
        self._write("DELETE FROM samples WHERE id >= ? AND state = 'dropped'", sample)
        self._write("DELETE FROM rounds WHERE round > ?", round)
        self._write("UPDATE labels SET round = NULL WHERE round > ?", round)
        self.commit()

    def resume_ahead(self, number: int, sample: Mapping[str, Any]) -> bool:
        """Whether a sample that is proposed again was stored before the rewinding; it waits again then.

        Raises
        ------
        StoreError
            If another sample was stored under this number.
        """
        rows = self._run("SELECT data FROM samples WHERE id = ? AND state = 'ahead'", [number])
        if not rows:
            return False
        if rows[0][0] != pack(self.schemas[0], sample):
            raise StoreError(
                f"the run isn't deterministic: sample {number} differs from the one stored before the restart",
                "is a kernel not seeded, or are threads or hardware others than before? "
                'Go on without exact repetition: run.batching = "ready"',
            )
        self._set_state([number], "waiting")
        return True

    def ahead_label(self, number: int) -> dict[str, Any] | None:
        """A label kept from before the rewinding for a sample that waits again, admitted or not: judge it anew."""
        rows = self._run(
            "SELECT data FROM labels WHERE sample = ?1 UNION ALL "
            "SELECT data FROM quarantine WHERE sample = ?1 AND settled IS NULL AND data IS NOT NULL",
            [number],
        )
        return dict(self._unpacked(self.schemas[1], rows[0])[0]) if rows else None

    def forget_ahead(self) -> int:
        """Settle what is still ahead, at the end of a run or before one that needn't repeat; returns how many.

        A sample with a label becomes labelled again, one that was set aside quarantined; the rest is dropped.
        """
        found = int(self._run("SELECT COUNT(*) FROM samples WHERE state = 'ahead'")[0][0])
        self._write(
            "UPDATE samples SET state = CASE WHEN id IN (SELECT sample FROM labels) THEN 'labelled' "
            "WHEN id IN (SELECT sample FROM quarantine WHERE settled IS NULL) THEN 'quarantined' "
            "ELSE 'dropped' END WHERE state = 'ahead'"
        )
        return found
