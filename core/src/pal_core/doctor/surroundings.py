"""Looks at what a run needs besides its own files: installed packages and room on the disk."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pal_core.doctor.findings import Finding, note, ok, problem
from pal_core.store.faults import StoreError, is_full
from pal_core.store.store import Store

__all__ = ["look_at_disk", "look_at_packages"]

_ROOM = 200e6


def look_at_packages(directory: Path) -> list[Finding]:
    """Packages of the last session against those installed."""
    try:
        store = Store(directory)
    except StoreError:
        return []
    try:
        sessions = store.sessions()
    finally:
        store.close()
    packages: dict[str, str] = sessions[-1]["packages"] if sessions else {}
    used = {name: wanted for name, wanted in packages.items() if wanted}  # kernels of no package have no version
    found = [f for name, wanted in sorted(used.items()) if (f := _look_at_package(name, wanted)) is not None]
    if used and not found:
        found = [ok("packages", "as in the last session: " + ", ".join(f"{n} {v}" for n, v in sorted(used.items())))]
    return found


def _look_at_package(name: str, wanted: str) -> Finding | None:
    try:
        there = version(name)
    except PackageNotFoundError:
        text = f"{name} {wanted}, used by the last session, isn't installed"
        return problem("packages", text, f"pip install {name}=={wanted}")
    if there == wanted:
        return None
    text = f"{name} {there} is installed, the last session used {wanted}"
    return note("packages", text, f"for exactly the same: pip install {name}=={wanted}")


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
