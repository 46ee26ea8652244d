"""The wire format: one contiguous buffer per message, no pickle.

Layout: magic ``PAL1``, header length (uint32, little-endian), header (JSON, UTF-8), then the arrays named in the
header one after the other, each starting at a multiple of 8 bytes; nothing follows the last one but padding to the next
multiple of 8. The header is ``[kind, to, sender, fields]``; in it an array stands as ``{"a": [dtype, shape]}``, a batch
as ``{"b": [schema id, samples, rows]}`` (offsets first if the schema is ragged, then the columns in schema order; rows
is the length of ragged columns, -1 without any), a mapping as ``{"m": {...}}``. Arrays are boolean, integer or float,
little-endian and in C order, whatever the sender's were.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pal_core.data import Batch, Schema
from pal_core.messages import KINDS, Message
from pal_core.transport.forms import forms

__all__ = ["MAGIC", "Wire", "WireError", "fresh_buffer"]

MAGIC = b"PAL1"
_START = 8
_ALIGN = 8
_SAFE_KINDS = "biuf"
_OFFSETS = np.dtype("<i8")
_SAFE_DTYPE = re.compile(r"[<|][biuf]\d{1,2}")
_FIELDS = {name: forms(cls) for name, cls in KINDS.items()}
_MALFORMED = (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError)
"""What reading a header of unexpected form may raise."""

Array = NDArray[Any]


class WireError(ValueError):
    """A buffer is not a message of this format."""


def fresh_buffer(size: int) -> memoryview:
    """A writable buffer of so many bytes; unlike a bytearray it isn't filled with zeros first."""
    return np.empty(size, np.uint8).data


class Wire:
    """Encodes and decodes messages.

    Parameters
    ----------
    schemas : iterable of Schema
        Schemas that batches in messages may have, agreed on before the first message.
    """

    def __init__(self, schemas: Iterable[Schema]) -> None:
        self._schemas = {s.id: s for s in schemas}

    def encode(self, to: str, sender: str, message: Message) -> memoryview:
        """One buffer that holds the message; every payload is copied once, into place.

        Raises
        ------
        WireError
            If an array is not of numbers, or a batch has a schema that was not agreed on.
        """
        arrays: list[Array] = []
        try:
            fields = [self._pack(getattr(message, f.name), arrays) for f in dataclasses.fields(message)]
        except WireError as error:
            raise WireError(f"{type(message).__name__} from {sender} to {to}: {error}") from error
        header = json.dumps([type(message).__name__, to, sender, fields], separators=(",", ":")).encode()
        position = _aligned(_START + len(header))
        starts = []
        for array in arrays:
            starts.append(position)
            position = _aligned(position + array.nbytes)
        out = fresh_buffer(position)
        out[:4] = MAGIC
        out[4:8] = len(header).to_bytes(4, "little")
        end = _START + len(header)
        out[_START:end] = header
        out[end : _aligned(end)] = bytes(_aligned(end) - end)
        for start, array in zip(starts, arrays, strict=True):
            np.ndarray(array.shape, _little(array.dtype), out, start)[...] = array
            end = start + array.nbytes
            out[end : _aligned(end)] = bytes(_aligned(end) - end)
        return out

    def decode(self, buffer: bytearray | memoryview | bytes) -> tuple[str, str, Message]:
        """Undo `encode`: ``(to, sender, message)``. Arrays are views into `buffer`.

        Raises
        ------
        WireError
            If the buffer is not a message, is cut short or too long, or names an unknown schema.
        """
        try:
            return self._decode(buffer)
        except WireError:
            raise
        except _MALFORMED as error:
            raise WireError(f"malformed message: {type(error).__name__}: {error}") from error

    def _decode(self, buffer: bytearray | memoryview | bytes) -> tuple[str, str, Message]:
        if bytes(buffer[:4]) != MAGIC:
            raise WireError("not a PAL message")
        length = int.from_bytes(buffer[4:_START], "little")
        reader = _Reader(buffer, _START)
        reader.skip(length)
        kind, to, sender, fields = json.loads(bytes(buffer[_START : _START + length]))
        if kind not in KINDS:
            raise WireError(f"a message of unknown kind {kind!r}")
        if not (isinstance(to, str) and isinstance(sender, str) and isinstance(fields, list)):
            raise WireError(f"{kind} without two addresses and a list of fields")
        wanted = _FIELDS[kind]
        if len(fields) != len(wanted):
            raise WireError(f"{kind} with {len(fields)} fields, {len(wanted)} wanted: another version of pal-core?")
        values = [self._unpack(f, reader) for f in fields]
        for (name, fits), value in zip(wanted, values, strict=True):
            if not fits(value):
                raise WireError(f"{kind} with {name} = {str(value)[:80]!r}, which has another type")
        message = KINDS[kind](*values)
        if reader.position != len(buffer):
            raise WireError(f"{kind} ends at byte {reader.position}, but there are {len(buffer)} bytes")
        return to, sender, message

    def _pack(self, value: Any, arrays: list[Array]) -> Any:
        if isinstance(value, Batch):
            if value.schema.id not in self._schemas:
                raise WireError(f"a batch of {value.schema}, which was not agreed on at the start")
            rows = -1
            if value.offsets is not None:
                rows = int(value.offsets[-1])
                arrays.append(value.offsets)
            arrays.extend(value.columns.values())
            return {"b": [value.schema.id, value.size, rows]}
        if isinstance(value, np.ndarray):
            if value.dtype.kind not in _SAFE_KINDS:
                raise WireError(f"an array of type {value.dtype}; only booleans, integers and floats can be sent")
            arrays.append(value)
            return {"a": [_little(value.dtype).str, value.shape]}
        if isinstance(value, Mapping):
            return {"m": {str(k): self._pack(v, arrays) for k, v in value.items()}}
        if isinstance(value, (tuple, list)):
            return [self._pack(v, arrays) for v in value]
        return value.item() if isinstance(value, np.generic) else value

    def _unpack(self, value: Any, reader: _Reader) -> Any:
        if isinstance(value, list):
            return tuple(self._unpack(v, reader) for v in value)
        if not isinstance(value, dict):
            return value
        ((tag, body),) = value.items()
        if tag == "a":
            dtype, shape = body
            if not _SAFE_DTYPE.fullmatch(dtype):
                raise WireError(f"an array of type {dtype!r}")
            return reader.array(np.dtype(dtype), shape)
        if tag == "m":
            return {k: self._unpack(v, reader) for k, v in body.items()}
        if tag == "b":
            schema_id, size, rows = body
            return self._unpack_batch(schema_id, size, rows, reader)
        raise WireError(f"a value of unknown kind {tag!r}")

    def _unpack_batch(self, schema_id: str, size: int, rows: int, reader: _Reader) -> Batch:
        schema = self._schemas.get(schema_id)
        if schema is None:
            raise WireError(f"a batch of schema {schema_id}, which was not agreed on at the start")
        offsets = reader.array(_OFFSETS, [_length(size) + 1]) if schema.ragged else None
        columns = {
            name: reader.array(_little(np.dtype(f.dtype)), [rows if f.ragged else size, *f.inner])
            for name, f in schema.items()
        }
        return Batch(schema, columns, offsets, size=_length(size))


class _Reader:
    """Takes arrays off a buffer one after the other."""

    def __init__(self, buffer: bytearray | memoryview | bytes, position: int) -> None:
        self.buffer = buffer
        self.position = position

    def skip(self, count: int) -> None:
        """Pass over so many bytes and their padding, which must be there."""
        end = _aligned(self.position + count)
        if end > len(self.buffer):
            raise WireError(f"the message ends at byte {len(self.buffer)}, {end} wanted")
        self.position = end

    def array(self, dtype: np.dtype[Any], shape: list[int]) -> Array:
        """The next array. Nothing is allocated, whatever the shape says: it is a view, or too long and refused."""
        count = math.prod(_length(n) for n in shape)
        start = self.position
        self.skip(count * dtype.itemsize)
        return np.frombuffer(self.buffer, dtype, count, start).reshape(shape)


def _length(n: Any) -> int:
    """A number of elements, as opposed to anything else that JSON can hold."""
    if type(n) is not int or n < 0:
        raise WireError(f"a length of {n!r}")
    return n


def _little(dtype: np.dtype[Any]) -> np.dtype[Any]:
    little: np.dtype[Any] = dtype.newbyteorder("<")
    return little


def _aligned(n: int) -> int:
    return -(-n // _ALIGN) * _ALIGN
