"""Looks at what a run needs besides its own files: installed packages and room on the disk."""

from __future__ import annotations

import contextlib
import os
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pal_core.doctor.findings import Finding, note, ok, problem
from pal_core.plugins.targets import FILE_DIGEST, file_version
from pal_core.store.faults import StoreError, is_full
from pal_core.store.store import Store

__all__ = ["look_at_disk", "look_at_packages"]

_ROOM = 200e6


def look_at_packages(directory: Path) -> list[Finding]:
    """Packages of the last session against those installed."""
    sessions: list[dict[str, Any]] = []  # of a damaged store, which is told of elsewhere
    with contextlib.suppress(StoreError), contextlib.closing(Store(directory)) as store:
        sessions = store.sessions()
    packages = sessions[-1]["packages"] if sessions else {}
    named = packages.items() if isinstance(packages, dict) else ()
    # Kernels of no package have no version.
    used = {name: wanted for name, wanted in named if isinstance(wanted, str) and wanted}
    found = [f for name, wanted in sorted(used.items()) if (f := _look_at_package(name, wanted)) is not None]
    if used and not found:
        found = [ok("packages", "as in the last session: " + ", ".join(f"{n} {v}" for n, v in sorted(used.items())))]
    return found


def _look_at_package(name: str, wanted: str) -> Finding | None:
    if wanted.startswith(FILE_DIGEST):
        return _look_at_kernel_file(Path(name), wanted)
    try:
        there = version(name)
    except PackageNotFoundError:
        text = f"{name} {wanted}, used by the last session, isn't installed"
        return problem("packages", text, f"pip install {name}=={wanted}")
    if there == wanted:
        return None
    text = f"{name} {there} is installed, the last session used {wanted}"
    return note("packages", text, f"for exactly the same: pip install {name}=={wanted}")


def _look_at_kernel_file(path: Path, wanted: str) -> Finding | None:
    """A kernel's file against its digest, see `PluginHost.provenance`."""
    try:
        there = file_version(path)
    except OSError as error:
        text = f"the kernel's file {path}, used by the last session, can't be read: {error.strerror}"
        return problem("packages", text, "put it back, or name another in the settings")
    if there == wanted:
        return None
    text = f"the kernel's file {path} has changed since the last session"
    return note("packages", text, "put it back, or go on all the same: pal run --accept-changes")


def look_at_disk(directory: Path) -> list[Finding]:
    """Room for more."""
    free = shutil.disk_usage(directory).free
    inodes = os.statvfs(directory)
    if is_full(directory):
        return [problem("disk", f"the disk of {directory} is full", "make room, then pal run goes on")]
    if inodes.f_files and not inodes.f_favail:
        return [problem("disk", f"the disk of {directory} takes no more files", "remove some, then pal run goes on")]
    if free < _ROOM:
        return [note("disk", f"{free / 1e6:.0f} MB are free", "make room: a full disk stops the run")]
    return [ok("disk", f"{free / 1e9:.1f} GB are free")]
