"""Batches: many samples as a handful of contiguous columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pal_core.data.schema import Field, Schema, SchemaError

__all__ = ["Batch"]

Array = NDArray[Any]


class Batch:
    """Samples of one schema, column by column.

    A fixed-size column has shape ``(n, *inner)``. A ragged one is the concatenation of
    all samples' values, shape ``(offsets[-1], *inner)``; sample ``i`` owns rows
    ``offsets[i]:offsets[i + 1]`` of every ragged column.

    Parameters
    ----------
    schema : Schema
    columns : mapping of str to array_like
        One entry per field. Converted to the field's dtype (safely), native byte
        order and C order; nothing is copied where that already holds.
    offsets : array_like of int, shape (n + 1,), optional
        Needed if, and only if, the schema is ragged.
    size : int, optional
        Number of samples; needed only for a schema without fields.

    Raises
    ------
    SchemaError
        If a column is missing, superfluous, or has another type, shape or length.
    """

    __slots__ = ("columns", "offsets", "schema", "size")

    def __init__(
        self,
        schema: Schema,
        columns: Mapping[str, ArrayLike],
        offsets: ArrayLike | None = None,
        size: int | None = None,
    ) -> None:
        if columns.keys() != schema.keys():
            raise SchemaError(f"columns {sorted(columns)} given, {sorted(schema)} wanted")
        if (offsets is None) != (schema.ragged is None):
            raise SchemaError(f"offsets are {'missing' if offsets is None else 'not wanted'} for {schema}")
        self.schema = schema
        self.offsets: NDArray[np.int64] | None = None if offsets is None else _checked_offsets(offsets)
        self.columns: dict[str, Array] = {n: _converted(f, columns[n]) for n, f in schema.items()}
        self.size = self._find_size(size)
        for name, field in schema.items():
            want = (self.rows(field), *field.inner)
            if self.columns[name].shape != want:
                raise SchemaError(f"column {name!r} has shape {self.columns[name].shape}, {want} wanted")

    def _find_size(self, size: int | None) -> int:
        if self.offsets is not None:
            found = len(self.offsets) - 1
        else:
            sizes = {len(c) for c in self.columns.values() if c.ndim}
            found = sizes.pop() if sizes else (size or 0)
        if size is not None and size != found:
            raise SchemaError(f"{size} samples announced, {found} found")
        return found

    def rows(self, field: Field) -> int:
        """Length of the first axis of `field`'s column."""
        return int(self.offsets[-1]) if field.ragged and self.offsets is not None else self.size

    @classmethod
    def empty(cls, schema: Schema) -> Batch:
        """A batch without samples."""
        columns = {n: np.empty((0, *f.inner), f.dtype) for n, f in schema.items()}
        return cls(schema, columns, np.zeros(1, np.int64) if schema.ragged else None, size=0)

    @classmethod
    def from_samples(cls, schema: Schema, samples: Iterable[Mapping[str, ArrayLike]]) -> Batch:
        """Stack single samples; each maps field names to values of the field's shape.

        Raises
        ------
        SchemaError
            If a sample lacks a field, or a value has another shape; says which sample.
        """
        samples = list(samples)
        if not samples:
            return cls.empty(schema)
        parts: dict[str, list[Array]] = {name: [] for name in schema}
        counts = np.zeros(len(samples), np.int64)
        for i, sample in enumerate(samples):
            counts[i] = _append_sample(schema, sample, parts, i)
        columns = {n: np.concatenate(p) if schema[n].ragged else np.stack(p) for n, p in parts.items()}
        offsets = np.concatenate([[0], np.cumsum(counts)]) if schema.ragged else None
        return cls(schema, columns, offsets, size=len(samples))

    @classmethod
    def concat(cls, batches: Sequence[Batch], schema: Schema | None = None) -> Batch:
        """Join batches of one schema in order; one copy per column, none for a single batch."""
        if not batches:
            if schema is None:
                raise SchemaError("nothing to join and no schema given")
            return cls.empty(schema)
        first = batches[0]
        if any(b.schema != first.schema for b in batches):
            raise SchemaError("batches of different schemas can't be joined")
        if len(batches) == 1:
            return first
        columns = {n: np.concatenate([b.columns[n] for b in batches]) for n in first.schema}
        offsets = None
        if first.offsets is not None:
            counts = np.concatenate([np.diff(b.offsets) for b in batches if b.offsets is not None])
            offsets = np.concatenate([[0], np.cumsum(counts)])
        return cls(first.schema, columns, offsets, size=sum(len(b) for b in batches))

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, i: int) -> dict[str, Array]:
        """Sample `i` as views into the columns."""
        if not -self.size <= i < self.size:
            raise IndexError(f"sample {i} of {self.size}")
        i %= self.size
        if self.offsets is None:
            return {n: c[i, ...] for n, c in self.columns.items()}
        a, b = int(self.offsets[i]), int(self.offsets[i + 1])
        return {n: c[a:b] if self.schema[n].ragged else c[i, ...] for n, c in self.columns.items()}

    def __iter__(self) -> Iterator[dict[str, Array]]:
        return (self[i] for i in range(self.size))

    def slice(self, start: int, stop: int) -> Batch:
        """Samples ``start:stop`` as views; nothing but the offsets is copied."""
        if not 0 <= start <= stop <= self.size:
            raise IndexError(f"samples {start}:{stop} of {self.size}")
        if self.offsets is None:
            return Batch(self.schema, {n: c[start:stop] for n, c in self.columns.items()}, size=stop - start)
        offsets = self.offsets[start : stop + 1]
        a, b = int(offsets[0]), int(offsets[-1])
        columns = {n: c[a:b] if self.schema[n].ragged else c[start:stop] for n, c in self.columns.items()}
        return Batch(self.schema, columns, offsets - a)

    def split(self, sizes: Iterable[int]) -> list[Batch]:
        """Cut into consecutive batches of the given sizes, which must add up to all of it."""
        edges = np.concatenate([[0], np.cumsum(np.fromiter(sizes, np.int64))])
        if edges[-1] != self.size:
            raise SchemaError(f"sizes add up to {edges[-1]}, not to {self.size}")
        return [self.slice(int(a), int(b)) for a, b in pairwise(edges)]

    def take(self, indices: ArrayLike) -> Batch:
        """The samples at `indices` (integers, or a boolean mask), in that order.

        Raises
        ------
        IndexError
            If an index is out of range or no integer, or a mask has another length.
        """
        index = _checked_index(indices, self.size)
        if self.offsets is None:
            return Batch(self.schema, {n: c[index] for n, c in self.columns.items()}, size=len(index))
        counts = np.diff(self.offsets)[index]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        rows = np.repeat(self.offsets[:-1][index] - offsets[:-1], counts) + np.arange(offsets[-1])
        columns = {n: c[rows] if self.schema[n].ragged else c[index] for n, c in self.columns.items()}
        return Batch(self.schema, columns, offsets)

    def pick(self, names: Iterable[str]) -> Batch:
        """The named columns only. Without a ragged one the offsets go too."""
        schema = self.schema.pick(names)
        columns = {n: self.columns[n] for n in schema}
        return Batch(schema, columns, self.offsets if schema.ragged else None, size=self.size)

    def join(self, other: Batch) -> Batch:
        """Columns of both, for the same samples in the same order (e.g. samples and labels).

        A column that both have is taken from this one.

        Raises
        ------
        SchemaError
            If sizes differ, or both are ragged with other offsets.
        """
        offsets = self.offsets if self.offsets is not None else other.offsets
        if len(self) != len(other) or (
            self.offsets is not None and other.offsets is not None and not np.array_equal(self.offsets, other.offsets)
        ):
            raise SchemaError("batches of other samples can't be joined column-wise")
        return Batch(self.schema | other.schema, {**other.columns, **self.columns}, offsets, size=self.size)

    @property
    def nbytes(self) -> int:
        """Bytes in the columns."""
        return sum(c.nbytes for c in self.columns.values())

    def __repr__(self) -> str:
        return f"<Batch of {self.size}: {', '.join(str(f) for f in self.schema.values())}>"


def _checked_offsets(offsets: ArrayLike) -> NDArray[np.int64]:
    found = np.asarray(offsets)
    if found.ndim != 1 or len(found) == 0 or found.dtype.kind not in "iu":
        raise SchemaError(
            f"offsets must be integers, one more than samples; found {found.dtype} of shape {found.shape}"
        )
    out = np.ascontiguousarray(found, dtype=np.int64)
    if out[0] != 0 or (np.diff(out) < 0).any():
        raise SchemaError("offsets must start at 0 and never fall")
    return out


def _checked_index(indices: ArrayLike, size: int) -> NDArray[np.int64]:
    index = np.asarray(indices)
    if index.dtype == np.bool_:
        if index.shape != (size,):
            raise IndexError(f"a mask of shape {index.shape} for {size} samples")
        return np.flatnonzero(index)
    if index.ndim != 1 or (index.size and index.dtype.kind not in "iu"):
        raise IndexError(f"samples are taken by a list of integers, found {index.dtype} of shape {index.shape}")
    return index.astype(np.int64)


def _converted(field: Field, values: ArrayLike) -> Array:
    array = np.asarray(values)
    target = np.dtype(field.dtype)
    if array.dtype == target and array.flags.c_contiguous:
        return array
    if array.size and not _fits(array, target):
        raise SchemaError(f"field {field.name!r}: {array.dtype} can't become {field.dtype} without loss")
    return np.ascontiguousarray(array, dtype=target).reshape(array.shape)


def _fits(array: Array, target: np.dtype[Any]) -> bool:
    # An integer may become a float and a float a shorter one, but nothing may become an integer that had decimals
    # or is out of its range, nor a bool that was a number.
    if array.dtype.kind in "iu" and target.kind in "iu":
        limits = np.iinfo(target)
        return limits.min <= int(array.min()) and int(array.max()) <= limits.max
    return np.can_cast(array.dtype, target, "same_kind")


def _append_sample(schema: Schema, sample: Mapping[str, ArrayLike], parts: dict[str, list[Array]], i: int) -> int:
    count = -1
    for name, field in schema.items():
        if name not in sample:
            raise SchemaError(f"sample {i} has no field {name!r} (it has: {', '.join(sample)})")
        value = _converted(field, sample[name])
        shape = value.shape[1:] if field.ragged else value.shape
        if shape != field.inner or (field.ragged and value.ndim == 0):
            raise SchemaError(f"sample {i}: {name!r} has shape {value.shape}, {field.shape} wanted")
        if field.ragged:
            if count not in (-1, len(value)):
                raise SchemaError(f"sample {i}: {name!r} has {len(value)} {field.ragged}, other fields {count}")
            count = len(value)
        parts[name].append(value)
    return max(count, 0)
