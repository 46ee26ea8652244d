"""Options and interfaces of kernels in words, for listings and settings files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from pal_core.options import Interface, KernelOptions

__all__ = ["Option", "interface_of", "options_of"]

_LIMITS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}


@dataclass(frozen=True)
class Option:
    """A key of a table.

    Parameters
    ----------
    name, kind, unit, description : str
        `kind` in words: ``"number > 0"``.
    required : bool
    default : object
        As in TOML (plain values); None for a key that may be left out, and for a required one.
    example : object
        A value of the right kind.
    """

    name: str
    kind: str
    unit: str
    description: str
    required: bool
    default: Any
    example: Any

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "name": self.name,
            "type": self.kind,
            "unit": self.unit,
            "required": self.required,
            "default": self.default,
            "description": self.description,
        }


def options_of(model: type[BaseModel]) -> list[Option]:
    """Every key of a model, in its order."""
    schema = model.model_json_schema()
    return [_option(name, rows, schema) for name, rows in schema.get("properties", {}).items()]


def interface_of(model: type[KernelOptions]) -> Interface | None:
    """Fields that a kernel reads and gives with default options; None if that depends on options without default."""
    try:
        try:
            return model().interface()
        except ValidationError:
            return model.model_construct().interface()
    except Exception:  # whatever a plugin's interface() does without its required options
        return None


def _option(name: str, rows: Mapping[str, Any], schema: Mapping[str, Any]) -> Option:
    required = name in schema.get("required", ())
    return Option(
        name,
        _kind(rows, schema),
        str(rows.get("unit", "")),
        str(rows.get("description", "")),
        required,
        rows.get("default"),
        _example(name, rows, schema),
    )


def _followed(rows: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A reference's target, with what stands beside the reference."""
    if "$ref" not in rows:
        return rows
    return {**schema["$defs"][rows["$ref"].rpartition("/")[2]], **rows}


def _choices(rows: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Members of a union, without the null that TOML doesn't have."""
    return [r for r in rows.get("anyOf", rows.get("oneOf", [])) if r.get("type") != "null"]


def _kind(rows: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    rows = _followed(rows, schema)
    words = rows.get("enum", [rows["const"]] if "const" in rows else [])
    if words:
        return " | ".join(repr(w) for w in words)
    if _choices(rows):
        return " or ".join(dict.fromkeys(_kind(r, schema) for r in _choices(rows)))
    kind = rows.get("type", "any value")
    if kind == "array":
        return _array_kind(rows, schema)
    if "path" in str(rows.get("format", "")):
        return "path"
    name = {"boolean": "true or false", "object": "table"}.get(kind, kind)
    return " ".join([name, *(f"{sign} {rows[key]:g}" for key, sign in _LIMITS.items() if key in rows)])


def _array_kind(rows: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "prefixItems" in rows:
        return f"[{', '.join(_kind(r, schema) for r in rows['prefixItems'])}]"
    return f"array of {_kind(rows['items'], schema)}" if rows.get("items") else "array"


def _example(name: str, rows: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """Default, first example, or some value that is allowed."""
    rows = _followed(rows, schema)
    if rows.get("default") is not None:
        return rows["default"]
    stated = [*rows.get("examples", ()), *rows.get("enum", ()), *([rows["const"]] if "const" in rows else [])]
    if stated:
        return stated[0]
    if _choices(rows):
        return _example(name, _choices(rows)[0], schema)
    if rows.get("type") == "array":
        return _array_example(name, rows, schema)
    if rows.get("type") == "object":
        return {key: _example(key, r, schema) for key, r in rows.get("properties", {}).items()}
    return _scalar_example(name, rows)


def _array_example(name: str, rows: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Any]:
    if "prefixItems" in rows:
        return [_example(name, r, schema) for r in rows["prefixItems"]]
    return [_example(name, rows.get("items", {}), schema)] * max(1, rows.get("minItems", 1))


def _scalar_example(name: str, rows: Mapping[str, Any]) -> Any:
    if rows.get("type") in ("integer", "number"):
        return _number_example(rows)
    if rows.get("type") == "boolean":
        return True
    return f"path/to/{name}" if "path" in str(rows.get("format", "")) else name


def _number_example(rows: Mapping[str, Any]) -> float | int:
    """A number within the limits, and not zero, which often has a meaning of its own."""
    low = rows.get("minimum", rows.get("exclusiveMinimum", 0))
    high = rows.get("maximum", rows.get("exclusiveMaximum"))
    if rows["type"] == "integer":
        return int(low) + 1 if high is None else int(high)
    return float(low) + 1 if high is None else float(low) + 0.1 * (float(high) - float(low))
