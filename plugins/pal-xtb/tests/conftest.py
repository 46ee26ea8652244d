"""Samples and references for the tests of pal-xtb."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pal_core.kernels import Context

from pal_xtb.samples import SYMBOLS

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before tblite is imported

HERE = Path(__file__).parent
REFERENCE = HERE.parents[3] / "shared" / "reference" / "hat"
Sample = dict[str, np.ndarray]

# G2 geometry (ase.build.molecule("CH3CH2OH")) [Å].
ETHANOL = [
    [1.168181, -0.400382, 0.0],
    [0.0, 0.559462, 0.0],
    [-1.190083, -0.227669, 0.0],
    [-1.946623, 0.381525, 0.0],
    [0.042557, 1.207508, 0.886933],
    [0.042557, 1.207508, -0.886933],
    [2.115891, 0.1448, 0.0],
    [1.128599, -1.037234, 0.885881],
    [1.128599, -1.037234, -0.885881],
]


def build(numbers: Any, positions: Any, charge: int = 0, multiplicity: int = 1, cell: Any = None) -> Sample:
    """A sample of pal-ase's schema; periodic if a cell is given."""
    return {
        "numbers": np.asarray(numbers, np.int32),
        "positions": np.asarray(positions, np.float64),
        "cell": np.zeros((3, 3)) if cell is None else np.asarray(cell, np.float64),
        "pbc": np.full(3, cell is not None),
        "charge": np.asarray(charge, np.int32),
        "multiplicity": np.asarray(multiplicity, np.int32),
    }


@pytest.fixture
def make() -> Callable[..., Sample]:
    return build


@pytest.fixture
def ethanol() -> Sample:
    return build([6, 6, 8, 1, 1, 1, 1, 1, 1], ETHANOL)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context("oracle", directory=tmp_path)


@pytest.fixture
def data() -> Path:
    return HERE / "data"


def _frames(path: Path) -> list[tuple[list[str], np.ndarray]]:
    lines = path.read_text().splitlines()
    out, i = [], 0
    while i < len(lines) and lines[i].strip():
        rows = [line.split() for line in lines[i + 2 : i + 2 + int(lines[i])]]
        out.append(([r[0] for r in rows], np.array([r[1:4] for r in rows], np.float64)))
        i += 2 + len(rows)
    return out


@pytest.fixture
def radicals() -> list[tuple[Sample, float, np.ndarray]]:
    """GFN2-xTB doublets of others: sample, energy [eV] and forces [eV/Å]."""
    if not REFERENCE.is_dir():
        pytest.skip(f"no reference data in {REFERENCE}")
    out = []
    for part in ("hat", "hat_intra"):
        stem = str(REFERENCE / f"aa_test_nms_{part}_")
        coordinates, forces = _frames(Path(stem + "coords_sampled.xyz")), _frames(Path(stem + "forces_sampled.xyz"))
        energies = np.load(stem + "energies_sampled.npy", allow_pickle=False)
        for (symbols, positions), (_, force), energy in zip(coordinates, forces, energies, strict=True):
            numbers = [SYMBOLS.index(s) for s in symbols]
            out.append((build(numbers, positions, multiplicity=2), float(energy), force))
    return out
