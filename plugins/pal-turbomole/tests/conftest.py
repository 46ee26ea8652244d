"""A folder that looks like an installed Turbomole, whose programs are stand-ins, and kernels that use it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before PySCF is imported

import pytest
from installed import H2, WATER, Sample, build, install
from pal_core.kernels import Context

from pal_turbomole.options import DftOptions, TddftOptions
from pal_turbomole.oracle import Dft
from pal_turbomole.tddft import Tddft

sys.path.insert(0, str(Path(__file__).parent / "standins"))


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
    folder = install(tmp_path / "programs-of-turbomole")
    monkeypatch.setenv("TURBODIR", str(folder))
    monkeypatch.setenv("STANDIN_SOCKET", str(socket))
    monkeypatch.setenv("STANDIN_CALLS", str(tmp_path / "calls"))
    for name in ("STANDIN_DEFINE", "PARA_ARCH", "TURBOMOLE_LICENSE"):
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
def fail(tmp_path: Path) -> Callable[..., object]:
    """Makes programs fail from now on: ``"grad:stale"``; nothing makes them work."""
    return lambda failures="": (tmp_path / "failures").write_text(failures)


@pytest.fixture
def h2() -> Sample:
    return build([1, 1], H2)


@pytest.fixture
def water() -> Sample:
    return build([8, 1, 1], WATER)
