"""Tables of the store and how one sample lies in a blob.

A blob holds one sample: the length of the ragged dimension (uint32, little-endian; 0 without one), then every column
in schema order, little-endian, without gaps. The schemas are in the table ``meta``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from pal_core.data import Batch, Schema

__all__ = ["FORMAT", "TABLES", "digest", "pack", "unpack"]

FORMAT = 2
"""Version of the tables; a store of a newer version is refused, one of an older version upgraded."""

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, started REAL NOT NULL, ended REAL, outcome TEXT, reason TEXT,
    host TEXT NOT NULL, pid INTEGER NOT NULL, settings TEXT NOT NULL, packages TEXT NOT NULL);
CREATE TABLE samples (
    id INTEGER PRIMARY KEY, session INTEGER NOT NULL, time REAL NOT NULL, origin TEXT NOT NULL,
    walker INTEGER NOT NULL, version INTEGER NOT NULL, score REAL,
    state TEXT NOT NULL DEFAULT 'waiting', data BLOB NOT NULL,
    hash BLOB, expected BLOB, forgiven INTEGER NOT NULL DEFAULT 0);
CREATE INDEX samples_by_state ON samples (state);
CREATE INDEX samples_by_hash ON samples (hash);
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY, sample INTEGER NOT NULL REFERENCES samples, number INTEGER NOT NULL, host TEXT NOT NULL,
    time REAL NOT NULL, seconds REAL, failure TEXT, text TEXT, evidence TEXT);
CREATE INDEX attempts_by_sample ON attempts (sample);
CREATE TABLE labels (
    sample INTEGER PRIMARY KEY REFERENCES samples, time REAL NOT NULL, kernel TEXT NOT NULL, package TEXT NOT NULL,
    round INTEGER, data BLOB NOT NULL, level TEXT NOT NULL DEFAULT '');
CREATE TABLE quarantine (
    sample INTEGER PRIMARY KEY REFERENCES samples, time REAL NOT NULL, reason TEXT NOT NULL, data BLOB,
    kernel TEXT NOT NULL DEFAULT '', package TEXT NOT NULL DEFAULT '', level TEXT NOT NULL DEFAULT '', settled TEXT);
CREATE TABLE rounds (
    session INTEGER NOT NULL, round INTEGER NOT NULL, member INTEGER NOT NULL, time REAL NOT NULL,
    version INTEGER NOT NULL, epoch INTEGER NOT NULL, labels INTEGER NOT NULL, metrics TEXT NOT NULL,
    PRIMARY KEY (session, round, member));
CREATE TABLE sets (
    number INTEGER PRIMARY KEY, session INTEGER NOT NULL, time REAL NOT NULL, state TEXT NOT NULL);
CREATE TABLE history (
    time REAL NOT NULL, session INTEGER NOT NULL, steps INTEGER NOT NULL, selected INTEGER NOT NULL,
    labels INTEGER NOT NULL, waiting INTEGER NOT NULL);
CREATE TABLE dropped (
    session INTEGER NOT NULL, why TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (session, why));
CREATE TABLE journal (time REAL NOT NULL, session INTEGER NOT NULL, source TEXT NOT NULL, text TEXT NOT NULL);
"""
"""``samples.state`` is waiting, labelled, quarantined, dropped or ahead; ``samples.origin``, its class, is initial,
bootstrap, active, wanted (by its walker) or audit, or initial audit for what another run has audited. Times are seconds
since 1970; ``history.time`` is as well. Foreign keys are declared for `pal doctor`."""


def digest(blob: bytes) -> bytes:
    """BLAKE2b of a blob, 16 bytes: equal for equal samples."""
    return hashlib.blake2b(blob, digest_size=16).digest()


def pack(schema: Schema, sample: Mapping[str, ArrayLike]) -> bytes:
    """One sample as a blob; the values are as `Batch` keeps them."""
    count = len(np.asarray(sample[_ragged(schema)])) if schema.ragged else 0
    parts = [count.to_bytes(4, "little")]
    for name, field in schema.items():
        value = np.asarray(sample[name])
        parts.append(np.ascontiguousarray(value, np.dtype(field.dtype).newbyteorder("<")).tobytes())
    return b"".join(parts)


def unpack(schema: Schema, blobs: Iterable[bytes]) -> Batch:
    """Many blobs as one batch."""
    samples = []
    for blob in blobs:
        count = int.from_bytes(blob[:4], "little")
        position, sample = 4, {}
        for name, field in schema.items():
            shape = (count, *field.inner) if field.ragged else field.inner
            dtype = np.dtype(field.dtype).newbyteorder("<")
            size = int(np.prod(shape, dtype=np.int64))
            sample[name] = np.frombuffer(blob, dtype, size, position).reshape(shape)
            position += size * dtype.itemsize
        if position != len(blob):
            raise ValueError(f"a stored sample has {len(blob)} bytes, {position} wanted for {schema}")
        samples.append(sample)
    return Batch.from_samples(schema, samples)


def _ragged(schema: Schema) -> str:
    return next(f.name for f in schema.values() if f.ragged)
