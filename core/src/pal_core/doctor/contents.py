"""Contents of samples and labels, which SQLite doesn't check."""

from __future__ import annotations

from pal_core.data import Schema
from pal_core.store.faults import StoreError
from pal_core.store.store import Store
from pal_core.store.tables import digest, unpack

__all__ = ["changed_samples", "forget_lost_schemas", "lost_schemas", "misfits"]

_PLACES = {
    "samples": "SELECT id, data FROM samples",
    "labels": "SELECT sample, data FROM labels",
    "quarantine": "SELECT sample, data FROM quarantine WHERE data IS NOT NULL",
    "expected": "SELECT id, expected FROM samples WHERE expected IS NOT NULL",
}
_SCHEMAS = ("samples", "labels", "expected")


def changed_samples(store: Store) -> list[int]:
    """Samples whose content doesn't agree with its hash, or with the schema."""
    by_hash = {int(n) for n, data, found in store._run("SELECT id, data, hash FROM samples") if found != digest(data)}
    return sorted(by_hash.union(misfits(store, "samples")))


def misfits(store: Store, place: str) -> list[int]:
    """Samples of which a stored content hasn't the form of its schema.

    Parameters
    ----------
    store : Store
    place : str
        ``"samples"``, ``"labels"``, ``"quarantine"`` (refused labels) or ``"expected"``.
    """
    key = {"quarantine": "labels"}.get(place, place)
    if place != "expected" and key in lost_schemas(store):
        return []
    schema = _schema(store, key)
    return [int(number) for number, data in store._run(_PLACES[place]) if not _fits(schema, data)]


def lost_schemas(store: Store) -> list[str]:
    """Schemas of samples and labels that are missing although there are such."""
    return [
        name
        for name in ("samples", "labels")
        if store.meta(name) is None and store._run(f"SELECT 1 FROM {name} LIMIT 1")  # noqa: S608
    ]


def forget_lost_schemas(store: Store) -> list[str]:
    """Forget schemas that can't be read, or that hardly any content fits: the next run writes them anew.

    Returns
    -------
    list of str
        What is to be told.
    """
    lost = [name for name in _SCHEMAS if store.meta(name) is not None and _is_lost(store, name)]
    if {"samples", "labels"}.intersection(lost) or lost_schemas(store):
        lost = ["samples", "labels", *({"expected"}.intersection(lost))]  # a run writes these two together
    for name in lost:
        store._write("DELETE FROM meta WHERE key = ?", name)
    store.__dict__.pop("schemas", None)
    store.__dict__.pop("expected_schema", None)
    told = "the schemas of samples and labels, which the next pal run writes again"
    return [told] if "samples" in lost else []


def _is_lost(store: Store, name: str) -> bool:
    try:
        schema = _schema(store, name)
    except StoreError:
        return True
    contents = store._run(_PLACES[name])
    return sum(not _fits(schema, data) for _, data in contents) > len(contents) / 2


def _schema(store: Store, name: str) -> Schema:
    return store.expected_schema if name == "expected" else store._schema(name)


def _fits(schema: Schema, data: bytes) -> bool:
    try:
        unpack(schema, [data])
    except (TypeError, ValueError):
        return False
    return True
