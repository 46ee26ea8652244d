"""Makes snapshot sets count: the manager's own part, and the row in the store."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pal_core.runtime.checkpoint import set_directory
from pal_core.runtime.checks import CheckRaised
from pal_core.runtime.host import Setup
from pal_core.runtime.labels import LabelDesk
from pal_core.runtime.snapshots import Saver, remove_sets
from pal_core.store.store import Store

__all__ = ["Committing"]

_SETS_KEPT = 2


class Committing:
    """Writes what the label checks remember, and commits sets of which every part is on disk.

    Parameters
    ----------
    setup : Setup
    store : Store
    desk : LabelDesk
    address : str
        The manager's.
    """

    def __init__(self, setup: Setup, store: Store, desk: LabelDesk, address: str) -> None:
        self._directory = setup.directory
        self._store = store
        self._desk = desk
        self._saver = Saver(setup.directory, address)
        self._asked = 0.0

    def begin(self, number: int) -> None:
        """Let be written what the checks remember now; of later labels they will be told again.

        Raises
        ------
        CheckRaised
            If a check can't say what it remembers.
        """
        self._asked = time.time()
        self._saver.start(number, self._desk.snapshot_part(), {})

    def commit(self, number: int, state: Mapping[str, Any]) -> None:
        """Make a set count, with the state of the machine that belongs to it; the one before is kept too."""
        error = self._own_part(number)
        if error:
            self._store.note("manager", f"snapshot set {number} is given up: {error}")
            return
        files = sorted(p.name for p in set_directory(self._directory, number).glob("[!.]*"))
        own = {"sample": self._desk.next_sample, "session": self._store.session, "files": files, "time": self._asked}
        self._store.add_set(number, {**state, **own})
        kept = tuple(n for n, _ in self._store.sets()[-_SETS_KEPT:])
        self._store.drop_sets(kept[0])
        self._store.commit()
        remove_sets(self._directory, kept)

    def _own_part(self, number: int) -> str:
        """See that what the checks remember is written; why it isn't, or nothing."""
        try:
            news = self._saver.finished(wait=True)
            if news is None or news[0] != number:  # the last set, which nobody was asked for before
                self.begin(number)
                news = self._saver.finished(wait=True)
        except CheckRaised as error:
            return error.message.what
        return news[1] if news is not None else "it wasn't written"
