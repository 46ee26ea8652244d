"""Checks that every label passes before anything is trained on it."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Context, Label, LabelCheck, Sample

from pal_ase.label_options import ConsistentOptions, FiniteOptions, PlausibleOptions

__all__ = ["Consistent", "Finite", "Plausible"]

Floats = NDArray[np.float64]


class Finite(LabelCheck):
    """No NaN and no infinity in any field of a label."""

    Options = FiniteOptions

    def check(self, sample: Sample, label: Label) -> str | None:
        """Fields that are not finite, or None."""
        bad = [name for name, value in label.items() if not np.isfinite(value).all()]
        return f"not finite: {', '.join(bad)}" if bad else None


class Plausible(LabelCheck):
    """Forces that are too large, don't add up to zero, or were zeroed by constraints."""

    Options = PlausibleOptions

    def check(self, sample: Sample, label: Label) -> str | None:
        """What is implausible about the forces, or None."""
        forces = np.asarray(label["forces"], np.float64)
        if not len(forces):
            return None
        size = np.linalg.norm(forces, axis=1)
        return self._zeroed(size) or self._huge(size) or self._net(forces)

    def _zeroed(self, size: Floats) -> str | None:
        zero = size == 0.0
        if not self.options.zeroed or zero.all() or not zero.any():
            return None
        return (
            f"{int(zero.sum())} of {len(size)} atoms, the first of them number {int(np.argmax(zero))}, have exactly no "
            "force, as if a constraint had been applied (option zeroed)"
        )

    def _huge(self, size: Floats) -> str | None:
        limit = self.options.max_force
        k = int(np.argmax(size))
        # Written so that NaN is refused.
        if not limit or size[k] <= limit:
            return None
        return f"force of {size[k]:.3g} eV/Å on atom {k}, limit {limit:g} (option max_force)"

    def _net(self, forces: Floats) -> str | None:
        limit = self.options.net_force
        found = float(np.linalg.norm(forces.sum(axis=0))) / len(forces)
        if not limit or found <= limit:
            return None
        return f"the forces add up to {found:.3g} eV/Å per atom, limit {limit:g} (option net_force)"


@dataclass(frozen=True)
class _Known:
    positions: Floats
    cell: Floats
    energy: float
    forces: Floats


class Consistent(LabelCheck):
    """Energy differences between neighbouring labels must be the work of their forces.

    Notes
    -----
    Along the straight line from structure a to b, displaced by d, the energy changes by ``-∫ F·d``. Where the force
    along the line is monotonic, the change lies between ``-Fa·d`` and ``-Fb·d`` (mean value theorem). A label is
    refused when it lies outside of these bounds by more than the tolerance for more than half of the earlier labels
    within reach: units mixed up, another electronic state, forces of another structure, a wrong sign. Without a
    neighbour nothing is said. Memory begins anew with each start of a run.
    """

    Options = ConsistentOptions

    def __init__(self, options: ConsistentOptions, context: Context) -> None:
        super().__init__(options, context)
        self._known: dict[bytes, deque[_Known]] = defaultdict(lambda: deque(maxlen=options.memory))

    def check(self, sample: Sample, label: Label) -> str | None:
        """The most glaring contradiction to a neighbour, or None."""
        composition = b"/".join(np.asarray(sample[n]).tobytes() for n in ("numbers", "pbc", "charge", "multiplicity"))
        new = _Known(
            np.array(sample["positions"], np.float64),
            np.array(sample["cell"], np.float64),
            float(label["energy"]),
            np.array(label["forces"], np.float64),
        )
        known = self._known[composition]
        near = [k for k in known if np.array_equal(k.cell, new.cell)]
        problem = self._compare(new, near) if near else None
        if problem is None and np.isfinite(new.energy) and np.isfinite(new.forces).all():
            known.append(new)
        return problem

    def _compare(self, new: _Known, known: list[_Known]) -> str | None:
        moved = new.positions - np.stack([k.positions for k in known])
        apart = np.sqrt(np.einsum("kij,kij->ki", moved, moved).max(axis=1, initial=0.0))
        near = np.flatnonzero(apart <= self.options.reach)
        if not len(near):
            return None
        moved = moved[near]
        change = new.energy - np.array([known[k].energy for k in near])
        before = -np.einsum("kij,kij->k", np.stack([known[k].forces for k in near]), moved)
        after = -np.einsum("ij,kij->k", new.forces, moved)
        low, high = np.minimum(before, after), np.maximum(before, after)
        excess = np.maximum(low - change, change - high)
        # Written so that NaN is refused.
        if 2 * int((~(excess <= self.options.tolerance)).sum()) <= len(near):
            return None
        k = int(np.argmax(excess))
        return (
            f"energy differs by {change[k]:.3f} eV from that of a label {apart[near[k]]:.2f} Å away, the forces allow "
            f"{low[k]:.3f} to {high[k]:.3f} eV (option tolerance)"
        )
