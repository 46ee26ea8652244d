"""Snapshot sets on disk: one folder per set, one file per host, each with the states of all its kernels.

A set counts once the manager has committed it in the store. Until then, and if it is never completed, the run would go
on from the set before.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from pal_core.errors import PalError
from pal_core.reading import parse_json, refuse_other_than_file
from pal_core.runtime.checkpoint import save_state, set_directories, set_directory

__all__ = ["Saver", "SetReader", "remove_sets", "write_part"]

WAIT_LIMIT = 20.0
"""Seconds that a host waits for the disk where it can't go on: a dead file server must not hold everybody up."""
_NOTES = "notes"
_log = logging.getLogger("pal.snapshots")

States = Mapping[str, Mapping[str, NDArray[Any]]]
"""State of each kernel, under a name as ``"walker/3"``, ``"member/0"``, ``"selection/0"`` or ``"checks/0"``."""
Notes = Mapping[str, Mapping[str, Any]]
"""Plain values that belong to a state, under the same name."""


def _file(host: str) -> str:
    return f"{host.replace('/', '-')}.safetensors"


def write_part(directory: Path, number: int, host: str, states: States, notes: Notes) -> None:
    """Write a host's part of a set, whole or not at all.

    Raises
    ------
    OSError
        If it can't be written.
    """
    arrays = {f"{kernel}/{name}": np.asarray(a) for kernel, state in states.items() for name, a in state.items()}
    save_state(set_directory(directory, number) / _file(host), arrays, {_NOTES: json.dumps(notes)})


def remove_sets(directory: Path, keep: tuple[int, ...]) -> None:
    """Remove the folders of all other sets; what can't be removed stays."""
    for number, folder in set_directories(directory).items():
        if number not in keep:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Part:
    """A part that is being written."""

    number: int
    thread: threading.Thread | None = None
    error: str = ""


class Saver:
    """Writes parts of sets in a thread: synchronising a disk may take long, and the host has work to do."""

    def __init__(self, directory: Path, host: str) -> None:
        self._directory = directory
        self._host = host
        self._part: _Part | None = None

    def start(self, number: int, states: States, notes: Notes) -> None:
        """Begin to write, after an earlier part that is still being written, or without it if that takes too long."""
        if self._part is not None and self._part.thread is not None:
            self._part.thread.join(WAIT_LIMIT)
        part = _Part(number)
        part.thread = threading.Thread(target=self._write, args=(part, states, notes), daemon=True)
        self._part = part
        part.thread.start()

    def _write(self, part: _Part, states: States, notes: Notes) -> None:
        try:
            if states or notes:
                write_part(self._directory, part.number, self._host, states, notes)
        except Exception as error:  # any: told to the manager, which abandons the set
            _log.warning("part of snapshot set %d can't be written", part.number, exc_info=True)
            part.error = f"{type(error).__name__}: {error}"

    def finished(self, wait: bool = False) -> tuple[int, str] | None:
        """Number of the set whose part has been written, and why it has not; None while there is no news.

        With `wait` there is news after `WAIT_LIMIT` seconds at the latest, if a part has been begun.
        """
        part = self._part
        if part is None or part.thread is None:
            return None
        if wait:
            part.thread.join(WAIT_LIMIT)
        if part.thread.is_alive():
            if not wait:
                return None
            part.error = f"it wasn't written within {WAIT_LIMIT:g} s"
        self._part = None
        return part.number, part.error


class SetReader:
    """States of a committed set; any rank finds those of its own kernels, whatever ranks wrote them.

    Parameters
    ----------
    directory : Path
        The run directory.
    number : int
        0 for no set: then nothing is found.

    Raises
    ------
    PalError
        If a file of the set can't be read.
    """

    def __init__(self, directory: Path, number: int) -> None:
        self.number = number
        self._places: dict[str, tuple[Path, list[str]]] = {}
        self._notes: dict[str, dict[str, Any]] = {}
        files = sorted(set_directory(directory, number).glob("[!.]*.safetensors")) if number else []
        for path in files:
            self._index(path)

    def _index(self, path: Path) -> None:
        try:
            refuse_other_than_file(path)
            with safe_open(path, framework="numpy") as file:
                for key in file.keys():  # noqa: SIM118 - no mapping
                    kernel = "/".join(key.split("/")[:2])
                    self._places.setdefault(kernel, (path, []))[1].append(key)
                notes = {k: dict(n) for k, n in parse_json((file.metadata() or {}).get(_NOTES, "{}")).items()}
        except Exception as error:
            raise PalError(f"{path} can't be read: {error}", f"see: pal doctor {path.parents[2]}") from error
        self._notes |= notes

    @property
    def kernels(self) -> frozenset[str]:
        """Names of all states, and of walkers that were disabled, of which nothing more need be known."""
        return frozenset(self._places) | {k for k, note in self._notes.items() if note.get("disabled")}

    def state(self, kernel: str) -> dict[str, NDArray[Any]] | None:
        """State of a kernel, None if the set has none."""
        if kernel not in self._places:
            return None
        path, keys = self._places[kernel]
        with safe_open(path, framework="numpy") as file:
            return {k.removeprefix(f"{kernel}/"): file.get_tensor(k) for k in keys}

    def notes(self, kernel: str) -> dict[str, Any]:
        """Plain values that were kept with a state."""
        return self._notes.get(kernel, {})
