"""Relative paths in options, made absolute before validation."""

from __future__ import annotations

import types
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

__all__ = ["resolve_paths"]


def resolve_paths(model: type[BaseModel], data: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Copy of `data` in which the values of all `Path` fields are absolute.

    Parameters
    ----------
    model : type of BaseModel
        Says which fields are paths; unions, arrays, tables and nested models are looked into. A field that may
        also be any string is left alone.
    data : mapping
        Values as written in the settings, not validated yet.
    base : Path
        Folder that relative paths start from. A leading ``~`` is the home folder.
    """
    kinds = {info.alias or name: info.annotation for name, info in model.model_fields.items()}
    return {key: _resolved(kinds.get(key), value, base) for key, value in data.items()}


def _resolved(kind: Any, value: Any, base: Path) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _resolved(args[0], value, base)
    if origin in (Union, types.UnionType):
        return _resolved_in_union(args, value, base)
    if isinstance(value, str) and isinstance(kind, type) and issubclass(kind, PurePath):
        return str(base / Path(value).expanduser())
    if isinstance(value, list) and args:
        kinds = [args[0]] * len(value) if len(args) == 1 or args[-1] is Ellipsis else list(args)
        return [_resolved(kinds[i] if i < len(kinds) else None, v, base) for i, v in enumerate(value)]
    return _resolved_in_table(kind, args, value, base) if isinstance(value, dict) else value


def _resolved_in_table(kind: Any, args: tuple[Any, ...], value: dict[str, Any], base: Path) -> dict[str, Any]:
    if len(args) == 2:
        return {k: _resolved(args[1], v, base) for k, v in value.items()}
    return resolve_paths(kind, value, base) if isinstance(kind, type) and issubclass(kind, BaseModel) else value


def _resolved_in_union(kinds: tuple[Any, ...], value: Any, base: Path) -> Any:
    words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    if str in kinds or value in words:
        return value
    for kind in kinds:
        changed = _resolved(kind, value, base)
        if changed != value:
            return changed
    return value
