"""The wire format: one contiguous buffer per message, no pickle.

Layout: magic ``PAL1``, header length (uint32, little-endian), header (JSON, UTF-8), then the arrays named in the
header one after the other, each starting at a multiple of 8 bytes. The header is ``[kind, to, sender, fields]``; in
it an array stands as ``{"a": [dtype, shape]}``, a batch as ``{"b": [schema id, samples, rows]}`` (offsets first if the
schema is ragged, then the columns in schema order), a mapping as ``{"m": {...}}``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pal_core.data import Batch, Schema
from pal_core.messages import KINDS, Message

__all__ = ["Wire", "WireError"]

_MAGIC = b"PAL1"
_START = 8
_ALIGN = 8
_SAFE_KINDS = "biuf"

Array = NDArray[Any]


class WireError(ValueError):
    """A buffer is not a message of this format."""


class Wire:
    """Encodes and decodes messages.

    Parameters
    ----------
    schemas : iterable of Schema
        Schemas that batches in messages may have, agreed on before the first message.
    """

    def __init__(self, schemas: Iterable[Schema]) -> None:
        self._schemas = {s.id: s for s in schemas}

    def encode(self, to: str, sender: str, message: Message) -> bytearray:
        """One buffer that holds the message; every payload is copied once, into place."""
        arrays: list[Array] = []
        fields = [self._pack(getattr(message, f.name), arrays) for f in dataclasses.fields(message)]
        header = json.dumps([type(message).__name__, to, sender, fields], separators=(",", ":")).encode()
        position = _aligned(_START + len(header))
        starts = []
        for array in arrays:
            starts.append(position)
            position = _aligned(position + array.nbytes)
        out = bytearray(position)
        out[:4] = _MAGIC
        out[4:8] = len(header).to_bytes(4, "little")
        out[_START : _START + len(header)] = header
        for start, array in zip(starts, arrays, strict=True):
            np.frombuffer(out, array.dtype, array.size, start)[:] = array.ravel()
        return out

    def decode(self, buffer: bytearray | memoryview | bytes) -> tuple[str, str, Message]:
        """Undo `encode`: ``(to, sender, message)``. Arrays are views into `buffer`.

        Raises
        ------
        WireError
            If the buffer is not a message, is cut short, or names an unknown schema.
        """
        if bytes(buffer[:4]) != _MAGIC:
            raise WireError("not a PAL message")
        length = int.from_bytes(buffer[4:8], "little")
        try:
            kind, to, sender, fields = json.loads(bytes(buffer[_START : _START + length]))
            cls = KINDS[kind]
        except (ValueError, KeyError) as error:
            raise WireError(f"unreadable message header: {error}") from error
        reader = _Reader(buffer, _aligned(_START + length))
        return to, sender, cls(*[self._unpack(f, reader) for f in fields])

    def _pack(self, value: Any, arrays: list[Array]) -> Any:
        if isinstance(value, Batch):
            rows = -1
            if value.offsets is not None:
                rows = int(value.offsets[-1])
                arrays.append(value.offsets)
            arrays.extend(value.columns.values())
            return {"b": [value.schema.id, value.size, rows]}
        if isinstance(value, np.ndarray):
            value = np.ascontiguousarray(value).reshape(value.shape)
            arrays.append(value)
            return {"a": [value.dtype.str, value.shape]}
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
            return reader.array(body[0], tuple(body[1]))
        if tag == "m":
            return {k: self._unpack(v, reader) for k, v in body.items()}
        schema_id, size, rows = body
        return self._unpack_batch(schema_id, size, rows, reader)

    def _unpack_batch(self, schema_id: str, size: int, rows: int, reader: _Reader) -> Batch:
        schema = self._schemas.get(schema_id)
        if schema is None:
            raise WireError(f"a batch of schema {schema_id}, which was not agreed on at the start")
        offsets = reader.array("<i8", (size + 1,)) if schema.ragged else None
        columns = {f.name: reader.array(f.dtype, (rows if f.ragged else size, *f.inner)) for f in schema.values()}
        return Batch(schema, columns, offsets, size=size)


class _Reader:
    """Takes arrays off a buffer one after the other."""

    def __init__(self, buffer: bytearray | memoryview | bytes, position: int) -> None:
        self.buffer = buffer
        self.position = position

    def array(self, dtype: str, shape: tuple[int, ...]) -> Array:
        kind = np.dtype(dtype)
        if kind.kind not in _SAFE_KINDS or any(n < 0 for n in shape):
            raise WireError(f"an array of type {dtype} and shape {shape}")
        count = int(np.prod(shape, dtype=np.int64))
        end = self.position + count * kind.itemsize
        if end > len(self.buffer):
            raise WireError(f"the message ends at byte {len(self.buffer)}, {end} wanted")
        out = np.frombuffer(self.buffer, kind, count, self.position) if count else np.empty(0, kind)
        self.position = _aligned(end)
        return out.reshape(shape)


def _aligned(n: int) -> int:
    return -(-n // _ALIGN) * _ALIGN
