"""Which snapshot set a run goes on from."""

from __future__ import annotations

import logging
from pathlib import Path

from pal_core.errors import PalError
from pal_core.runtime.snapshots import SetReader
from pal_core.store.store import FILE_NAME, Store, StoreError

__all__ = ["newest_set"]

_log = logging.getLogger("pal.snapshots")


def newest_set(directory: Path) -> int:
    """Number of the newest committed set that can be read, 0 if there is none.

    Of the two sets that are kept the older one serves where the newer is damaged.
    """
    if not (directory / FILE_NAME).exists():
        return 0
    try:
        store = Store(directory)
    except StoreError:
        return 0  # the writer will say what is wrong
    try:
        numbers = [number for number, _ in store.sets()]
    finally:
        store.close()
    for number in reversed(numbers):
        try:
            SetReader(directory, number)
        except PalError as error:
            _log.warning("%s", error)
        else:
            return number
    return 0
