"""A settings file made small: minutes of computing become seconds, and nothing can be concluded from its numbers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import ase.io

from pal_core.cli.toml_text import toml_key, toml_value
from pal_core.reading import parse_toml

__all__ = ["smaller"]

CHANGES: dict[str, dict[str, Any]] = {
    "generator": {"walkers": 4},
    "model": {"members": 2},
    "training": {"retrain_after": 10, "first_epochs": 10, "min_epochs": 2, "final_time": 10},
    "data": {"bootstrap": 16},
    "stop": {"labels": 40},
}
"""What any of the settings files gets."""
COARSE = {"functional": "hf", "basis": "sto-3g"}
"""What DFT becomes: Hartree-Fock, which needs no grid."""
SMALLEST = "methyl + methane"


def smaller(settings: Path, folder: Path) -> Path:
    """Write a small variant to `folder`; paths in it are made absolute."""
    tables = copy.deepcopy(parse_toml(settings.read_text(encoding="utf-8")))
    for table, changes in CHANGES.items():
        tables[table] |= changes
    if "features" in tables["model"]["options"]:
        tables["model"]["options"]["features"] = 16
    tables["run"]["directory"] = str(folder.resolve() / settings.stem)
    for key in ("structure", "function"):
        tables["generator"]["options"][key] = str(settings.parent.resolve() / tables["generator"]["options"][key])
    if tables["oracle"]["kernel"] == "pyscf.dft":
        tables["oracle"]["options"] |= COARSE
        tables["stop"]["labels"] = 24
    folder.mkdir(parents=True, exist_ok=True)
    tables["generator"]["options"]["structure"] = _fewer(tables["generator"]["options"]["structure"], folder)
    small = folder / settings.name
    small.write_text("\n".join(_lines(tables)) + "\n", encoding="utf-8")
    return small


def _fewer(structures: str, folder: Path) -> str:
    """The structures of the smallest reaction."""
    frames = [atoms for atoms in ase.io.read(structures, index=":") if atoms.info["name"].endswith(SMALLEST)]
    ase.io.write(folder / "seen.extxyz", frames)
    return str(folder.resolve() / "seen.extxyz")


def _lines(tables: dict[str, Any]) -> list[str]:
    lines = []
    for name, table in tables.items():
        for one in table if isinstance(table, list) else [table]:
            lines += ["", f"[[{name}]]" if isinstance(table, list) else f"[{name}]"]
            lines += [f"{toml_key(key)} = {toml_value(value)}" for key, value in one.items()]
    return lines
