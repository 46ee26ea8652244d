"""Net forces and torques: what no calculation should leave, and what one without an end leaves."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Context, Expected, Label, LabelCheck, Sample, State

from pal_ase.check_options import BalancedOptions
from pal_ase.composition import ByComposition, composition

__all__ = ["Balanced", "net_force", "net_torque"]

Floats = NDArray[np.float64]

_FEWEST = 3
_WINDOW = 20
_DEVIATIONS = 5.0
_SYMMETRIC = 1e-9
"""What is below says nothing of the program: the symmetry of the structure, or of the method, makes it vanish."""


def net_force(forces: Floats) -> float:
    """Sum of all forces (atoms, 3) per atom."""
    return float(np.linalg.norm(forces.sum(axis=0))) / max(len(forces), 1)


def net_torque(positions: Floats, forces: Floats) -> float:
    """Sum of all torques per atom and radius of gyration, so that it has the unit of a force; 0 for a single atom."""
    arms = positions - positions.mean(axis=0)
    radius = float(np.sqrt(np.square(arms).sum() / max(len(arms), 1)))
    return float(np.linalg.norm(np.cross(arms, forces).sum(axis=0))) / (len(arms) * radius) if radius else 0.0


class Balanced(LabelCheck):
    """Net forces and torques must be as small as this oracle's usually are.

    Notes
    -----
    Analytic gradients hold for a converged density only. Where a self-consistent cycle was stopped, the energy is not
    stationary, and the forces lack what the density's response would add: they push and turn the molecule, by 1e-4 to
    1e-2 eV/Å per atom. That may be little, and below any fixed limit that would let pass what integration grids cause,
    but it is hundreds of times what converged cycles of the same program leave. So net force and torque are compared
    with the medians of the last 20 labels of the composition, refused ones included: `factor` times the median is
    allowed, more where they scatter widely (five robust standard deviations of the logarithm), and always `noise`.
    When the program's settings change, ten labels at most are refused before that is usual.
    """

    Options = BalancedOptions

    def __init__(self, options: BalancedOptions, context: Context) -> None:
        super().__init__(options, context)
        self.options: BalancedOptions = options
        self._seen: ByComposition[deque[tuple[float, float]]] = ByComposition(lambda: deque(maxlen=_WINDOW))

    def check(self, sample: Sample, label: Label, expected: Expected | None) -> str | None:
        """Which of both is out of the usual, or None."""
        forces, positions = np.asarray(label["forces"], np.float64), np.asarray(sample["positions"], np.float64)
        if forces.shape != positions.shape or not np.isfinite(forces).all():
            return None
        known = self._seen[composition(sample)]
        found = (net_force(forces), 0.0 if np.any(sample["pbc"]) else net_torque(positions, forces))
        reasons = [self._compare(*pair) for pair in zip(("force", "torque"), found, np.array(known).T, strict=False)]
        known.append(found)
        return next((reason for reason in reasons if reason is not None), None)

    def _compare(self, name: str, found: float, known: Floats) -> str | None:
        logarithms = np.log(known[known > _SYMMETRIC])
        if len(logarithms) < _FEWEST:
            return None
        middle = float(np.median(logarithms))
        deviation = 1.4826 * float(np.median(np.abs(logarithms - middle)))
        usual = float(np.exp(middle))
        limit = max(self.options.noise, usual * max(self.options.factor, float(np.exp(_DEVIATIONS * deviation))))
        if found <= limit:
            return None
        return (
            f"net {name} of {found:.2g} eV/Å per atom, {usual:.2g} is usual for this composition, {limit:.2g} allowed: "
            "a self-consistent cycle without its end does that (options noise, factor)"
        )

    def snapshot(self) -> State:
        """The last net forces and torques of every composition."""
        kept = list(self._seen)
        keys = {f"{i}.composition": np.frombuffer(key, np.uint8).copy() for i, (key, _) in enumerate(kept)}
        return keys | {f"{i}.seen": np.array(seen, np.float64).reshape(-1, 2) for i, (_, seen) in enumerate(kept)}

    def restore(self, state: State) -> None:
        """Compare with these from now on."""
        self._seen.clear()
        for i in range(len(state) // 2):
            key = np.asarray(state[f"{i}.composition"], np.uint8).tobytes()
            self._seen[key].extend((float(force), float(torque)) for force, torque in state[f"{i}.seen"])
