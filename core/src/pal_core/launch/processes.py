"""Processes of this machine: whether one lives, and all that descend from a launcher.

A process group isn't enough to find what a launcher has started: Open MPI's ranks are in groups of their own, those of
MPICH in sessions of their own, and so are oracles. What all have inherited is the environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pal_core.errors import PalError
from pal_core.launch.names import TOKEN_VARIABLE
from pal_core.proc import is_alive, started_at
from pal_core.reading import parse_json, read_plain

__all__ = ["LAUNCHER_FILE", "Owner", "end_descendants", "living_descendants", "living_ranks"]

LAUNCHER_FILE = "launcher.json"
"""In the run directory while `pal run` has ranks: whose they are."""
_PROC = Path("/proc")
_LOOK_EVERY = 0.05
_WORKER = b"pal_core.worker"
_TOKEN = re.compile(r"[0-9a-f]{24}")


def living_descendants(token: str) -> list[int]:
    """Processes of this user and machine that have inherited a launcher's token; none where there is no ``/proc``."""
    mark = f"{TOKEN_VARIABLE}={token}".encode()
    found = []
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        with contextlib.suppress(OSError):
            if (
                entry.name.isdigit()
                and entry.stat().st_uid == os.geteuid()
                and mark in (entry / "environ").read_bytes().split(b"\0")
                and is_alive(int(entry.name))
            ):
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


def living_ranks(token: str) -> list[int]:
    """Those of the living descendants that are ranks of a run."""
    found = []
    for pid in living_descendants(token):
        with contextlib.suppress(OSError):
            words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
            if _WORKER in words and os.path.basename(words[0]).startswith(b"python"):  # noqa: PTH119 - bytes
                found.append(pid)
    return found


def end_descendants(token: str, patience: float = 0.0, limit: float = 10.0) -> int:
    """Wait for descendants to end by themselves, then kill those that live, and theirs, until there are none.

    Parameters
    ----------
    patience : float
        Seconds that they are left.
    limit : float
        Seconds to wait for killed ones: a process that hangs in the kernel (a dead file server) doesn't go.

    Returns
    -------
    int
        How many were killed.
    """
    begin, killed = time.monotonic(), set[int]()
    while (left := living_descendants(token)) and time.monotonic() - begin < patience + limit:
        if time.monotonic() - begin >= patience:
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
        time.sleep(_LOOK_EVERY)
    return len(killed)


@dataclass(frozen=True)
class Owner:
    """The `pal run` to which the ranks of a directory belong.

    Parameters
    ----------
    host : str
    pid : int
    started : str
        See `started_at`.
    token : str
        What its descendants are known by.
    """

    host: str
    pid: int
    started: str
    token: str

    @classmethod
    def me(cls, token: str) -> Owner:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), started_at(os.getpid()), token)

    @classmethod
    def of(cls, directory: Path) -> Owner | None:
        """The last one that has not signed off from a directory."""
        try:
            owner = cls(**parse_json(read_plain(directory / LAUNCHER_FILE)))
        except (OSError, ValueError, TypeError):
            return None
        return owner if owner._is_sound() else None

    def _is_sound(self) -> bool:
        """Whether a record could be a launcher's: what is read decides which processes are ended."""
        texts = isinstance(self.host, str) and isinstance(self.started, str) and isinstance(self.token, str)
        return texts and type(self.pid) is int and self.pid > 1 and _TOKEN.fullmatch(self.token) is not None

    def sign(self, directory: Path) -> None:
        """Write this owner down, unless another one is alive.

        Raises
        ------
        PalError
            If the ranks of the directory belong to another `pal run` that isn't known to have died.
        """
        temporary = directory / f".{LAUNCHER_FILE}.{self.pid}"
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        try:
            existed, other = (directory / LAUNCHER_FILE).exists(), self.of(directory)
            if other is not None and other != self and not other.is_dead and other.host == self.host:
                raise PalError(
                    f"{directory} is in use by another pal run (process {other.pid} on {other.host})",
                    f"stop that one first: pal stop {directory}",
                )
            if existed and other != self:
                (directory / LAUNCHER_FILE).unlink(missing_ok=True)
            os.link(temporary, directory / LAUNCHER_FILE)  # of two that start at once only one comes this far
        except FileExistsError as error:
            raise PalError(f"{directory} is in use by another pal run that has just begun", "wait for it") from error
        except OSError:
            temporary.replace(directory / LAUNCHER_FILE)  # a file system without hard links
        finally:
            temporary.unlink(missing_ok=True)

    def sign_off(self, directory: Path) -> None:
        """Remove what `sign` has written, if it is still there."""
        if self.of(directory) == self:
            (directory / LAUNCHER_FILE).unlink(missing_ok=True)

    @property
    def is_dead(self) -> bool:
        """Whether it is known to have died; of another machine's nothing is known."""
        return self.host == socket.gethostname() and not is_alive(self.pid, self.started)
