"""Rows of pages that can't be reached any more, since a page that leads to them is damaged.

Each such page is put where its table begins, in a copy of the file; SQLite then takes it for the whole table.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from pal_core.store.database import connect

__all__ = ["WANTED", "leaf_pages", "shown_as"]

WANTED = {"samples": 12, "labels": 7}
"""Tables that matter, with their columns; no other table has as many."""
_PAGE = 4096
_LEAF = 13
_LOOKED_AT = 8


def leaf_pages(path: Path, columns: int) -> Iterator[bytes]:
    """Pages with rows of so many columns; see "B-tree Pages" in SQLite's description of its file format."""
    with path.open("rb") as file:
        while len(page := file.read(_PAGE)) == _PAGE:
            if page[0] == _LEAF and any(_columns(page, i) == columns for i in range(_LOOKED_AT)):
                yield page


@contextlib.contextmanager
def shown_as(copy: Path, table: str, page: bytes) -> Iterator[sqlite3.Connection]:
    """The copy of a database, with this page as the whole of a table."""
    with contextlib.closing(connect(copy, "mode=ro&immutable=1")) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [table]).fetchone()
    with copy.open("r+b") as file:
        file.seek((int(root) - 1) * _PAGE)
        file.write(page)
    with contextlib.closing(connect(copy, "mode=ro&immutable=1")) as db:
        db.execute("PRAGMA cell_size_check = OFF")
        db.text_factory = lambda text: text.decode("utf-8", "replace")
        yield db


def _columns(page: bytes, number: int) -> int:
    """Columns of a page's row, counted in its header; 0 if there is no such row."""
    try:
        if number >= int.from_bytes(page[3:5], "big"):
            return 0
        at = int.from_bytes(page[8 + 2 * number : 10 + 2 * number], "big")
        _, at = _number(page, at)  # size
        _, start = _number(page, at)  # number of the row
        size, at = _number(page, start)
        count = 0
        while at < start + size:
            _, at = _number(page, at)
            count += 1
    except IndexError:
        return 0
    return count


def _number(page: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    value = 0
    for i in range(8):
        value = value << 7 | page[at + i] & 0x7F
        if page[at + i] < 0x80:
            return value, at + i + 1
    return value << 8 | page[at + 8], at + 9
