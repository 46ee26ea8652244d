"""A settings file made small: minutes of computing become seconds, and nothing can be concluded from its numbers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from pal_core.cli.toml_text import toml_key, toml_value
from pal_core.reading import parse_toml

__all__ = ["smaller"]

CHANGES: dict[str, dict[str, Any]] = {
    "generator": {"walkers": 3},
    "model": {"members": 2},
    "training": {"retrain_after": 10, "first_epochs": 40, "min_epochs": 2, "final_time": 8},
    "stop": {"labels": 24},
}


def smaller(settings: Path, folder: Path) -> Path:
    """Write a small variant to `folder`: two and three atoms, few labels; paths in it are made absolute."""
    tables = copy.deepcopy(parse_toml(settings.read_text(encoding="utf-8")))
    for table, changes in CHANGES.items():
        tables[table] |= changes
    tables["generator"]["options"]["structure"]["sizes"] = [2, 3]
    tables["model"]["options"]["features"] = 16
    tables["selection"]["options"]["upper"] = 0.05
    tables["run"]["directory"] = str(folder.resolve() / settings.stem)
    tables["data"]["initial"] = [str(folder.resolve() / "sets" / Path(p).name) for p in tables["data"]["initial"]]
    folder.mkdir(parents=True, exist_ok=True)
    small = folder / settings.name
    small.write_text("\n".join(_lines(tables)) + "\n", encoding="utf-8")
    return small


def _lines(tables: dict[str, Any]) -> list[str]:
    lines = []
    for name, table in tables.items():
        for one in table if isinstance(table, list) else [table]:
            lines += ["", f"[[{name}]]" if isinstance(table, list) else f"[{name}]"]
            lines += [f"{toml_key(key)} = {toml_value(value)}" for key, value in one.items()]
    return lines
