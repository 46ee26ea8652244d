"""The store of a run: one SQLite file, one writer.

Everything is written ahead: the manager commits what a message brought before it sends anything that follows from it.
"""

from __future__ import annotations

from pal_core.store.database import FILE_NAME
from pal_core.store.faults import StoreError
from pal_core.store.restart import Restart
from pal_core.store.runs import Runs
from pal_core.store.samples import StoredSample

__all__ = ["FILE_NAME", "Store", "StoreError", "StoredSample"]


class Store(Restart, Runs):
    """Samples, labels and history of a run.

    Parameters and errors are those of `Database`. Methods that change something take part in the transaction that
    ends with the next `commit`; those that commit themselves say so.
    """
