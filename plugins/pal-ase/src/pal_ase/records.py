"""Labels against all earlier ones: the level of the energy, and results that come twice."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Context, Expected, Label, LabelCheck, Sample, State

from pal_ase.check_options import FreshOptions, LevelOptions
from pal_ase.composition import ByComposition, composition

__all__ = ["Fresh", "Level"]

_FEWEST = 2
"""Energies that say something: two that agree. Two that don't have a wide spread, and so a wide band. One alone says
which is wrong only if the new one is it times a unit's factor, and that unit isn't eV."""
_ALIKE = 0.05
_PLACES = ("positions", "cell")
_FOREIGN = {27.211386: "Hartree for eV?", 1 / 23.060548: "kcal/mol for eV?", 1 / 96.485332: "kJ/mol for eV?"}
_FACTORS = _FOREIGN | {1 / 27.211386: "converted twice from Hartree?", 23.060548: "eV taken for kcal/mol?"}


class Level(LabelCheck):
    """The energy must be near that of other labels of its composition: Hartree for eV, another method or basis.

    Notes
    -----
    The energy may be as far from the median as the larger of ten robust standard deviations (1.4826 times the median
    absolute deviation) and `band` per atom, but 5 eV at least; and further by the forces times 0.5 Å, since a
    structure of high strain has large forces. Refused labels count: a majority of good ones is all that is needed.
    """

    Options = LevelOptions

    def __init__(self, options: LevelOptions, context: Context) -> None:
        super().__init__(options, context)
        self.options: LevelOptions = options
        self._energies: ByComposition[deque[float]] = ByComposition(lambda: deque(maxlen=200))

    def check(self, sample: Sample, label: Label, expected: Expected | None) -> str | None:
        """How far off the energy is, or None."""
        energy, known = float(label["energy"]), self._energies[composition(sample)]
        if not np.isfinite(energy):
            return None
        said = len(known) >= _FEWEST or (len(known) == 1 and _unit(_FOREIGN, energy, known[0]) != "")
        reason = self._compare(energy, known, label) if said else None
        known.append(energy)
        return reason

    def _compare(self, energy: float, known: Sequence[float], label: Label) -> str | None:
        middle = float(np.median(known))
        deviation = 1.4826 * float(np.median(np.abs(np.array(known) - middle)))
        strain = 0.5 * float(np.linalg.norm(label["forces"], axis=-1).sum())
        limit = max(10 * deviation, self.options.band * len(label["forces"]), 5.0) + strain
        # Written so that NaN, of forces, is left to other checks.
        if not abs(energy - middle) > limit:
            return None
        return (
            f"energy of {energy:.6g} eV, the median of {len(known)} labels of this composition is {middle:.6g} eV, "
            f"{limit:.3g} eV off is allowed{_unit(_FACTORS, energy, middle)} (option band)"
        )

    def snapshot(self) -> State:
        """The last energies of every composition."""
        kept = list(self._energies)
        keys = {f"{i}.composition": np.frombuffer(key, np.uint8).copy() for i, (key, _) in enumerate(kept)}
        return keys | {f"{i}.energies": np.array(energies) for i, (_, energies) in enumerate(kept)}

    def restore(self, state: State) -> None:
        """Compare with these energies from now on."""
        self._energies.clear()
        for i in range(len(state) // 2):
            key = np.asarray(state[f"{i}.composition"], np.uint8).tobytes()
            self._energies[key].extend(np.asarray(state[f"{i}.energies"]).tolist())


def _unit(factors: Mapping[float, str], energy: float, known: float) -> str:
    """The mistake in units that would make one energy of the other, if there is one."""
    found = (words for factor, words in factors.items() if known and abs(energy * factor / known - 1) < _ALIKE)
    return next((f" ({words})" for words in found), "")


class Fresh(LabelCheck):
    """Refuses forces that were given before for another geometry, and geometries that have been labelled before.

    Exactly the same forces are a stale file or buffer of the calculation before. A geometry counts as the same when no
    coordinate differs by more than about 1e-6 Å.
    """

    Options = FreshOptions

    def __init__(self, options: FreshOptions, context: Context) -> None:
        super().__init__(options, context)
        self.options: FreshOptions = options
        # From a digest of the forces to that of the geometry, and geometries alone.
        self._results: OrderedDict[int, int] = OrderedDict()
        self._geometries: OrderedDict[int, None] = OrderedDict()

    def check(self, sample: Sample, label: Label, expected: Expected | None) -> str | None:
        """What has been there before, or None."""
        geometry, result = _geometry(sample), _result(label)
        if result is not None and self._results.get(result, geometry) != geometry:
            return "the forces equal those of an earlier label of another geometry to the last bit: a stale result"
        if self.options.duplicates and geometry in self._geometries:
            same = "with the same forces" if result in self._results else "with other forces"
            return f"this geometry has been labelled before, {same} (option duplicates)"
        return None

    def remember(self, sample: Sample, label: Label) -> None:
        """Refuse it when it comes again."""
        geometry, result = _geometry(sample), _result(label)
        self._geometries[geometry] = None
        if result is not None:
            self._results[result] = geometry
        for kept in (self._geometries, self._results):
            while len(kept) > self.options.memory:
                kept.popitem(last=False)

    def snapshot(self) -> State:
        """Digests of geometries and results."""
        return {
            "geometries": np.array(list(self._geometries), np.uint64),
            "results": np.array(list(self._results.items()), np.uint64).reshape(-1, 2),
        }

    def restore(self, state: State) -> None:
        """Refuse these."""
        self._geometries = OrderedDict.fromkeys(state["geometries"].tolist())
        self._results = OrderedDict((int(a), int(b)) for a, b in state["results"])


def _geometry(sample: Sample) -> int:
    numbers: list[NDArray[np.int64]] = [np.round(np.asarray(sample[n]) * 1e6).astype(np.int64) for n in _PLACES]
    return _digest(composition(sample), *(array.tobytes() for array in numbers))


def _result(label: Label) -> int | None:
    """Digest of the forces; None where equal ones are no surprise."""
    forces = np.asarray(label["forces"], np.float64)
    return _digest(forces.tobytes()) if np.count_nonzero(forces) > 1 else None


def _digest(*parts: bytes) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return int.from_bytes(digest.digest(), "little")
