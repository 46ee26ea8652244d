"""Labelled samples in a NumPy archive, without pickle.

==================  ==========================================================
entry               holds
==================  ==========================================================
``schema``          JSON text: a list of ``[name, dtype, shape, unit]``
``columns/NAME``    one per field, as in `pal_core.data.Batch`
``offsets``         int64 (n + 1,); only if a field is ragged
``origin``          JSON text: a list with one record of provenance per sample
==================  ==========================================================
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pal_core.data import Batch, Field, Schema, SchemaError
from pal_core.reading import parse_json, refuse_other_than_file

__all__ = ["read", "write"]

_UNREADABLE = (
    *(AttributeError, EOFError, LookupError, MemoryError, OverflowError, RuntimeError, TypeError, ValueError),
    *(NotImplementedError, zipfile.BadZipFile, zlib.error),
)
_HARMLESS = 1 << 28
_LARGEST_RATIO = 100


def read(path: Path, schema: Schema) -> Batch:
    """Read the columns of `schema` from an archive written by `write`.

    Raises
    ------
    SchemaError
        If the file is no such archive, lacks a field, or has it in another shape or unit.
    """
    try:
        _refuse_bomb(path)
        with np.load(path, allow_pickle=False) as archive:
            stored = Schema.from_json(parse_json(str(archive["schema"])))
            _check_fields(path, schema, stored)
            columns = {name: archive[f"columns/{name}"] for name in schema}
            offsets = archive["offsets"] if schema.ragged else None
            size = len(parse_json(str(archive["origin"])))
    except _UNREADABLE as error:
        if isinstance(error, SchemaError):
            raise
        raise SchemaError(f"{path} is not an npz file written by PAL: {error}") from error
    return Batch(schema, columns, offsets, size=size)


def write(path: Path, batch: Batch, origin: Iterable[dict[str, Any]]) -> None:
    """Write `batch`, all of it or nothing.

    Parameters
    ----------
    path : Path
    batch : Batch
    origin : iterable of dict
        One record per sample, of what JSON can hold.
    """
    records = list(origin)
    if len(records) != len(batch):
        raise SchemaError(f"{len(records)} records of origin for {len(batch)} samples")
    entries = {f"columns/{name}": column for name, column in batch.columns.items()}
    if batch.offsets is not None:
        entries["offsets"] = batch.offsets
    entries["schema"] = np.array(json.dumps(batch.schema.to_json()))
    entries["origin"] = np.array(json.dumps(records))
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **entries)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _refuse_bomb(path: Path) -> None:
    """A few bytes can unpack to more than any memory holds; columns of numbers never shrink that far."""
    refuse_other_than_file(path)
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    limit = max(_HARMLESS, _LARGEST_RATIO * path.stat().st_size)
    if size > limit:
        raise SchemaError(f"{path} would unpack to {size} bytes, from {path.stat().st_size}")


def _check_fields(path: Path, wanted: Mapping[str, Field], stored: Mapping[str, Field]) -> None:
    for name, field in wanted.items():
        if name not in stored:
            raise SchemaError(f"{path} has no field {field} (there are: {', '.join(stored) or 'none'})")
        found = stored[name]
        if (found.shape, found.unit) != (field.shape, field.unit):
            raise SchemaError(f"{path}: {field} is wanted, {found} is there")
