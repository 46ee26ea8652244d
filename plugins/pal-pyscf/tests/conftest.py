"""Samples for the tests of pal-pyscf."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pal_core.kernels import Context
from samples import FORMALDEHYDE, WATER, Sample

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before PySCF is imported


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context("oracle", directory=tmp_path)


@pytest.fixture
def dft(context: Context) -> Callable[..., Any]:
    """Make `pyscf.dft`, with a small basis set unless another is wanted."""

    def make(**options: Any) -> Any:
        from pal_pyscf.options import DftOptions
        from pal_pyscf.oracle import Dft

        return Dft(DftOptions(**{"functional": "hf", "basis": "sto-3g", **options}), context)

    return make


@pytest.fixture
def tddft(context: Context) -> Callable[..., Any]:
    """Make `pyscf.tddft`, with a small basis set unless another is wanted."""

    def make(**options: Any) -> Any:
        from pal_pyscf.options import TddftOptions
        from pal_pyscf.oracle import Tddft

        return Tddft(
            TddftOptions(**{"functional": "hf", "basis": "sto-3g", "states": 2, "margin": 1, **options}), context
        )

    return make


@pytest.fixture
def water() -> Sample:
    return WATER


@pytest.fixture
def formaldehyde() -> Sample:
    return FORMALDEHYDE
