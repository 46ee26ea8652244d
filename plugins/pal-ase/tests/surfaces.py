"""Potential energy surfaces of which the stationary points are known."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.constraints import FixAtoms
from pal_core.builtin.surface import muller_brown

SCALE = 0.02
"""eV for the unit of energy, so that forces are those of molecules."""
MINIMA = np.array([[-0.558, 1.442], [0.623, 0.028], [-0.050, 0.467]])
SADDLES = np.array([[-0.822, 0.624], [0.212, 0.293]])
"""K. Müller and L. D. Brown, Theor. Chim. Acta 53, 75 (1979), table 1, with the energies below."""
MINIMUM_ENERGIES = SCALE * np.array([-146.700, -108.167, -80.768])
SADDLE_ENERGIES = SCALE * np.array([-40.665, -72.249])


class MullerBrown(Calculator):
    """A hydrogen atom on the Müller-Brown surface, held in the plane by a spring; a fixed argon atom feels nothing."""

    implemented_properties: ClassVar = ["energy", "forces"]

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        x = self.atoms.positions[0]
        energy, gradient = muller_brown(x[None, :2])
        forces = np.zeros((2, 3))
        forces[0] = [*(-SCALE * gradient[0]), -50 * x[2]]
        self.results = {"energy": SCALE * energy[0] + 25 * x[2] ** 2, "forces": forces}


def on_surface(x: float, y: float) -> Atoms:
    return Atoms("HAr", [[x, y, 0], [0, 0, 3]], constraint=FixAtoms([1]))
