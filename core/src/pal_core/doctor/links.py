"""Looks for links that lead out of the run directory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pal_core.doctor.findings import Finding, problem
from pal_core.store.links import links_out
from pal_core.store.lock import Lock

__all__ = ["look_at_links"]


def look_at_links(directory: Path) -> Iterator[Finding]:
    """What PAL would write through such a link lands elsewhere; removing a link leaves what it leads to."""
    for path in links_out(directory):
        name = path.relative_to(directory)
        text = f"{name} is a link that leads out of the run directory, to {path.readlink()}"
        yield problem("links", text, "remove the link: pal doctor --repair", partial(_remove, path))


def _remove(path: Path, lock: Lock) -> str:
    if path.is_symlink():
        path.unlink()
    return "the link was removed"
