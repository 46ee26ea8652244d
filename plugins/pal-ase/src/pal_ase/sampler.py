"""Walker that proposes structures without dynamics: modes, placements of fragments, transfers of an atom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pal_core import rng as streams
from pal_core.errors import PalError
from pal_core.kernels import Context, Feedback, Sample, State

from pal_ase.codec import atoms_to_sample
from pal_ase.guards import Guards
from pal_ase.hessians import computed_hessian, stored_hessian
from pal_ase.modes import NormalModes
from pal_ase.placements import between, end_of_transfer, place_fragment, two_fragments
from pal_ase.sampler_options import SamplerOptions
from pal_ase.structures import displaced
from pal_ase.walker import Walker

__all__ = ["Sampler"]

_TRIES = 200  # draws without one acceptable geometry between them
_AMPLITUDES = (0.25, 0.5, 0.75, 1.0)

Floats = NDArray[np.float64]
Triples = tuple[tuple[int, ...], ...]


class Sampler(Walker):
    """Draws every sample anew; feedback is only counted and written to the trajectory.

    Notes
    -----
    Every sample begins as the start structure, displaced along its normal modes; without `modes`, by random numbers of
    up to `rattle`. In the way "fragments" the second fragment is then placed anew. In the way "transfer" an atom stays
    at its start, is put to its end at the acceptor, or between: in the sphere about the middle of its way, as samples
    of hydrogen atom transfer in peptides are made (github.com/aimat-lab/hat_pes_learning). What a guard refuses is
    drawn again.
    """

    Options = SamplerOptions
    kernel: ClassVar[str] = "ase.sampler"

    def __init__(self, options: SamplerOptions, context: Context) -> None:
        super().__init__(options, context)
        ways = options.ways()
        self._ways = list(ways)
        weights = np.array([way.weight for way in ways.values()])
        self._shares = weights / weights.sum()
        self._modes: dict[int, NormalModes] = {}
        self._mark: NDArray[np.uint64] | None = None
        self._fragments = [self._split(k) for k in range(len(self.structures))] if options.fragments else []
        self._transfers = [self._triples(k) for k in range(len(self.structures))] if options.transfer else []

    def _split(self, place: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        atoms, given = self.structures[place], self.options.fragments.first
        everyone = np.arange(len(atoms))
        if given is None:
            try:
                return two_fragments(atoms)
            except ValueError as e:
                advice = "name the atoms of one fragment by fragments.first"
                raise PalError(f"{self.kernel}: fragments: frame {place} of {self._file}: {e}", advice) from e
        first = np.unique(given)
        if first[-1] >= len(atoms) or len(first) == len(atoms):
            raise PalError(
                f"{self.kernel}: fragments.first: atoms {first.tolist()} are no part of the {len(atoms)} of frame "
                f"{place} of {self._file}",
                "atoms are counted from 0, and some must be left for the second fragment",
            )
        return first, np.setdiff1d(everyone, first)

    def _triples(self, place: int) -> Triples:
        atoms = self.structures[place]
        own = tuple(np.asarray(atoms.info.get("transfer", ()), int).ravel().tolist())
        given: Triples = self.options.transfer.atoms or (own,)
        if not all(len(set(t)) == 3 and 0 <= min(t) <= max(t) < len(atoms) for t in given):
            raise PalError(
                f"{self.kernel}: transfer: frame {place} of {self._file} with {len(atoms)} atoms: found "
                f"{[list(t) for t in given]}, expected donor, hydrogen and acceptor",
                'give transfer.atoms, or transfer="donor hydrogen acceptor" in the structure\'s comment line',
            )
        return given

    @property
    def _file(self) -> str:
        return str(self.options.structure)

    # --- drawing

    def _draw(self, place: int, rng: np.random.Generator) -> Atoms:
        """A random geometry of one of the structures that no guard refuses."""
        start, o = self.structures[place], self.options
        guards = Guards(o.closest, o.isolated, o.spread, 0.0, start, connected=o.apart)
        problem: str | None = None
        for _ in range(_TRIES):
            atoms = self._environment(place, rng)
            way = self._ways[int(rng.choice(len(self._ways), p=self._shares))]
            problem = {"modes": _nothing, "fragments": self._place, "transfer": self._transfer}[way](atoms, place, rng)
            problem = problem or guards.judge(atoms)
            if problem is None:
                return atoms
        raise PalError(
            f"{self.kernel}: frame {place} of {self._file} gave no acceptable geometry in {_TRIES} tries",
            f"the last problem was: {problem}",
        )

    def _environment(self, place: int, rng: np.random.Generator) -> Atoms:
        start, modes = self.structures[place], self.options.modes
        if modes is None:
            return displaced(start, self.options.rattle * rng.choice(_AMPLITUDES), rng)
        atoms = start.copy()
        atoms.positions += self._modes_of(place).draw(modes.temperature, modes.quantum, rng)
        return atoms

    def _modes_of(self, place: int) -> NormalModes:
        """Computed when they are first needed, since a walker may never come to a structure."""
        if place not in self._modes:
            o, atoms = self.options.modes, self.structures[place]
            if o.hessian is not None:
                hessian = stored_hessian(self.kernel, o.hessian, place, atoms)
            else:
                hessian = computed_hessian(self.kernel, o.reference, place, atoms, self.context.directory)
            self._modes[place] = NormalModes(atoms, hessian, o.lowest)
        return self._modes[place]

    def _place(self, atoms: Atoms, place: int, rng: np.random.Generator) -> str | None:
        first, second = self._fragments[place]
        distance = rng.uniform(*self.options.fragments.distance)
        found = place_fragment(atoms.positions, first, second, distance, rng)
        if found is None:
            return f"the fragments don't come as near as {distance:.2f} Å on their way through each other"
        atoms.set_positions(found, apply_constraint=False)
        return None

    def _transfer(self, atoms: Atoms, place: int, rng: np.random.Generator) -> str | None:
        options, triples = self.options.transfer, self._transfers[place]
        triple = triples[rng.integers(len(triples))]
        shares = np.array(options.shares)
        point = int(rng.choice(3, p=shares / shares.sum()))
        if point == 0:
            return None
        moving = triple[1]
        there = end_of_transfer(atoms.positions, atoms.numbers, triple)
        if point == 2:
            there = between(atoms.positions[moving], there, rng)
        others = np.delete(atoms.positions, moving, axis=0)
        nearest = float(np.linalg.norm(others - there, axis=1).min())
        if nearest < options.clearance:
            return f"the transferred atom comes within {nearest:.2f} Å, limit {options.clearance:g} Å"
        atoms.positions[moving] = there
        return None

    # --- the walker

    def _prepare(self, trusted: Sample | None) -> Atoms:
        return self.start.copy()

    def _run(self, atoms: Atoms) -> None:
        place = self.deal.structure(self.counts.runs)
        while not self._at_end:
            self._mark = streams.get_state(self.rng)
            atoms.set_positions(self._draw(place, self.rng).positions, apply_constraint=False)
            atoms.get_forces()
            self.counts.steps += 1

    @property
    def _at_end(self) -> bool:
        samples = self.options.samples
        return samples is not None and self.counts.steps >= self.counts.begun + samples

    def _take(self, samples: Sequence[Sample], feedbacks: Sequence[Feedback]) -> str | None:
        self.counts.predictions += 1
        self._trajectory.record(self.counts.predictions, samples[0], feedbacks[0], self.counts.resets)
        return None

    @property
    def _achieved(self) -> str:
        return f"{self.counts.steps} samples proposed"

    def bootstrap(self) -> Sample:
        """A sample of any of the structures, from the same distribution."""
        place = int(self._bootstrap_rng.integers(len(self.structures)))
        return atoms_to_sample(self._draw(place, self._bootstrap_rng))

    def snapshot(self) -> State:
        """As of all walkers, with the random stream as it was before the outstanding sample."""
        state: dict[str, NDArray[Any]] = dict(super().snapshot())
        return state | ({} if self._mark is None else {"rng": self._mark.copy()})


def _nothing(atoms: Atoms, place: int, rng: np.random.Generator) -> str | None:
    return None
