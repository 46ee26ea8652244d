"""Walkers that search for transition states, verify them, and go on until newer models agree."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import ase.optimize
import numpy as np
from ase import Atoms
from ase.optimize import BFGS
from numpy.typing import NDArray
from pal_core.errors import PalError
from pal_core.kernels import Context, State

from pal_ase.bands import BatchNEB, interpolated, lay_upon, new_band
from pal_ase.descent import Side, descend
from pal_ase.inside_out import Conversation, InsideOutCalculator
from pal_ase.jobs import Deal
from pal_ase.minima import Likeness, likeness
from pal_ase.optimise import SearchWalker
from pal_ase.saddle import Effort, find_saddle
from pal_ase.search_options import TsSearchOptions
from pal_ase.structures import displaced, start_structures
from pal_ase.vibrations import Modes, vibrations

__all__ = ["TransitionState", "TsSearchWalker"]

Floats = NDArray[np.float64]
_SAME_MINIMUM = 0.3
"""Å by which structures of the same bonds may differ (root mean square) to be the same minimum."""


class _FailedError(Exception):
    """A search that has found nothing, and why."""


@dataclass
class TransitionState:
    """A saddle point, what lies on both sides of it, and what the committee says of it."""

    atoms: Atoms
    modes: Modes
    sides: tuple[Side, Side]
    energy: float
    deviation: dict[str, float | None]
    version: int
    trusted: bool

    def path(self, count: int) -> list[Atoms]:
        """So many geometries on both sides, evenly taken from the reaction coordinate, the minima last of all."""
        images = []
        for side, share in zip(self.sides, ((count + 1) // 2, count // 2), strict=True):
            way = [*side.path, side.atoms.positions]
            for k in np.linspace(0, len(way) - 1, share + 1)[1:].round().astype(int):
                images.append(self.atoms.copy())
                images[-1].set_positions(way[k], apply_constraint=False)
        return images


class TsSearchWalker(SearchWalker):
    """Finds one transition state after the other.

    Notes
    -----
    A job: from reactant and product, a band gives the guess. The search from it ends in a saddle point; second
    derivatives must show one imaginary frequency; the reaction coordinate leads to the minima on both sides. What was
    found goes to the oracle, and is looked for again with newer models until one of them agrees.
    """

    Options = TsSearchOptions
    kernel: ClassVar[str] = "ase.ts-search"
    folder: ClassVar[str] = "transition-states"
    success: ClassVar[str] = "found"

    def __init__(self, options: TsSearchOptions, context: Context) -> None:
        self._products: tuple[Atoms, ...] = ()
        self._band: Floats | None = None
        self._failure: str | None = None
        super().__init__(options, context)
        self._read_products()
        self.deal = Deal(context.index, context.count, len(self.structures), options.jobs)
        self._guards = self._new_guards()

    def _read_products(self) -> None:
        o = self.options
        if o.product is not None:
            self._products = start_structures(self.kernel, o.product, o)
        elif o.pairs:
            self.structures, self._products = self.structures[::2], self.structures[1::2]
        if not self._products:
            return
        if len(self.structures) != len(self._products):
            raise PalError(f"{self.kernel}: {len(self.structures)} reactants, but {len(self._products)} products")
        for k, (first, last) in enumerate(zip(self.structures, self._products, strict=True)):
            if not np.array_equal(first.numbers, last.numbers):
                raise PalError(
                    f"{self.kernel}: reaction {k}: reactant {first.symbols} and product {last.symbols} don't have the "
                    "same atoms in the same order"
                )

    @cached_property
    def _bootstrap_starts(self) -> Sequence[Atoms]:
        """Guesses; or all images between reactants and products."""
        if not self._products:
            return self.structures
        rng, starts = self.context.rng("paths"), []
        for first, last in zip(self.structures, self._products, strict=True):
            ends = first.copy(), last.copy()
            lay_upon(ends[1], ends[0])
            starts += interpolated(ends, self.options.images, rng)
        return starts

    # --- one job

    def _run(self, atoms: Atoms) -> None:
        try:
            self._settle_on(atoms)
        except _FailedError as error:
            if self.counts.untrusted:
                self._failure = f"{error}, by a model that doesn't trust itself there"
                return
            self.context.note(f"walker {self.context.index}: no transition state: {error}")
            self._keep({"found": False, "reason": str(error)})

    def _doubt(self) -> str | None:
        """A failure is the model's as long as it isn't trusted: the search begins anew, with what it has taught."""
        failure, self._failure = self._failure, None
        return failure

    def _settle_on(self, atoms: Atoms) -> None:
        """Search, have the oracle look at what was found, and search again with a newer model until it agrees."""
        o = self.options
        along = self._cross(atoms) if self._products and self.trusted is None else None
        found = self._search(atoms, along)
        if not o.confirm:
            self._record(found, confirmed=False)
            self._have_labelled(found)
            return
        while True:
            self._record(found, confirmed=False)
            self._have_labelled(found)
            if not self._wait_for_news(found):
                self.context.note(f"walker {self.context.index}: no newer model has looked at its transition state")
                return
            atoms.calc.reset()  # what it remembers comes from the older model
            before, found = found, self._search(atoms, None)
            if found.trusted and abs(found.energy - before.energy) < o.confirm:
                self._record(found, confirmed=True)
                return

    def _search(self, atoms: Atoms, along: Floats | None) -> TransitionState:
        o, calculator = self.options, atoms.calc
        effort = Effort(o.fmax, o.steps, o.longest, o.displacement, o.renew)
        second = find_saddle(atoms, o.method, effort, along, self.rng)
        if second is None:
            raise _FailedError(f"no saddle point in {o.steps} steps")
        modes = vibrations(atoms, second)
        if (count := modes.imaginary(o.imaginary)) != 1:
            raise _FailedError(f"{count} imaginary frequencies beyond {o.imaginary:g} cm^-1")
        energy, deviation, version = float(atoms.get_potential_energy()), calculator.deviation, calculator.version
        trusted = bool(calculator.feedback.trusted)
        sides = descend(atoms, modes, o.irc_step, o.steps, o.fmax)
        return TransitionState(atoms.copy(), modes, sides, energy, deviation, version, trusted)

    # --- from reactant and product

    def _cross(self, atoms: Atoms) -> Floats:
        """Move atoms to the highest image of a band; the direction of the band there, shape (atoms, 3)."""
        o, ends = self.options, self._ends(atoms)
        band = new_band(ends, o.images, self.rng, k=o.spring, method=o.band_method)
        if self._band is not None and len(self._band) == len(band.images):
            for image, positions in zip(band.images[1:-1], self._band[1:-1], strict=True):
                image.set_positions(positions, apply_constraint=False)
        self._relax_band(band)
        top = _top(band)
        atoms.set_positions(band.images[top].positions, apply_constraint=False)
        along: Floats = band.images[top + 1].positions - band.images[top - 1].positions
        return along

    def _ends(self, atoms: Atoms) -> tuple[Atoms, Atoms]:
        """Reactant and product with calculators, minimised side by side."""
        o = self.options
        ends = self.start.copy(), self._products[self.deal.structure(self.counts.runs)].copy()

        def relax(image: Atoms, talk: Conversation) -> None:
            image.calc = InsideOutCalculator(talk)
            with BFGS(image, logfile=None, maxstep=0.1) as optimiser:
                optimiser.run(fmax=o.fmax, steps=o.steps)

        if o.relax_ends:
            atoms.calc.conversation.together([lambda talk, e=end: relax(e, talk) for end in ends])
        for end in ends:
            end.calc = atoms.calc.another()
        lay_upon(ends[1], ends[0])
        return ends

    def _relax_band(self, band: BatchNEB) -> None:
        """Loosely first, then with the highest image climbing."""
        o = self.options

        def keep() -> None:
            if all(image.calc.feedback.trusted for image in band.images):
                self._band = np.stack([image.get_positions() for image in band.images])

        for climb, fmax, steps in ((False, 3 * o.band_fmax, o.band_steps // 2), (True, o.band_fmax, o.band_steps)):
            if climb and not o.climb:
                continue
            if climb:
                _top(band)  # without a barrier it would climb for ever
            band.climb = climb
            with getattr(ase.optimize, o.band_optimizer)(band, logfile=None, maxstep=0.1) as optimiser:
                optimiser.attach(keep)
                optimiser.run(fmax=fmax, steps=steps)

    # --- what becomes of it

    def _have_labelled(self, found: TransitionState) -> None:
        """Send the transition state and its path to the oracle."""
        images = [found.atoms, *found.path(self.options.path)]
        self._talk_now.ask_all(images, label=True, lenient=True)

    def _wait_for_news(self, found: TransitionState) -> bool:
        """Look around on the path until there is a newer model; whether there is one.

        What is uncertain there is labelled as anywhere else.
        """
        path = [found.atoms, *found.path(self.options.path)]
        end = time.monotonic() + self.options.wait
        while time.monotonic() < end:
            sizes = self.options.rattle * self.rng.uniform(0.25, 1.0, len(path))
            images = [displaced(image, size, self.rng) for image, size in zip(path, sizes, strict=True)]
            fit = [image for image in images if self._guards.judge(image) is None]
            feedback = self._talk_now.ask_all(fit or path[:1], lenient=True)
            if feedback[0].version >= found.version + self.options.newer:
                return True
        return False

    @property
    def _talk_now(self) -> Conversation:
        assert self._talk is not None  # noqa: S101 - called from inside it
        return self._talk

    def _record(self, found: TransitionState, *, confirmed: bool) -> None:
        sides, ends = self._ordered(found)
        barriers = [found.energy - side.energy for side in sides]
        record = {
            "found": True,
            "confirmed": confirmed,
            "energy": found.energy,
            **found.deviation,
            "trusted": found.trusted,
            "version": found.version,
            "imaginary_frequency": -float(found.modes.frequencies[0]),
            "frequencies": found.modes.frequencies.round(2).tolist(),
            "barrier": barriers[0],
            "barrier_back": barriers[1],
            "sides": [
                {"energy": s.energy, "converged": s.converged, "is": name, **(vars(how) if how else {})}
                for s, (name, how) in zip(sides, ends, strict=True)
            ],
            "connects": None if not self._products else {name for name, _ in ends} == {"reactant", "product"},
            "predictions": self.counts.predictions,
        }
        first, last = ((side.atoms, {"energy": side.energy, "pal_role": "minimum"}) for side in sides)
        there, back = ([self._at(found, p) for p in side.path] for side in sides)
        top = (found.atoms, {"energy": found.energy, "pal_role": "transition state"})
        frames = [first, *reversed(there), top, *back, last]
        self._keep(record, *frames)

    @staticmethod
    def _at(found: TransitionState, positions: Floats) -> tuple[Atoms, dict[str, Any]]:
        atoms = found.atoms.copy()
        atoms.set_positions(positions, apply_constraint=False)
        return atoms, {"pal_role": "path"}

    def _ordered(self, found: TransitionState) -> tuple[tuple[Side, ...], list[tuple[str | None, Likeness | None]]]:
        """Both sides, the reactant's first, with what each is and how unlike it is."""
        if not self._products:
            return found.sides, [(None, None), (None, None)]
        ends = self.start, self._products[self.deal.structure(self.counts.runs)]
        alike = [[likeness(side.atoms, end) for end in ends] for side in found.sides]
        straight, crossed = (
            max(alike[0][0], alike[1][1]),
            max(alike[0][1], alike[1][0]),
        )
        sides = found.sides if straight <= crossed else found.sides[::-1]
        rows = alike if straight <= crossed else alike[::-1]
        furthest = _SAME_MINIMUM if likeness(*ends).bonds == 0 else np.inf
        names = ("reactant", "product")
        found_ends = [(names[k] if rows[k][k].bonds == 0 and rows[k][k].distance < furthest else None) for k in (0, 1)]
        return sides, [(name, rows[k][k]) for k, name in enumerate(found_ends)]

    # --- memory

    def _forget(self) -> None:
        super()._forget()
        self._band = None

    def _close_job(self) -> None:
        super()._close_job()
        self._band = None

    def snapshot(self) -> State:
        """As of all walkers, and the last band of which every image was trusted."""
        state = dict(super().snapshot())
        return state if self._band is None else state | {"band": self._band.copy()}

    def restore(self, state: State) -> None:
        """Begin the job of the snapshot anew, at its last trusted geometry or band."""
        super().restore(state)
        self._band = np.array(state["band"]) if "band" in state else None


def _top(band: BatchNEB) -> int:
    """The highest image, which must not be an end."""
    energies = [image.get_potential_energy() for image in band.images]
    top = int(np.argmax(energies))
    if top in (0, len(energies) - 1):
        raise _FailedError("no barrier: no image of the band is higher than its ends")
    return top
