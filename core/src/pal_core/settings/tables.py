"""The tables of a settings file, each validated by itself so that one mistake hides no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pal_core.options import KernelOptions
from pal_core.plugins.words import did_you_mean
from pal_core.settings import model
from pal_core.settings.kernels import salvaged, validate
from pal_core.settings.lines import KeyPath
from pal_core.settings.report import Report, shown

__all__ = ["TABLES", "check_names", "entries", "table"]

TABLES: Mapping[str, type[BaseModel]] = {
    "run": model.RunTable,
    "generator": model.GeneratorTable,
    "model": model.ModelTable,
    "training": model.TrainingTable,
    "oracle": model.OracleTable,
    "selection": model.SelectionTable,
    "check": model.CheckTable,
    "data": model.DataTable,
    "stop": model.StopTable,
    "placement": model.NodeRule,
}
"""Model of each table, and of each entry of the two arrays of tables."""

T = TypeVar("T", bound=BaseModel)


def check_names(data: Mapping[str, Any], report: Report) -> None:
    """Report unknown tables and missing ones."""
    for name in data.keys() - TABLES.keys():
        owners = [t for t, m in TABLES.items() if name in m.model_fields]
        hint = f"it belongs in [{owners[0]}]" if owners else did_you_mean(name, TABLES, "known tables")
        report.add((name,), "unknown table" if isinstance(data[name], dict) else "unknown key", "", hint)
    for name in ("generator", "model"):
        if name not in data:
            report.add((name,), "nothing", f"a [{name}] table")


def table(
    data: Mapping[str, Any], name: str, kind: type[T], report: Report, options: type[KernelOptions] | None = None
) -> T | None:
    """Validate a table; a missing one has its defaults, or is None where it has none.

    Parameters
    ----------
    options : type of KernelOptions, optional
        Of the table's kernel, to know an option that stands in the wrong place.
    """
    if name not in data and name in ("generator", "model", "training", "oracle"):
        return None
    return _validated(data.get(name, {}), (name,), kind, report, options)


def entries(data: Mapping[str, Any], name: str, kind: type[T], report: Report) -> list[T | None]:
    """Validate an array of tables; None for entries of which nothing can be made."""
    found = data.get(name, [])
    if not isinstance(found, list):
        report.add((name,), shown(found), "an array of tables", f"write [[{name}]]")
        return []
    return [_validated(entry, (name, i), kind, report) for i, entry in enumerate(found)]


def _validated(
    data: Any, path: KeyPath, kind: type[T], report: Report, options: type[KernelOptions] | None = None
) -> T | None:
    if not isinstance(data, dict):
        report.add(path, shown(data), "a table")
        return None
    try:
        return validate(kind, data)
    except ValidationError as e:
        report.add_errors(path, kind, data, e, _advice(str(path[0]), kind, options))
        return salvaged(kind, data, e)


def _advice(name: str, kind: type[BaseModel], options: type[KernelOptions] | None) -> Callable[[KeyPath], str]:
    """Where an unknown key of a table belongs, if that is known."""

    def advice(where: KeyPath) -> str:
        key = str(where[-1])
        if options and key in options.model_fields:
            return f"it is an option of the kernel: write it in [{name}.options]"
        others = [t for t, m in TABLES.items() if t != name and key in m.model_fields]
        return f"it belongs in [{others[0]}]" if others and len(where) == 1 else ""

    return advice
