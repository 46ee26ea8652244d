"""Fields and schemas: what the columns of a batch are called, hold and mean."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from functools import cached_property
from typing import Any

import numpy as np

__all__ = ["Field", "Schema", "SchemaError"]

_KINDS = "biuf"  # bool, signed, unsigned, float: nothing that could hold an object


class SchemaError(ValueError):
    """Data don't have the columns, shapes or types that a schema asks for."""


@dataclass(frozen=True)
class Field:
    """One column.

    Parameters
    ----------
    name : str
        Column name, unique in a schema.
    dtype : str
        NumPy name of a boolean, integer or floating type, e.g. ``"float64"``.
    shape : tuple of int or str
        Shape of one sample's value. The first entry may be a symbol, e.g.
        ``("atoms", 3)``: that dimension differs from sample to sample.
    unit : str
        Unit in words that ``pal kernels`` shows, empty for pure numbers.
    doc : str
        One sentence; not part of the field's identity.
    """

    name: str
    dtype: str = "float64"
    shape: tuple[int | str, ...] = ()
    unit: str = ""
    doc: str = attribute(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", self._checked_dtype())
        object.__setattr__(self, "shape", self._checked_shape())

    def _checked_dtype(self) -> str:
        try:
            dtype = np.dtype(self.dtype)
        except TypeError:
            dtype = np.dtype(object)
        if dtype.kind not in _KINDS:
            raise SchemaError(f"field {self.name!r}: dtype {self.dtype!r} is not boolean, integer or float")
        name: str = dtype.newbyteorder("=").name
        return name

    def _checked_shape(self) -> tuple[int | str, ...]:
        if any(isinstance(n, str) for n in self.shape[1:]):
            raise SchemaError(f"field {self.name!r}: only the first dimension may be ragged, shape is {self.shape}")
        shape = tuple(n if isinstance(n, str) else int(n) for n in self.shape)
        if any(n < 0 for n in shape if isinstance(n, int)):
            raise SchemaError(f"field {self.name!r}: a dimension is negative, shape is {self.shape}")
        return shape

    @property
    def ragged(self) -> str | None:
        """Symbol of the ragged dimension, or None."""
        return self.shape[0] if self.shape and isinstance(self.shape[0], str) else None

    @cached_property
    def inner(self) -> tuple[int, ...]:
        """Shape without the ragged dimension."""
        return tuple(int(n) for n in self.shape if not isinstance(n, str))

    def same_data(self, other: Field) -> bool:
        """Whether both hold the same kind of values (the description may differ)."""
        return (self.dtype, self.shape, self.unit) == (other.dtype, other.shape, other.unit)

    def __str__(self) -> str:
        shape = "(" + ", ".join(str(n) for n in self.shape) + ")"
        return f"{self.name} {self.dtype}{shape}" + (f" [{self.unit}]" if self.unit else "")


class Schema(Mapping[str, Field]):
    """An ordered set of fields with at most one ragged dimension.

    Parameters
    ----------
    fields : iterable of Field
        The columns, in the order in which they cross processes.

    Examples
    --------
    >>> s = Schema([Field("charge", "int32"), Field("positions", shape=("atoms", 3), unit="Å")])
    >>> s.ragged
    'atoms'
    """

    def __init__(self, fields: Iterable[Field] = ()) -> None:
        fields = tuple(fields)
        self._fields = {f.name: f for f in fields}
        if len(self._fields) != len(fields):
            raise SchemaError(f"a field name occurs twice: {[f.name for f in fields]}")
        symbols = {f.ragged for f in fields} - {None}
        if len(symbols) > 1:
            raise SchemaError(f"a schema has one ragged dimension at most, found {sorted(map(str, symbols))}")
        self.ragged: str | None = symbols.pop() if symbols else None

    def __getitem__(self, name: str) -> Field:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Schema({', '.join(str(f) for f in self.values())})"

    @cached_property
    def id(self) -> str:
        """Short digest of names, types, shapes, units and order; equal schemas have equal ids."""
        return hashlib.blake2s(json.dumps(self.to_json()).encode(), digest_size=6).hexdigest()

    def to_json(self) -> list[list[Any]]:
        """Plain lists ``[name, dtype, shape, unit]``, as stored and hashed."""
        return [[f.name, f.dtype, list(f.shape), f.unit] for f in self.values()]

    @classmethod
    def from_json(cls, rows: Iterable[Iterable[Any]]) -> Schema:
        """Undo `to_json`."""
        return cls(Field(n, d, tuple(s), u) for n, d, s, u in rows)

    def pick(self, names: Iterable[str]) -> Schema:
        """The named fields, in the given order.

        Raises
        ------
        SchemaError
            If there is no field of a name.
        """
        names = list(names)
        for name in names:
            if name not in self:
                raise SchemaError(f"no field {name!r} (there are: {', '.join(self) or 'no fields'})")
        return Schema(self[name] for name in names)

    def __or__(self, other: Mapping[str, Field]) -> Schema:
        """Both schemas' fields; a field in both must hold the same data.

        Raises
        ------
        SchemaError
            If a common field differs, or two ragged dimensions meet.
        """
        for name in self.keys() & other.keys():
            if not self[name].same_data(other[name]):
                raise SchemaError(f"two meanings of one field: {self[name]} and {other[name]}")
        return Schema([*self.values(), *(f for n, f in other.items() if n not in self)])

    def unmet_by(self, offered: Mapping[str, Field]) -> list[str]:
        """What this schema wants that `offered` doesn't hold, one sentence each."""
        out = []
        for name, field in self.items():
            if name not in offered:
                out.append(f"{field} is missing (there are: {', '.join(offered) or 'no fields'})")
            elif not field.same_data(offered[name]):
                out.append(f"{field} is wanted, {offered[name]} is there")
        return out
