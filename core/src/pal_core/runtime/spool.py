"""Labels on their way: written down where they are made, until the manager has stored them.

A label may have cost hours. Between its end and the manager's commit any process may die; what lies here then is taken
in when the run goes on, instead of being computed again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from pal_core import messages as m
from pal_core.proc import is_alive
from pal_core.reading import read_plain
from pal_core.transport.wire import Wire, WireError

__all__ = ["DEAR", "FOLDER", "Spool"]

FOLDER = "spool"
DEAR = 1.0
"""Seconds that a label must have taken to be worth the wait for the disk; others survive all but a power cut."""
_LARGEST = 1 << 32
_UNFINISHED = re.compile(r"\.\d+-\d+\.label\.(\d{1,9})", re.ASCII)
_log = logging.getLogger("pal.spool")


class Spool:
    """Files of labels in a run directory, named by sample and attempt.

    Parameters
    ----------
    directory : Path
        The run directory.
    level : str
        Digest of the level of theory; labels of other levels are not seen.
    wire : Wire
        Knows the schema of labels.
    """

    def __init__(self, directory: Path, level: str, wire: Wire) -> None:
        self._folder = directory / FOLDER / level
        self._wire = wire

    def _file(self, request: int, attempt: int) -> Path:
        return self._folder / f"{request}-{attempt}.label"

    def write(self, host: str, label: m.Labelled) -> None:
        """Write a label down; if that fails it still travels as a message."""
        path = self._file(label.request, label.attempt)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(self._wire.encode("manager", host, label))
                if label.seconds >= DEAR:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
            if label.seconds >= DEAR:
                # A new name, too, must be on the disk; the folders above may be as new.
                for folder in (self._folder, *list(self._folder.parents)[:2]):
                    _synchronise(folder)
        except OSError:
            _log.warning("the label of sample %d can't be spooled", label.request, exc_info=True)
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def labels(self, request: int | None = None) -> Iterator[tuple[str, m.Labelled]]:
        """Hosts and their labels that lie here, all of them or those of one sample.

        Unreadable files are removed, and where all are asked for, what processes of this machine were writing when they
        died.
        """
        if request is None:
            self._remove_unfinished()
        for path in sorted(self._folder.glob("*.label" if request is None else f"{request}-*.label")):
            try:
                _, host, message = self._wire.decode(bytearray(read_plain(path, _LARGEST)))
            except (OSError, WireError):
                _log.warning("%s can't be read and is removed", path, exc_info=True)
                with contextlib.suppress(OSError):  # a folder
                    path.unlink(missing_ok=True)
                continue
            if isinstance(message, m.Labelled) and path == self._file(message.request, message.attempt):
                yield host, message

    def _remove_unfinished(self) -> None:
        for path in self._folder.glob(".*"):
            found = _UNFINISHED.fullmatch(path.name)
            if found is not None and not is_alive(int(found[1])):
                with contextlib.suppress(OSError):  # a folder
                    path.unlink(missing_ok=True)

    def remove(self, request: int, attempt: int) -> None:
        """Forget a label that is stored."""
        with contextlib.suppress(OSError):
            self._file(request, attempt).unlink(missing_ok=True)


def _synchronise(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
