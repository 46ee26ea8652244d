"""Samples, and a folder that looks like an installed Turbomole whose programs are stand-ins."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
PROGRAMS = ("define", "dscf", "ridft", "grad", "rdgrad", "escf", "egrad")
MACHINE = "x86_64-unknown-linux-gnu"
Sample = dict[str, np.ndarray]
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
