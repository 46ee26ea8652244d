from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write
from pal_core.kernels import Context


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def context(tmp_path: Path, notes: list[str]) -> Callable[..., Context]:
    def make(
        index: int = 0, role: str = "generator", seed: int = 3, directory: Path | None = None, count: int = 1
    ) -> Context:
        return Context(role, index, seed, directory or tmp_path / "run", note=notes.append, count=count)

    return make


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write structures to a file."""

    def write_file(*images: Atoms, name: str = "start.extxyz", **keywords: Any) -> Path:
        path = tmp_path / name
        write(path, list(images), **keywords)
        return path

    return write_file


@pytest.fixture
def crystal() -> Atoms:
    """32 atoms of copper, a little out of place."""
    atoms = bulk("Cu", cubic=True).repeat(2)
    atoms.rattle(0.02, seed=1)
    return atoms


@pytest.fixture
def ethanol() -> Atoms:
    return molecule("CH3CH2OH")
