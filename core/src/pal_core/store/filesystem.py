"""What lies under a run directory: SQLite's write-ahead log needs shared memory, which network file systems lack."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from pal_core.store.faults import is_full

__all__ = ["NETWORK", "filesystem_of", "is_network", "wal_obstacle"]

NETWORK = frozenset((
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "dvs", "fhgfs", "gfs2",
    "glusterfs", "gpfs", "lustre", "mmfs", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs",
    "panfs", "prl_fs", "pvfs2", "quobyte", "smb3", "smbfs", "vboxsf", "virtiofs", "wekafs",
))  # fmt: skip
"""File systems that several computers may share, by the name that Linux gives them; all of FUSE counts as well."""
_MOUNTS = Path("/proc/self/mountinfo")
_PROBE = ".pal.sqlite-probe"


def filesystem_of(directory: Path, mounts: Path = _MOUNTS) -> str:
    """Name of the file system under a directory, e.g. ``"ext4"`` or ``"nfs4"``; empty where Linux doesn't say."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    path = directory.resolve()
    best, found = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        # The last of several mounts on one point lies on top.
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), after.split()[0]
    return found


def is_network(name: str) -> bool:
    """Whether other computers may write to a file system of this name."""
    return name in NETWORK or name.startswith("fuse")


def wal_obstacle(directory: Path) -> str:
    """Why a write-ahead log can't be used in a directory; empty if it can."""
    name = filesystem_of(directory)
    if is_network(name):
        return f"{name} is a network file system, and SQLite's write-ahead log needs shared memory"
    if is_full(directory):
        return ""  # a trial would say nothing about the file system
    trial = _trial(directory)
    return f"SQLite's write-ahead log failed in a trial ({trial})" if trial else ""


def _trial(directory: Path) -> str:
    """SQLite takes the setting on some file systems and fails at the first write only, so write."""
    path = directory / _PROBE
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
            db.execute("PRAGMA synchronous = OFF")
            db.execute("CREATE TABLE IF NOT EXISTS trial (x)")
            return "" if mode == "wal" else f"journal mode stays {mode}"
    except sqlite3.Error as error:
        return str(error)
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            path.with_name(_PROBE + end).unlink(missing_ok=True)
