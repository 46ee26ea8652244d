"""Reading what OpenFOAM writes: fields, logs, forces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pal_cfd.shapes import Floats

__all__ = ["FoamLog", "OutputError", "read_field", "read_force", "read_log", "read_mesh_quality"]

_NUMBER = r"([-+0-9.eE]+)"


class OutputError(Exception):
    """A file of OpenFOAM that doesn't hold what it should."""


@dataclass(frozen=True)
class FoamLog:
    """A solver's log.

    Parameters
    ----------
    residuals : dict of str to float
        Initial residual of each field at its last solution.
    continuity : float
        Sum of the local errors of the mass balance; NaN if there is none.
    drive : float
        Last pressure gradient of meanVelocityForce; NaN if there is none.
    converged : bool
        Whether the solver says that its iterations have converged.
    time : int
        Last time or iteration.
    """

    residuals: dict[str, float]
    continuity: float
    drive: float
    converged: bool
    time: int

    def line(self) -> str:
        """One line of evidence."""
        residuals = ", ".join(f"{name} {value:.2e}" for name, value in self.residuals.items())
        return f"iteration {self.time}: initial residuals {residuals}; continuity error {self.continuity:.2e}"


def _last(pattern: str, text: str) -> float:
    found = re.findall(pattern, text)
    return float(found[-1]) if found else float("nan")


def read_log(text: str) -> FoamLog:
    """Read the log of simpleFoam or scalarTransportFoam.

    Raises
    ------
    OutputError
        If it ends before its end.
    """
    if not re.search(r"^End$", text, re.MULTILINE):
        raise OutputError("the log does not reach its end")
    last = text[text.rfind("\nTime = ") :]
    residuals: dict[str, float] = {}
    for name, value in re.findall(rf"Solving for (\w+), Initial residual = {_NUMBER}", last):
        residuals.setdefault(name, float(value))  # the first one; others belong to corrections
    if not residuals:
        raise OutputError("the log holds no residuals")
    time = re.findall(r"^Time = (\d+)", text, re.MULTILINE)
    return FoamLog(
        residuals,
        _last(rf"sum local = {_NUMBER}", last),
        _last(rf"pressure gradient = {_NUMBER}", text),
        bool(re.search(r"solution converged in \d+ iterations", text)),
        int(time[-1]),
    )


def read_mesh_quality(text: str) -> str:
    """What checkMesh says of the mesh, in one line.

    Raises
    ------
    OutputError
        If it does not find the mesh OK.
    """
    angle, skewness = (_last(rf"{what}\s*[:=]\s*{_NUMBER}", text) for what in ("non-orthogonality Max", "Max skewness"))
    line = f"checkMesh: greatest non-orthogonality {angle:g}°, greatest skewness {skewness:g}"
    if "Mesh OK." not in text:
        raise OutputError(f"{line}; the mesh is not OK")
    return line


def read_field(path: Path, cells: int) -> Floats:
    """Values in the cells: shape (cells,) of a scalar, (cells, 3) of a vector.

    Raises
    ------
    OutputError
        If there aren't as many, or one is not finite.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise OutputError(f"{path.name} of time {path.parent.name} is not there") from error
    found = re.search(r"internalField\s+nonuniform\s+List<(\w+)>\s*(\d+)\s*\((.*?)\n\)\s*;", text, re.DOTALL)
    if found is None:
        raise OutputError(f"{path.name} of time {path.parent.name} has no values in its cells")
    values = np.array(found[3].replace("(", " ").replace(")", " ").split(), np.float64)
    if values.size % cells or not np.isfinite(values).all():
        raise OutputError(f"{path.name} of time {path.parent.name} has {values.size} numbers for {cells} cells")
    return values if found[1] == "scalar" else values.reshape(cells, -1)


def read_force(path: Path) -> Floats:
    """Force on all walls at the last iteration, shape (3,): pressure and viscous part together.

    Raises
    ------
    OutputError
        If there is none.
    """
    try:
        rows = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        numbers = [float(x) for x in rows[-1].replace("(", " ").replace(")", " ").split()]
    except (OSError, IndexError, ValueError) as error:
        raise OutputError(f"no forces in {path.name}: {error}") from error
    if len(numbers) < 4:
        raise OutputError(f"{path.name} has {len(numbers)} columns, time and a force are wanted")
    return np.array(numbers[1:4])
