"""Statistics over the members of a committee, defined once for every selection."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pal_core.data.batch import Batch
from pal_core.data.schema import Field, Schema, SchemaError

__all__ = ["Committee", "Reduction", "as_floats", "covariance_schema", "reduce_samples"]

Reduction = Literal["max", "mean", "rms"]
Floats = NDArray[np.float64]
_BLOCK = 8192
"""Numbers treated at a time: a few blocks of float64 fit into a core's cache."""


class Committee:
    """What every member predicts of the same samples.

    Parameters
    ----------
    members : sequence of Batch
        One batch per member, all of one schema and with the same offsets.
    version : int
        Lowest model version among the members.

    Notes
    -----
    The mean is the arithmetic mean over members. The standard deviation is the sample
    standard deviation over members (``ddof=1``), component by component; with a single
    member it is not defined and every entry is NaN, which no selection may take for certainty.
    A member's NaN or infinity makes mean and deviation of that component non-finite.
    Boolean and integer fields are treated as float64.
    """

    def __init__(self, members: Sequence[Batch], version: int = 0) -> None:
        if not members:
            raise SchemaError("a committee has one member at least")
        first = members[0]
        for k, member in enumerate(members[1:], start=1):
            same_offsets = first.offsets is None or np.array_equal(first.offsets, member.offsets)  # type: ignore[arg-type]
            if member.schema != first.schema or len(member) != len(first) or not same_offsets:
                raise SchemaError(f"member {k} answers {member!r}, member 0 {first!r}")
        self.members = tuple(members)
        self.version = version

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.members[0])

    @cached_property
    def mean(self) -> Batch:
        """Arithmetic mean over the members; columns are float64."""
        return self._batch({name: both[0] for name, both in self._moments.items()})

    @cached_property
    def std(self) -> Batch:
        """Sample standard deviation over the members (``ddof=1``); NaN for one member."""
        return self._batch({name: both[1] for name, both in self._moments.items()})

    @cached_property
    def _moments(self) -> dict[str, tuple[Floats, Floats]]:
        schema = self.members[0].schema
        return {name: _mean_and_std([m.columns[name] for m in self.members]) for name in schema}

    def uncertainty(self, field: str, how: Reduction = "max") -> Floats:
        """One number per sample: `std` of `field` reduced over all its components.

        Returns
        -------
        ndarray of float64, shape (n,)
            In the field's unit. NaN where any component is NaN; 0 for samples without components.
        """
        return reduce_samples(self.std, field, how)

    def covariance(self, scalar: str, field: str) -> Floats:
        """Sample covariance over the members (``ddof=1``) of one number per sample with every component of `field`.

        Where one field is the gradient of the other, this is half the gradient of the other's variance.

        Returns
        -------
        ndarray of float64, of the shape of `field`'s column
            In the product of both units; NaN for one member.
        """
        pairs = [(m.columns[scalar], m.columns[field]) for m in self.members]
        of_scalar, of_field = self.mean.columns[scalar], self.mean.columns[field]
        if len(pairs) == 1:
            return np.full_like(of_field, np.nan)
        offsets = self.members[0].offsets if self.members[0].schema[field].ragged else None
        total = np.zeros_like(of_field)
        with np.errstate(invalid="ignore", over="ignore"):
            for a, b in pairs:
                deviation = a - of_scalar if offsets is None else np.repeat(a - of_scalar, np.diff(offsets))
                total += deviation.reshape(-1, *[1] * (total.ndim - 1)) * (b - of_field)
            return total / (len(pairs) - 1)

    def covariances(self, pairs: Sequence[tuple[str, str]]) -> Batch:
        """`covariance` of several pairs of fields, as columns in their order."""
        first = self.members[0]
        schema = covariance_schema(first.schema, pairs)
        columns = dict(zip(schema, (self.covariance(*pair) for pair in pairs), strict=True))
        return Batch(schema, columns, first.offsets if schema.ragged else None, size=len(first))

    def _batch(self, columns: dict[str, Floats]) -> Batch:
        first = self.members[0]
        schema = as_floats(first.schema)
        return Batch(schema, columns, first.offsets, size=len(first))


def as_floats(schema: Schema) -> Schema:
    """The schema of committee statistics: the same fields, all float64."""
    return Schema(Field(f.name, "float64", f.shape, f.unit) for f in schema.values())


def covariance_schema(schema: Schema, pairs: Sequence[tuple[str, str]]) -> Schema:
    """One field for every pair of fields of `schema`, of the second one's shape."""
    both = [(schema[a], schema[b]) for a, b in pairs]
    return Schema(
        Field(f"covariance of {a.name} and {b.name}", "float64", b.shape, "·".join(filter(None, (a.unit, b.unit))))
        for a, b in both
    )


def _mean_and_std(arrays: Sequence[NDArray[Any]]) -> tuple[Floats, Floats]:
    """Mean and sample standard deviation over equally shaped arrays.

    Two passes over blocks that stay in the cache, so that large batches cost what small ones do per number.
    """
    flat = [np.ascontiguousarray(a).reshape(-1) for a in arrays]
    mean, std, scratch = np.empty(flat[0].size), np.empty(flat[0].size), np.empty(_BLOCK)
    for start in range(0, mean.size, _BLOCK):
        blocks = [a[start : start + _BLOCK] for a in flat]
        m, s = mean[start : start + _BLOCK], std[start : start + _BLOCK]
        with np.errstate(invalid="ignore", over="ignore"):
            _block_moments(blocks, m, s, scratch[: m.size])
    return mean.reshape(arrays[0].shape), std.reshape(arrays[0].shape)


def _block_moments(blocks: list[NDArray[Any]], mean: Floats, std: Floats, scratch: Floats) -> None:
    mean[:] = blocks[0]
    for block in blocks[1:]:
        np.add(mean, block, out=mean)
    mean /= len(blocks)
    if len(blocks) == 1:
        std[:] = np.nan
        return
    std[:] = 0.0
    for block in blocks:
        np.subtract(block, mean, out=scratch)
        np.multiply(scratch, scratch, out=scratch)
        np.add(std, scratch, out=std)
    std /= len(blocks) - 1
    np.sqrt(std, out=std)


def reduce_samples(batch: Batch, field: str, how: Reduction) -> Floats:
    """Reduce a column over every component of each sample.

    Parameters
    ----------
    batch : Batch
    field : str
    how : {"max", "mean", "rms"}
        Largest value, arithmetic mean, or root of the mean square.

    Returns
    -------
    ndarray of float64, shape (n,)
        0 for samples without components.
    """
    if how not in get_args(Reduction):
        raise ValueError(f"samples are reduced by {', '.join(get_args(Reduction))}, not by {how!r}")
    values = np.asarray(batch.columns[field], np.float64)
    if how == "rms":
        values = np.square(values)
    width = int(np.prod(values.shape[1:], dtype=np.int64))
    flat = values.reshape(len(values), width)
    if batch.schema[field].ragged is None or batch.offsets is None:
        counts = np.full(len(batch), width)
        out = _rows(flat, how)
    else:
        counts = np.diff(batch.offsets) * width
        out = np.zeros(len(batch))
        filled = np.flatnonzero(np.diff(batch.offsets))
        if filled.size and width:
            combine = np.maximum if how == "max" else np.add
            rows = flat.max(axis=1) if how == "max" else flat.sum(axis=1)
            out[filled] = combine.reduceat(rows, batch.offsets[:-1][filled])
    if how != "max":
        out = out / np.maximum(counts, 1)
    return np.sqrt(out) if how == "rms" else out


def _rows(flat: Floats, how: Reduction) -> Floats:
    if flat.shape[1] == 0:
        return np.zeros(len(flat))
    out: Floats = flat.max(axis=1) if how == "max" else flat.sum(axis=1)
    return out
