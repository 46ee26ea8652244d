"""A folder that looks like an installed Turbomole, whose programs are stand-ins, and kernels that use it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before PySCF is imported

import numpy as np
import pytest
from pal_core.kernels import Context

from pal_turbomole.options import DftOptions, TddftOptions
from pal_turbomole.oracle import Dft
from pal_turbomole.tddft import Tddft

HERE = Path(__file__).parent
PROGRAMS = ("define", "dscf", "ridft", "grad", "rdgrad", "escf", "egrad")
MACHINE = "x86_64-unknown-linux-gnu"
Sample = dict[str, np.ndarray]
sys.path.insert(0, str(HERE / "standins"))

WATER = [[0.0, 0.0, 0.119], [0.0, 0.763, -0.477], [0.02, -0.763, -0.47]]
H2 = [[0.1, 0.0, 0.0], [0.3, 0.4, 0.55]]


def build(numbers: Any, positions: Any, charge: int = 0, multiplicity: int = 1) -> Sample:
    """A sample of pal-ase's schema."""
    return {
        "numbers": np.asarray(numbers, np.int32),
        "positions": np.asarray(positions, np.float64),
        "cell": np.zeros((3, 3)),
        "pbc": np.zeros(3, bool),
        "charge": np.asarray(charge, np.int32),
        "multiplicity": np.asarray(multiplicity, np.int32),
    }


def install(folder: Path, programs: tuple[str, ...] = PROGRAMS, kinds: tuple[str, ...] = ("",)) -> Path:
    """A folder with scripts, programs and a licence."""
    (folder / "scripts").mkdir(parents=True)
    _script(folder / "scripts" / "sysname", f'echo {MACHINE}$(echo "${{PARA_ARCH:+_$PARA_ARCH}}" | tr A-Z a-z)')
    (folder / "LICENSE").mkdir()
    (folder / "LICENSE" / "license.txt").write_text("a licence\n")
    python = f"exec {shlex.quote(sys.executable)} -I -S {shlex.quote(str(HERE / 'standins' / 'program.py'))}"
    for kind in kinds:
        (folder / "bin" / f"{MACHINE}{kind}").mkdir(parents=True)
        for name in programs:
            _script(folder / "bin" / f"{MACHINE}{kind}" / name, f"{python} {name}")
    return folder


def _script(path: Path, code: str) -> None:
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(0o755)


@pytest.fixture(scope="session")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the stand-ins have things computed."""
    from chemistry import Chemistry, serving

    path = tmp_path_factory.mktemp("chemistry") / "socket"
    with serving(Chemistry(), path):
        yield path


@pytest.fixture
def turbomole(tmp_path: Path, socket: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed Turbomole."""
    folder = install(tmp_path / "turbomole")
    monkeypatch.setenv("TURBODIR", str(folder))
    monkeypatch.setenv("STANDIN_SOCKET", str(socket))
    monkeypatch.setenv("STANDIN_CALLS", str(tmp_path / "calls"))
    for name in ("STANDIN_FAILURE", "STANDIN_DEFINE", "PARA_ARCH", "TURBOMOLE_LICENSE"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context("oracle", directory=tmp_path / "scratch")


@pytest.fixture
def dft(turbomole: Path, context: Context) -> Callable[..., Dft]:
    """Makes kernels: Hartree-Fock in a small basis set, if nothing else is said."""

    def make(**options: Any) -> Dft:
        return Dft(DftOptions(**({"functional": "hf", "basis": "sto-3g"} | options)), context)

    return make


@pytest.fixture
def tddft(turbomole: Path, context: Context) -> Callable[..., Tddft]:
    def make(**options: Any) -> Tddft:
        return Tddft(TddftOptions(**({"functional": "hf", "basis": "6-31g", "states": 2} | options)), context)

    return make


@pytest.fixture
def calls(tmp_path: Path) -> Callable[[], list[str]]:
    """Names of the programs that have been run."""

    def names() -> list[str]:
        path = tmp_path / "calls"
        return path.read_text().split() if path.exists() else []

    return names


@pytest.fixture
def h2() -> Sample:
    return build([1, 1], H2)


@pytest.fixture
def water() -> Sample:
    return build([8, 1, 1], WATER)
