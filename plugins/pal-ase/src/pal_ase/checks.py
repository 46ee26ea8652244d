"""Checks that look at one label alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Context, Expected, Label, LabelCheck, Sample

from pal_ase.balance import net_force, net_torque
from pal_ase.bonds import stiffness
from pal_ase.check_options import FiniteOptions, PlausibleOptions

__all__ = ["Finite", "Plausible"]

Floats = NDArray[np.float64]

_SOFTEST = 0.2
"""e²/4πε₀r³. Bonds have 1 to 14; in Hartree/bohr that is 0.02 to 0.27, and 0.05 to 0.1 where atoms are terminal."""
_ERRORS = 3.0
_WARM = 0.1
"""eV/Å. In structures less disturbed bonds that differ at rest may look soft: no sign of a unit."""


class Finite(LabelCheck):
    """No NaN and no infinity in any field of a label."""

    Options = FiniteOptions

    def check(self, sample: Sample, label: Label, expected: Expected | None) -> str | None:
        """Fields that are not finite, or None."""
        bad = [name for name, value in label.items() if not np.isfinite(value).all()]
        return f"not finite: {', '.join(bad)}" if bad else None


class Plausible(LabelCheck):
    """What no calculation gives: forces on other atoms, too large, zeroed, or that would push or turn a free molecule.

    Notes
    -----
    Energies don't change when everything is moved or turned, so forces add up to zero, and in an isolated molecule so
    do their torques. Forces listed in another order of the atoms than the positions keep the sum, but not the torque.
    Bonds of terminal atoms (`pal_ase.bonds.stiffness`) resist: longer ones pull, shorter ones push. Sign and unit of
    the forces show by that in a single label, before there is another one to compare with.
    """

    Options = PlausibleOptions

    def __init__(self, options: PlausibleOptions, context: Context) -> None:
        super().__init__(options, context)
        self.options: PlausibleOptions = options

    def check(self, sample: Sample, label: Label, expected: Expected | None) -> str | None:
        """What is implausible about the label, or None."""
        forces, positions = np.asarray(label["forces"], np.float64), np.asarray(sample["positions"], np.float64)
        if forces.shape != positions.shape:
            return f"forces have the shape {forces.shape}, the positions {positions.shape}"
        if not len(forces):
            return None
        free = not np.any(sample["pbc"])
        size = np.linalg.norm(forces, axis=1)
        return (
            self._zeroed(size, float(label["energy"]), free)
            or self._huge(size)
            or self._net(forces)
            or (self._torque(positions, forces) if free else None)
            or (self._bonds(sample, forces) if self.options.bonds else None)
        )

    def _zeroed(self, size: Floats, energy: float, free: bool) -> str | None:
        zero = size == 0.0
        if not self.options.zeroed or not zero.any():
            return None
        if not zero.all():
            return (
                f"{int(zero.sum())} of {len(size)} atoms, the first of them number {int(np.argmax(zero))}, have "
                "exactly no force, as if a constraint had been applied (option zeroed)"
            )
        if energy == 0.0:
            return "energy and forces are exactly zero (option zeroed)"
        # A perfect crystal has none by symmetry; a molecule only to within rounding.
        if free and len(size) > 1:
            return f"the forces on all {len(size)} atoms are exactly zero (option zeroed)"
        return None

    def _huge(self, size: Floats) -> str | None:
        limit = self.options.max_force
        k = int(np.argmax(size))
        # Written so that NaN is refused.
        if not limit or size[k] <= limit:
            return None
        return f"force of {size[k]:.3g} eV/Å on atom {k}, limit {limit:g} (option max_force)"

    def _net(self, forces: Floats) -> str | None:
        limit = self.options.net_force
        found = net_force(forces)
        if not limit or found <= limit:
            return None
        return f"the forces add up to {found:.3g} eV/Å per atom, limit {limit:g} (option net_force)"

    def _torque(self, positions: Floats, forces: Floats) -> str | None:
        limit = self.options.net_torque
        found = net_torque(positions, forces)
        if not limit or found <= limit:
            return None
        return (
            f"the forces would turn the free molecule: their torques add up to {found:.3g} eV/Å per atom and radius of "
            f"gyration, limit {limit:g}; forces of another order of the atoms or another geometry do that "
            "(option net_torque)"
        )

    def _bonds(self, sample: Sample, forces: Floats) -> str | None:
        found = stiffness(sample, forces)
        if found is None:
            return None
        least, most = found.value - _ERRORS * found.error, found.value + _ERRORS * found.error
        if most < -_SOFTEST:
            what, guess = "pull where they are compressed", "the gradient for the forces"
        elif least > 0 and most < _SOFTEST and found.disturbance >= _WARM:
            what, guess = "are far too soft", "another unit, as Hartree/bohr for eV/Å"
        else:
            return None
        return (
            f"by these forces {found.bonds} bonds {what}: stiffness of {found.value:.2g} ± {found.error:.1g} "
            f"e²/4πε₀r³, 1 to 14 is usual; {guess}? (option bonds)"
        )
