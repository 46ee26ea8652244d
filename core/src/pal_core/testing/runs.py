"""Compares run directories bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors.numpy import load_file

from pal_core.runtime.checkpoint import set_directory
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
    return [*_rows(one, other), *_weights(one, other), *_states(one, other)]


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


def _weights(one: Path, other: Path) -> Iterator[str]:
    first, second = ({str(p.relative_to(d)) for p in d.glob("models/*/[!.]*.safetensors")} for d in (one, other))
    for name in sorted(first ^ second):
        yield f"{name} is in one of the runs only"
    for name in sorted(first & second):
        yield from _arrays(name, load_file(one / name), load_file(other / name))


def _states(one: Path, other: Path) -> Iterator[str]:
    """Of the last sets, whatever ranks have written them."""
    yield from _arrays(
        "snapshots", *({k: a for f in _last_set(d) for k, a in load_file(f).items()} for d in (one, other))
    )


def _last_set(directory: Path) -> list[Path]:
    store = Store(directory)
    try:
        last = store.last_set()
    finally:
        store.close()
    return sorted(set_directory(directory, last[0]).glob("[!.]*.safetensors")) if last else []


def _arrays(where: str, first: Arrays, second: Arrays) -> Iterator[str]:
    """Arrays, not files: safetensors writes its header in any order."""
    differing = [k for k in sorted(first.keys() | second.keys()) if not _same(first.get(k), second.get(k))]
    if differing:
        yield f"{where}: {', '.join(differing[:5])}"


def _same(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    return a is not None and b is not None and (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()
