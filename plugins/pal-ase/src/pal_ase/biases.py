"""Energies added to what the committee predicts: restraints, and the pull to where its members disagree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pal_core.errors import PalError
from pal_core.kernels import Feedback

from pal_ase.bias_options import (
    ENERGY_WITH_FORCES,
    RestraintOptions,
    UncertaintyOptions,
)
from pal_ase.variables import Variable

__all__ = ["Bias", "Restraint", "UncertaintyBias"]

Floats = NDArray[np.float64]


class Bias(ABC):
    """An energy that depends on the geometry, on what the committee says of it, and on the time."""

    @abstractmethod
    def evaluate(self, atoms: Atoms, feedback: Feedback, time: int) -> tuple[float, Floats]:
        """Energy in eV and forces in eV/Å, shape (atoms, 3), after `time` steps of the job."""

    def advance(self, atoms: Atoms, time: int) -> None:  # noqa: B027 - not every bias has a memory
        """Take note that a step has been made, the job's `time`-th, to this geometry."""

    def begin(self) -> None:  # noqa: B027 - not every bias has a memory
        """Forget what has been: another job begins."""

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """What `restore` needs; copies."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:  # noqa: B027 - not every bias has a memory
        """Go on from a snapshot."""


class Restraint(Bias):
    """A spring that holds a variable, or moves it at constant speed.

    Attributes
    ----------
    work : float
        eV that the moving centre has done so far.
    """

    def __init__(self, options: RestraintOptions) -> None:
        self._variable = Variable(options)
        self._options = options
        self.work = 0.0

    @property
    def moving(self) -> bool:
        """Whether the centre moves."""
        return self._options.to is not None

    def centre(self, time: int) -> float:
        """Where the variable is held after so many steps, in Å or rad."""
        o = self._options
        way = 0.0 if o.to is None or o.over is None else (o.to - o.at) * min(time / o.over, 1.0)
        return (o.at + way) * self._variable.unit

    def _stretch(self, value: float, time: int) -> float:
        stretch = float(self._variable.shortest(np.array(value - self.centre(time))))
        slack = {"above": stretch < 0, "below": stretch > 0}
        return 0.0 if self._options.only and slack[self._options.only] else stretch

    def evaluate(self, atoms: Atoms, feedback: Feedback, time: int) -> tuple[float, Floats]:
        """Energy and forces of the spring."""
        value, gradient = self._variable.evaluate(atoms)
        stretch = self._stretch(value, time)
        return 0.5 * self._options.stiffness * stretch**2, -self._options.stiffness * stretch * gradient

    def advance(self, atoms: Atoms, time: int) -> None:
        """Count the work of the centre's last move."""
        if self.moving:
            value = self._variable.evaluate(atoms)[0]
            new, old = (self._stretch(value, t) for t in (time, time - 1))
            self.work += 0.5 * self._options.stiffness * (new**2 - old**2)

    def begin(self) -> None:
        """No work has been done."""
        self.work = 0.0

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """The work; the centre follows from the time."""
        return {"work": np.array(self.work)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a snapshot."""
        self.work = float(state["work"])


class UncertaintyBias(Bias):
    """Draws the walker to where the members' energies differ.

    Notes
    -----
    After Kulichenko et al., Nat. Comput. Sci. 3, 230 (2023): ``-A (1 - exp(-var(E) / (N B²)))``, with the sample
    variance over the members (``ddof=1``), so that nothing depends on their number. (Their B² is ours times
    (M - 1) / 2M for M members.) As every member's forces are minus the gradient of its energy, the gradient of the
    variance is minus twice the covariance of energy and forces.
    """

    def __init__(self, options: UncertaintyOptions) -> None:
        self._options = options

    def evaluate(self, atoms: Atoms, feedback: Feedback, time: int) -> tuple[float, Floats]:
        """Energy and forces to larger variance."""
        spread = float(feedback.std["energy"])
        covariance = np.asarray(feedback.covariance[ENERGY_WITH_FORCES], np.float64)
        if not (np.isfinite(spread) and np.isfinite(covariance).all()):
            raise PalError(
                "ase.biased-md: uncertainty: the committee's variance is not finite",
                "it needs two members at least (model.members)",
            )
        scale = len(atoms) * self._options.width**2
        left = self._options.depth * float(np.exp(-(spread**2) / scale))
        return left - self._options.depth, -2 * left / scale * covariance
