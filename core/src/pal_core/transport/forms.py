"""Whether what has been read has the types that a message's fields ask for: a file's bytes may say anything."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

__all__ = ["Form", "forms"]

Form = Callable[[Any], bool]


def forms(kind: type) -> tuple[tuple[str, Form], ...]:
    """Names of a message's fields, each with a test of its values."""
    hints = get_type_hints(kind)
    return tuple((name, _form(hint)) for name, hint in hints.items())


def _form(hint: Any) -> Form:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        either = [_form(a) for a in args]
        return lambda value: any(form(value) for form in either)
    if origin is np.ndarray:
        return lambda value: isinstance(value, np.ndarray)
    if origin is tuple:
        item = _form(args[0])
        return lambda value: isinstance(value, tuple) and all(map(item, value))
    if origin is Mapping:
        part = _form(args[1])
        return lambda value: isinstance(value, dict) and all(map(part, value.values()))
    if hint is float:
        return lambda value: type(value) is float or type(value) is int
    return lambda value: type(value) is hint
