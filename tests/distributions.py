"""What every distribution of this repository has in common, as rules that name who breaks them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from documents import ROOT
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDERS = [ROOT / "core", *sorted(p.parent for p in ROOT.glob("plugins/*/pyproject.toml"))]
SHARED = {"pal-core", "pal-ase", "pal-design"}
"""Distributions of PAL that others may depend on."""


def project(folder: Path) -> dict[str, Any]:
    """The table ``project`` of a distribution."""
    table: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def problems(folder: Path) -> list[str]:
    """Every rule that a distribution breaks."""
    table = project(folder)
    package = table["name"].replace("-", "_")
    found = [*_files(folder, package), *_requirements(table), *_entry_point(folder, table)]
    if table["name"] != "pal-core" and folder.name != table["name"]:
        found.append(f"the folder {folder.name} holds the distribution {table['name']}")
    if table.get("requires-python") != ">=3.10":
        found.append(f"requires-python is {table.get('requires-python')!r}, '>=3.10' is wanted")
    return found


def _files(folder: Path, package: str) -> Iterator[str]:
    source = folder / "src" / package
    for path in (folder / "README.md", folder / "CHANGELOG.md", source / "__init__.py", source / "py.typed"):
        if not path.is_file():
            yield f"{path.relative_to(folder)} is missing"
    if not any((folder / "tests").rglob("test_*.py")):
        yield "there are no tests"
    if (source / "__init__.py").is_file() and (folder / "CHANGELOG.md").is_file():
        yield from _version(folder, source / "__init__.py")


def _version(folder: Path, init: Path) -> Iterator[str]:
    table = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    path = table.get("tool", {}).get("hatch", {}).get("version", {}).get("path")
    if table["project"].get("dynamic") != ["version"] or path != init.relative_to(folder).as_posix():
        yield f"the version doesn't come from {init.relative_to(folder)}"
    version = re.search(r'^__version__ = "([^"]+)"$', init.read_text(encoding="utf-8"), re.MULTILINE)
    if version is None:
        yield "__init__.py has no __version__"
    elif f"\n## {version[1]}\n" not in (folder / "CHANGELOG.md").read_text(encoding="utf-8"):
        yield f"CHANGELOG.md has no heading for version {version[1]}"


def _requirements(table: dict[str, Any]) -> Iterator[str]:
    extras: dict[str, list[str]] = table.get("optional-dependencies", {})
    if "test" not in extras:
        yield "there is no extra 'test'"
    named = [Requirement(t) for t in table["dependencies"]]
    core = [r for r in named if r.name == "pal-core"]
    if table["name"] != "pal-core" and not core:
        yield "pal-core is no dependency"
    for requirement in [*named, *(Requirement(t) for texts in extras.values() for t in texts)]:
        operators = {s.operator for s in requirement.specifier}
        if requirement.name.startswith("pal-") and requirement.name not in SHARED:
            yield f"it depends on {requirement.name}; it may on {', '.join(sorted(SHARED))}"
        if requirement.name in SHARED and requirement in named and operators != {">=", "<"}:
            yield f"{requirement} is no range of versions"
        if operators & {"==", "===", "~="}:
            yield f"{requirement} pins a version"


def _entry_point(folder: Path, table: dict[str, Any]) -> Iterator[str]:
    points: dict[str, str] = table.get("entry-points", {}).get("pal", {})
    if len(points) != 1:
        yield f"there is not one entry point in the group 'pal' but {len(points)}"
    for target in points.values():
        if not (folder / "src" / f"{target.replace('.', '/')}.py").is_file():
            yield f"the entry point's module {target} is not there"


def imported(path: Path) -> set[str]:
    """Top-level modules that a file imports anywhere in it, outside of ``if TYPE_CHECKING``."""
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen: list[ast.AST] = [tree]
    while unseen:
        node = unseen.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            unseen.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).partition(".")[0])
        unseen.extend(ast.iter_child_nodes(node))
    return found
