"""Labels against their neighbours: energies must go with forces."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Context, Expected, Label, LabelCheck, Sample, State

from pal_ase.alignment import differences
from pal_ase.check_options import ConsistentOptions
from pal_ase.composition import ByComposition, composition

__all__ = ["Consistent"]

Floats = NDArray[np.float64]

_NEIGHBOURS = 6
_FEWEST = 4
_USUAL = 15
"""Contradictions that must be known before a label may be refused for one that is only larger than usual."""
_DEVIATIONS = 4.0
_NARROWEST = 0.25
_NEAREST = 0.05
_WEAKEST = 1e-3


@dataclass(frozen=True, eq=False)
class _Known:
    positions: Floats
    cell: Floats
    energy: float
    forces: Floats


@dataclass
class _Memory:
    """Labels of one composition, and how much labels of it have contradicted their neighbours."""

    labels: deque[_Known]
    contradictions: deque[float] = field(default_factory=lambda: deque(maxlen=100))

    def add(self, new: _Known) -> None:
        """Remember a label; of one geometry only the last, so that it has one vote however often it is computed."""
        for old in self.labels:
            if np.array_equal(old.positions, new.positions) and np.array_equal(old.cell, new.cell):
                self.labels.remove(old)
                break
        self.labels.append(new)


@dataclass(frozen=True)
class _Found:
    """A label's contradiction to its neighbours."""

    contradiction: float
    distance: float
    strain: float
    difference: float
    neighbours: int

    @property
    def growth(self) -> float:
        """What contradictions grow like."""
        return float(max(self.distance, _NEAREST) ** 0.75 * max(self.strain, _WEAKEST) ** 0.5)


class Consistent(LabelCheck):
    """Energy differences between neighbouring labels must be the work of their forces.

    Notes
    -----
    A neighbour a of the new structure b is laid upon it; what remains is the displacement d. By the trapezoidal rule
    the energy changes by ``-½(Fa + Fb)·d``, to within a third of a third derivative. The rest t is compared with the
    most that the change of the forces between both could do, ``s = ½ Σ |Fb - Fa||d|`` over the atoms: where the force
    along the line is monotonic, |t| <= s (mean value theorem), and in practice a few hundredths of it. |t| / s of
    the six nearest neighbours within `reach`, and of these the (lower) median, is the label's contradiction. So three
    bad neighbours of six change nothing, and with fewer than four nothing is said. Refused labels are neighbours too:
    whatever came first, the majority is right in the end.

    A label is refused if its contradiction is above `contradiction`, or unusual: more than four robust standard
    deviations (median and median absolute deviation of the logarithm of the last 100 labels, refused ones included)
    above what is usual for its composition. Contradictions are compared after division by distance^0.75 · strain^0.5,
    where strain is s per atom [eV]. By theory t / s grows like the displacement along stiff bonds, hence like s^0.5;
    that of soft ones adds the curvature of their paths. The exponents were fitted to small molecules along trajectories
    at 500 K together with ones displaced at random, which are strained more at the same distance.
    """

    Options = ConsistentOptions

    def __init__(self, options: ConsistentOptions, context: Context) -> None:
        super().__init__(options, context)
        self.options: ConsistentOptions = options
        self._known: ByComposition[_Memory] = ByComposition(lambda: _Memory(deque(maxlen=options.memory)))

    def check(self, sample: Sample, label: Label, expected: Expected | None) -> str | None:
        """How the label contradicts its neighbours, or None."""
        new, memory = _known(sample, label), self._known[composition(sample)]
        if not (np.isfinite(new.energy) and np.isfinite(new.forces).all()):
            return None
        found = self._look(new, memory, np.asarray(sample["pbc"], bool))
        memory.add(new)
        if found is None or not np.isfinite(found.contradiction):
            return None
        limit = self._limit(memory, found)
        memory.contradictions.append(found.contradiction / found.growth)
        if found.contradiction <= limit:
            return None
        return (
            f"the energy is {found.difference:+.3g} eV off what the forces of {found.neighbours} neighbouring labels, "
            f"about {found.distance:.2f} Å away, make of theirs: {found.contradiction:.3g} of what their curvature "
            f"could do, {limit:.3g} is allowed"
        )

    def _look(self, new: _Known, memory: _Memory, pbc: NDArray[np.bool_]) -> _Found | None:
        known = [k for k in memory.labels if np.array_equal(k.cell, new.cell)]
        if len(known) < _FEWEST:
            return None
        moved, rotations = differences(new.positions, np.stack([k.positions for k in known]), new.cell, pbc)
        apart = np.sqrt(np.square(moved).sum(axis=2).mean(axis=1))
        near = np.argsort(apart, kind="stable")[:_NEIGHBOURS]
        near = near[apart[near] <= self.options.reach]
        if len(near) < _FEWEST:
            return None
        theirs = np.stack([known[k].forces for k in near]) @ rotations[near]
        energies = np.array([known[k].energy for k in near])
        rest, most = _rest(new, energies, theirs, moved[near])
        contradictions = np.abs(rest) / (most + self.options.tolerance)
        # The lower one of two medians: half of the neighbours may be bad.
        middle = np.argsort(contradictions, kind="stable")[(len(near) - 1) // 2]
        distance, strain = float(np.median(apart[near])), float(most[middle]) / len(new.positions)
        return _Found(float(contradictions[middle]), distance, strain, float(rest[middle]), len(near))

    def _limit(self, memory: _Memory, found: _Found) -> float:
        hard = self.options.contradiction
        if len(memory.contradictions) < _USUAL:
            return hard
        usual = np.log(np.maximum(memory.contradictions, 1e-12))
        middle = float(np.median(usual))
        deviation = max(1.4826 * float(np.median(np.abs(usual - middle))), _NARROWEST)
        return min(hard, float(np.exp(middle + _DEVIATIONS * deviation)) * found.growth)

    def snapshot(self) -> State:
        """All labels that are remembered, and the contradictions."""
        state = {}
        for i, (key, memory) in enumerate(self._known):
            state[f"{i}.composition"] = np.frombuffer(key, np.uint8).copy()
            state[f"{i}.contradictions"] = np.array(memory.contradictions, np.float64)
            for name in ("positions", "cell", "energy", "forces") if memory.labels else ():
                state[f"{i}.{name}"] = np.stack([getattr(k, name) for k in memory.labels])
        return state

    def restore(self, state: State) -> None:
        """Compare with these labels from now on."""
        self._known.clear()
        for i in range(sum(name.endswith(".composition") for name in state)):
            memory = self._known[np.asarray(state[f"{i}.composition"], np.uint8).tobytes()]
            memory.contradictions.extend(np.asarray(state[f"{i}.contradictions"]).tolist())
            names = [f"{i}.{name}" for name in ("positions", "cell", "energy", "forces")]
            for positions, cell, energy, forces in zip(*(state.get(n, ()) for n in names), strict=True):
                memory.labels.append(_Known(np.array(positions), np.array(cell), float(energy), np.array(forces)))


def _known(sample: Sample, label: Label) -> _Known:
    return _Known(
        np.array(sample["positions"], np.float64),
        np.array(sample["cell"], np.float64),
        float(label["energy"]),
        np.array(label["forces"], np.float64),
    )


def _rest(new: _Known, energies: Floats, forces: Floats, moved: Floats) -> tuple[Floats, Floats]:
    """Energy difference that the trapezoidal rule doesn't explain, and the most that the forces' change allows."""
    work = 0.5 * np.einsum("kij,kij->k", forces + new.forces, moved)
    most = 0.5 * (np.linalg.norm(forces - new.forces, axis=2) * np.linalg.norm(moved, axis=2)).sum(axis=1)
    return new.energy - energies + work, most
