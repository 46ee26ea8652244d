"""Metadynamics: hills of energy on the way of a walker, which keep it from coming back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pal_core.kernels import Feedback

from pal_ase.bias_options import MetadynamicsOptions
from pal_ase.biases import Bias
from pal_ase.variables import Variable

__all__ = ["Metadynamics"]

Floats = NDArray[np.float64]


class Metadynamics(Bias):
    """Gaussian hills on the way of the walker.

    Parameters
    ----------
    options : MetadynamicsOptions
    thermal : float
        Boltzmann constant times temperature in eV, for well-tempered metadynamics (Barducci, Bussi and Parrinello,
        Phys. Rev. Lett. 100, 020603 (2008)).

    Attributes
    ----------
    centres : ndarray, shape (hills, variables)
        In Å or rad.
    heights : ndarray, shape (hills,)
        In eV.
    """

    def __init__(self, options: MetadynamicsOptions, thermal: float) -> None:
        self._variables = [Variable(v) for v in options.variables]
        pairs = zip(options.variables, self._variables, strict=True)
        self.widths = np.array([o.width * v.unit for o, v in pairs])
        self._options = options
        self._thermal = thermal
        self.begin()

    def begin(self) -> None:
        """No hills."""
        self.centres: Floats = np.empty((0, len(self._variables)))
        self.heights: Floats = np.empty(0)

    def hills(self, values: Floats) -> tuple[float, Floats]:
        """Sum of the hills in eV, and its derivatives, shape (variables,), in eV/Å or eV/rad."""
        away = values - self.centres
        for k, variable in enumerate(self._variables):
            away[:, k] = variable.shortest(away[:, k])
        away /= self.widths
        parts = self.heights * np.exp(-0.5 * np.einsum("ij,ij->i", away, away))
        return float(parts.sum()), -(parts @ away) / self.widths

    def evaluate(self, atoms: Atoms, feedback: Feedback, time: int) -> tuple[float, Floats]:
        """Energy and forces of all hills."""
        found = [v.evaluate(atoms) for v in self._variables]
        energy, slopes = self.hills(np.array([value for value, _ in found]))
        forces = -sum(slope * gradient for slope, (_, gradient) in zip(slopes, found, strict=True))
        return energy, np.asarray(forces)

    def advance(self, atoms: Atoms, time: int) -> None:
        """Put the next hill, if it is time."""
        if time % self._options.every:
            return
        here = np.array([v.evaluate(atoms)[0] for v in self._variables])
        height = self._options.height
        if self._options.bias_factor is not None:
            height *= float(np.exp(-self.hills(here)[0] / (self._thermal * (self._options.bias_factor - 1))))
        self.centres = np.vstack([self.centres, here])
        self.heights = np.append(self.heights, height)

    def write(self, path: Path) -> None:
        """Text file with a line for every hill: values and widths of the variables (Å or degrees), height (eV)."""
        units = np.array([v.unit for v in self._variables])
        widths = np.broadcast_to(self.widths / units, self.centres.shape)
        names = [o.kind for o in self._options.variables]
        path.parent.mkdir(parents=True, exist_ok=True)
        header = " ".join([*names, *(f"width_of_{name}" for name in names), "height"])
        np.savetxt(path, np.column_stack([self.centres / units, widths, self.heights]), "%.8g", header=header)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """All hills."""
        return {"centres": self.centres.copy(), "heights": self.heights.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on with the hills of a snapshot."""
        self.centres, self.heights = np.array(state["centres"]), np.array(state["heights"])
