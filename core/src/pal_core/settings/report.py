"""Problems of a settings file as they are collected, and pydantic's errors in PAL's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from pal_core.errors import Problem
from pal_core.plugins.words import did_you_mean
from pal_core.settings.lines import KeyPath, line_of

__all__ = ["Report", "dotted", "shown"]

_EXPECTED = {
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a string",
    "list_type": "an array",
    "tuple_type": "an array",
    "set_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "finite_number": "a finite number",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "path_not_file": "an existing file",
    "path_not_directory": "an existing folder",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
}


class Report:
    """Collects problems and warnings by key.

    Parameters
    ----------
    lines : mapping of key path to int
        From `pal_core.settings.lines.locate`; empty for settings that come from no file.
    """

    def __init__(self, lines: Mapping[KeyPath, int]) -> None:
        self._lines = lines
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []

    @property
    def problems(self) -> list[Problem]:
        """Problems by line."""
        return sorted(self._problems, key=lambda p: p.line or 0)

    @property
    def warnings(self) -> list[Problem]:
        """Warnings by line."""
        return sorted(self._warnings, key=lambda p: p.line or 0)

    def blames(self, path: KeyPath) -> bool:
        """Whether there is a problem at exactly this key."""
        return any(p.key == dotted(path) for p in self._problems)

    def add(self, path: KeyPath, found: str, expected: str = "", hint: str = "") -> None:
        """A problem at `path`."""
        self._problems.append(Problem(dotted(path), found, expected, hint, line_of(path, self._lines)))

    def warn(self, path: KeyPath, found: str, hint: str = "") -> None:
        """Something legal that is likely not meant."""
        self._warnings.append(Problem(dotted(path), found, "", hint, line_of(path, self._lines)))

    def add_errors(
        self,
        path: KeyPath,
        model: type[BaseModel],
        data: Any,
        error: ValidationError,
        advice: Callable[[KeyPath], str] = lambda path: "",
    ) -> None:
        """Every error of validating `data`, which stands at `path`, against `model`.

        Parameters
        ----------
        path : tuple
        model : type of BaseModel
        data : dict
            As written by the user.
        error : ValidationError
        advice : callable
            ``advice(path)`` of an unknown key: where it belongs, or nothing.
        """
        # A value that may be of several kinds gives one error per kind: they become one problem.
        grouped: dict[KeyPath, list[ErrorDetails]] = {}
        for e in error.errors(include_url=False):
            grouped.setdefault(_place(data, e["loc"], e["type"]), []).append(e)
        for where, errors in grouped.items():
            if where and any(other[: len(where)] == where for other in grouped if other != where):
                continue  # an array in error for its entries' sake
            kind, at, info = errors[0]["type"], (*path, *where), _field(model, where)
            if kind == "extra_forbidden":
                self.add(at, "unknown key", "", advice(where) or _near_keys(model, where))
            elif kind == "missing":
                self.add(at, "nothing", "a value" + _unit(info), (info.description or "") if info else "")
            elif kind in ("value_error", "assertion_error"):
                self.add(at, str(errors[0]["ctx"]["error"]))
            elif errors[0]["loc"][-1:] == ("[key]",):
                self.add(at, shown(where[-1]), f"{_expected(errors[0])} as key")
            else:
                expected = " or ".join(dict.fromkeys(map(_expected, errors)))
                self.add(at, shown(_value(data, where)), expected + _unit(info))


def dotted(path: KeyPath) -> str:
    """``check[0].options.limit``."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


def shown(value: Any) -> str:
    """A value as it would stand in TOML, cut where long."""
    if isinstance(value, dict):
        return "a table"
    text = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _place(data: Any, loc: tuple[int | str, ...], kind: str) -> KeyPath:
    """Path of an error within the user's data, without pydantic's marks for the members of a union."""
    path: KeyPath = ()
    for part in loc:
        if _has(data, part):
            path, data = (*path, part), data[part]
    return (*path, loc[-1]) if kind == "missing" else path


def _has(data: Any, part: int | str) -> bool:
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def _value(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


def _field(model: type[BaseModel], path: KeyPath) -> FieldInfo | None:
    """The field at `path`, which may lead into nested models."""
    found: FieldInfo | None = None
    kind: Any = model
    for part in path:
        if not (isinstance(part, str) and isinstance(kind, type) and issubclass(kind, BaseModel)):
            break
        found = kind.model_fields.get(part)
        kind = _nested(found.annotation) if found else None
    return found


def _nested(kind: Any) -> Any:
    """The model in ``Model`` or ``Model | None``."""
    parts = [kind, *getattr(kind, "__args__", ())]
    return next((p for p in parts if isinstance(p, type) and issubclass(p, BaseModel)), None)


def _unit(info: FieldInfo | None) -> str:
    extra = info.json_schema_extra if info else None
    return f" [{extra['unit']}]" if isinstance(extra, dict) and "unit" in extra else ""


def _near_keys(model: type[BaseModel], path: KeyPath) -> str:
    kind: Any = model
    for part in path[:-1]:
        info = kind.model_fields.get(part) if kind and isinstance(part, str) else None
        kind = _nested(info.annotation) if info else kind
    return did_you_mean(str(path[-1]), kind.model_fields if kind else (), "known keys")


def _expected(error: ErrorDetails) -> str:
    if error["type"] in _EXPECTED:
        context = {k: f"{v:g}" if isinstance(v, float) else v for k, v in error.get("ctx", {}).items()}
        return _EXPECTED[error["type"]].format(**context)
    text = error["msg"].removeprefix("Input should be ")
    return text[:1].lower() + text[1:]
