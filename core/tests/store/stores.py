"""Stores and disks for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.store.store import Store

__all__ = ["add", "fill", "label", "open_store", "root_only", "run_code", "value"]

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk or become somebody else")


def open_store(directory: Path) -> Store:
    store = Store(directory, write=True)
    store.agree(SAMPLE, LABEL, LABEL)
    store.open_session("{}", {})
    return store


def add(store: Store, *numbers: int, x: float | None = None, **record) -> None:
    for n in numbers:
        content = {"x": np.array([n if x is None else x, 0.0])}
        given = {"origin": "active", "walker": n % 4, "version": 2, "score": 0.5, **record}
        store.add_sample(n, content, **given)


def value(energy: float) -> dict[str, np.ndarray]:
    return {"energy": np.array(float(energy)), "gradient": np.full(2, float(energy))}


def label(store: Store, *numbers: int, energy: float | None = None, level: str = "") -> None:
    for n in numbers:
        store.add_label(n, value(n if energy is None else energy), "pal.toy-oracle", "pal-core 0.1", level)


def fill(directory: Path) -> Path:
    """Use up every byte of the disk."""
    path = directory / "filler"
    with path.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return path


def run_code(code: str, *arguments: object, **more) -> subprocess.CompletedProcess[str]:
    """Code in a process of its own, which finds this module."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
        **more,
    )
