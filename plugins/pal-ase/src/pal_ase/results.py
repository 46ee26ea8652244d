"""Files of what walkers have found: structures and their records, job by job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pal_core.kernels import Sample
from pal_core.reading import parse_json, read_plain

from pal_ase.formats.extxyz import format_frame

__all__ = ["Results"]


class Results:
    """``NAME.json``, a list of records with the number of their `job`, and ``NAME.extxyz`` with their frames.

    Both are written anew for every job and renamed, so they are whole at any time. A job that is done again, since its
    walker went back to a snapshot, takes the place of what it had found before; so do those after it.

    Parameters
    ----------
    directory : Path
        Made when something is written.
    walker : int
    """

    def __init__(self, directory: Path, walker: int) -> None:
        self._base = directory / f"walker-{walker:03d}"

    @property
    def records(self) -> list[dict[str, Any]]:
        """All records that are on disk."""
        path = self._base.with_suffix(".json")
        return list(parse_json(read_plain(path))) if path.exists() else []

    def write(
        self, job: int, record: Mapping[str, Any], frames: Iterable[tuple[Sample, Mapping[str, Any]]] = ()
    ) -> None:
        """Keep what a job has found.

        Parameters
        ----------
        job : int
        record : mapping
            Of what JSON knows.
        frames : iterable of (Sample, mapping)
            Structures and what stands in their comment lines.
        """
        self._base.parent.mkdir(parents=True, exist_ok=True)
        earlier = [r for r in self.records if r["job"] < job]
        text = "".join(format_frame(sample, {"pal_job": job, **info}, {}) for sample, info in frames)
        sizes = [int(r["bytes"]) for r in earlier]
        path = self._base.with_suffix(".extxyz")
        kept = path.read_bytes()[: sum(sizes)] if path.exists() else b""
        whole = [*earlier, {"job": job, **record, "bytes": len(text.encode())}]
        _replace(path, kept + text.encode())
        _replace(self._base.with_suffix(".json"), json.dumps(whole, indent=1).encode())


def _replace(path: Path, content: bytes) -> None:
    """Write to another name, then rename."""
    other = path.with_name(path.name + ".new")
    other.write_bytes(content)
    other.replace(path)
