"""Biases computed by PLUMED through its Python package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray
from pal_core.errors import PalError
from pal_core.kernels import Feedback

from pal_ase.biases import Bias

__all__ = ["PlumedBias"]


class PlumedBias(Bias):
    """The bias of a PLUMED input (Tribello et al., Comput. Phys. Commun. 185, 604 (2014)), by ASE's interface to it.

    Parameters
    ----------
    path : Path
        Input file. ``{walker}`` and ``{directory}`` in it are replaced.
    walker : int
    directory : Path
        For PLUMED's own files; its log goes there too.
    timestep : float
        In fs.
    thermal : float
        Boltzmann constant times temperature in eV.

    Notes
    -----
    PLUMED's memory can't be saved. After a restart it is told to restart itself, which it does from the files that it
    has written.
    """

    def __init__(self, path: Path, walker: int, directory: Path, timestep: float, thermal: float) -> None:
        try:
            import plumed  # noqa: F401 - ASE imports it too late to say who wants it
            from ase.calculators.plumed import Plumed
        except ImportError as e:
            raise PalError(
                "ase.biased-md: plumed: the Python package plumed is not installed",
                "install PLUMED and `pip install plumed`, or use restraints and metadynamics, which need neither",
            ) from e
        self._class = Plumed
        text = path.read_text(encoding="utf-8").replace("{walker}", str(walker)).replace("{directory}", str(directory))
        self._input = [line for line in text.splitlines() if line.strip()]
        self._directory, self._timestep, self._thermal = directory, timestep, thermal
        self._restart = False
        self._engine: Any = None

    def evaluate(self, atoms: Atoms, feedback: Feedback, time: int) -> tuple[float, NDArray[np.float64]]:
        """Energy and forces by PLUMED, which is told the time as its step."""
        if self._engine is None:
            self._engine = self._new(atoms)
        self._engine.atoms = atoms
        energy, forces = self._engine.compute_bias(atoms.get_positions(), time, float(feedback.mean["energy"]))[:2]
        return float(energy), np.array(forces, np.float64)

    def _new(self, atoms: Atoms) -> Any:
        self._directory.mkdir(parents=True, exist_ok=True)
        return self._class(
            None,
            self._input,
            self._timestep * units.fs,
            atoms,
            kT=self._thermal,
            log=str(self._directory / "plumed.log"),
            restart=self._restart,
        )

    def begin(self) -> None:
        """Another molecule: PLUMED begins anew."""
        self._engine, self._restart = None, False

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Whether PLUMED has been running."""
        return {"running": np.array(self._restart or self._engine is not None)}

    def restore(self, state: Any) -> None:
        """Restart PLUMED when it is needed, if it had been running."""
        self._engine, self._restart = None, bool(state["running"])
