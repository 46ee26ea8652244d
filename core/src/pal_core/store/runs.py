"""Sessions, training rounds, history and journal of a run."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pal_core.store.database import Database

__all__ = ["Runs"]


class Runs(Database):
    """How the run went."""

    # --- sessions

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
        for text in self.notes:
            self.note("store", text)
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
        rows = self._records("SELECT id, started, ended, outcome, reason, host, pid, settings, packages FROM sessions")
        return [{**row, "packages": self._json(row["packages"], f"session {row['id']}")} for row in rows]

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
        return [{**row, "metrics": self._json(row["metrics"], f"round {row['round']}")} for row in rows]

    def rounds_done(self, members: int) -> int:
        """Rounds that all of so many members have ended."""
        sql = "SELECT COUNT(*) FROM (SELECT 1 FROM rounds GROUP BY session, round HAVING COUNT(*) = ?)"
        return int(self._run(sql, (members,))[0][0])

    def add_history(self, steps: int, selected: int, labels: int, waiting: int) -> None:
        """Store a point of the run's history; `steps` and `selected` count from the run's start."""
        self._write(
            "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?)", time.time(), self.session, steps, selected, labels, waiting
        )

    def history(self) -> NDArray[np.float64]:
        """Columns time, session, steps, selected, labels, waiting; shape (n, 6)."""
        rows = self._run("SELECT * FROM history ORDER BY time")
        return np.array(rows, np.float64).reshape(len(rows), 6)

    def steps(self) -> int:
        """Samples predicted in all sessions together, as of the newest point of the history."""
        return self._newest("steps")

    def selected(self) -> int:
        """Samples selected in all sessions together, as of the newest point of the history."""
        return self._newest("selected")

    def _newest(self, column: str) -> int:
        # The column's name is ours.
        rows = self._run(f"SELECT {column} FROM history ORDER BY rowid DESC LIMIT 1")  # noqa: S608
        return int(rows[0][0]) if rows else 0

    def note(self, source: str, text: str) -> None:
        """Add a sentence to the journal."""
        self._write("INSERT INTO journal VALUES (?, ?, ?, ?)", time.time(), self.session, source, text)

    def journal(
        self, last: int = 20, *, source: str = "", walkers: bool = True, traces: bool = True
    ) -> list[dict[str, Any]]:
        """The last entries of the journal, oldest first.

        Parameters
        ----------
        last : int
            How many at most.
        source : str
            Only of sources whose name holds this text.
        walkers, traces : bool
            With what the walkers' kernels note, and with tracebacks.
        """
        return self._records(
            "SELECT time, source, text FROM journal WHERE instr(lower(source), lower(:source)) > 0 "
            "AND (:walkers OR source NOT GLOB 'generator [0-9]*') "
            "AND (:traces OR text NOT LIKE 'Traceback (most recent call last)%') "
            "ORDER BY rowid DESC LIMIT :last",
            {"last": last, "source": source, "walkers": walkers, "traces": traces},
        )[::-1]
