"""Compares run directories bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors.numpy import load_file

from pal_core.store.store import Store

__all__ = ["differences"]

Arrays = dict[str, NDArray[Any]]

_TABLES = {
    "samples": "SELECT id, origin, walker, version, score, state, data, expected FROM samples ORDER BY id",
    "labels": "SELECT sample, kernel, package, round, data, level FROM labels ORDER BY sample",
    "quarantine": "SELECT sample, reason, data, settled FROM quarantine ORDER BY sample",
    "rounds": "SELECT round, member, version, epoch, labels, metrics FROM rounds ORDER BY round, member",
}


def differences(one: Path, other: Path) -> list[str]:
    """How two runs differ, apart from times, sessions, attempts and the journal.

    A deterministic run (``run.schedule = "serial"``, ``run.batching = "all"``) that was interrupted, however often,
    must not differ from the uninterrupted one: neither in samples, labels and rounds, nor in the weights of any round
    on disk, nor in the states of walkers and members in the last snapshot set.

    Parameters
    ----------
    one, other : Path
        Run directories.

    Returns
    -------
    list of str
        One sentence each; none for equal runs.
    """
    return [*_rows(one, other), *_files(one, other, "models"), *_files(one, other, _last_set(one), _last_set(other))]


def _rows(one: Path, other: Path) -> Iterator[str]:
    stores = [Store(one), Store(other)]
    try:
        for table, sql in _TABLES.items():
            first, second = (store._run(sql) for store in stores)
            if len(first) != len(second):
                yield f"{table}: {len(first)} rows against {len(second)}"
            for a, b in zip(first, second, strict=False):
                if a != b:
                    yield f"{table}: {_short(a)} against {_short(b)}"
                    break
    finally:
        for store in stores:
            store.close()


def _short(row: tuple[object, ...]) -> str:
    return ", ".join(f"<{hash(v) & 0xFFFFFF:06x}>" if isinstance(v, bytes) else repr(v) for v in row)


def _last_set(directory: Path) -> str:
    store = Store(directory)
    try:
        last = store.last_set()
    finally:
        store.close()
    return f"snapshots/{last[0]:06d}" if last else "snapshots/none"


def _files(one: Path, other: Path, folder: str, folder_of_other: str = "") -> Iterator[str]:
    """Arrays, not bytes: safetensors writes its header in any order."""
    names = [
        {str(p.relative_to(d / f)) for p in (d / f).rglob("[!.]*.safetensors")}
        for d, f in ((one, folder), (other, folder_of_other or folder))
    ]
    for name in sorted(names[0] ^ names[1]):
        yield f"{folder}/{name} is in one of the runs only"
    for name in sorted(names[0] & names[1]):
        first, second = load_file(one / folder / name), load_file(other / (folder_of_other or folder) / name)
        differing = [k for k in sorted(first.keys() | second.keys()) if not _same(first, second, k)]
        if differing:
            yield f"{folder}/{name}: {', '.join(differing[:5])}"


def _same(first: Arrays, second: Arrays, key: str) -> bool:
    a, b = first.get(key), second.get(key)
    return a is not None and b is not None and (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()
