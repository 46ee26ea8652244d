"""The control machines are pure: no clock, no randomness, no input or output, no arrays."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pal_core.control

PURE = {"__future__", "collections", "collections.abc", "dataclasses", "enum", "heapq", "itertools", "math", "typing"}
MODULES = sorted(Path(pal_core.control.__file__).parent.glob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.name)
def test_module_imports_only_what_can_neither_wait_nor_draw_nor_print(path):
    own = {name for name in imported(tree(path)) if name.split(".")[:2] == ["pal_core", "control"]}
    assert imported(tree(path)) - own <= PURE


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.name)
def test_module_calls_no_builtin_that_reaches_outside(path):
    called = {n.func.id for n in ast.walk(tree(path)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not called & {"print", "open", "input", "eval", "exec", "__import__", "breakpoint"}


def test_all_machines_are_looked_at():
    books = {"durations", "exchange_books", "queue", "roster", "rounds", "sets", "stopping"}
    machines = {"ending", "exchange", "manager", "manager_plan"} | books
    assert {p.stem for p in MODULES} >= machines


def tree(path: Path) -> ast.AST:
    return ast.parse(path.read_text(encoding="utf-8"))
