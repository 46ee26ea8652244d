"""Good GFN2-xTB labels of small molecules, and labels with planted defects, for `admission.py`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import molecule
from ase.md.langevin import Langevin
from numpy.typing import NDArray
from tblite.exceptions import TBLiteRuntimeError
from tblite.interface import Result

from pal_ase.codec import atoms_to_sample
from pal_ase.reference import OracleCalculator
from pal_core.kernels import Context, Label, Sample
from pal_xtb.options import TbliteOptions
from pal_xtb.oracle import Gfn2
from pal_xtb.units import HARTREE, HARTREE_PER_BOHR

KINDS = ("zero", "sign", "hartree", "permuted", "NaN", "truncated", "unconverged", "duplicate")
STRETCHED = 0.1
"""Å that bootstrap samples are displaced by (standard deviation of every coordinate)."""


@dataclass(frozen=True)
class Case:
    """A label as an oracle gave it; `kind` is empty for a good one, `truth` what it should have been."""

    sample: Sample
    label: Label
    truth: Label
    kind: str = ""
    stretched: bool = False


@cache
def frames(name: str, temperature: float, count: int, seed: int) -> tuple[Case, ...]:
    """Good labels: every tenth step of Langevin dynamics at 1 fs on GFN2-xTB, after 1 ps."""
    rng = np.random.default_rng([seed, count])
    atoms = molecule(name)
    atoms.calc = OracleCalculator(Gfn2(TbliteOptions(), Context("oracle", directory=_nowhere())))
    width = np.sqrt(atoms.get_masses() * units.kB * 2 * temperature)
    atoms.set_momenta(rng.standard_normal((len(atoms), 3)) * width[:, None])
    dynamics = Langevin(atoms, units.fs, temperature_K=temperature, friction=0.02 / units.fs, fixcm=False, rng=rng)
    dynamics.run(1000)
    return tuple(_labelled(atoms) for _ in range(count) if dynamics.run(10))


@cache
def stretched(name: str, count: int, seed: int) -> tuple[Case, ...]:
    """Good labels of what a bootstrap labels: the molecule with every atom displaced."""
    atoms = molecule(name)
    atoms.calc = OracleCalculator(Gfn2(TbliteOptions(), Context("oracle", directory=_nowhere())))
    return tuple(replace(_labelled(atoms, seed * 1000 + i), stretched=True) for i in range(count))


def _labelled(atoms: Atoms, rattled: int | None = None) -> Case:
    if rattled is not None:
        calculator, atoms = atoms.calc, atoms.copy()
        atoms.rattle(STRETCHED, seed=rattled)
        atoms.calc = calculator
    label = {"energy": np.array(atoms.get_potential_energy()), "forces": np.array(atoms.get_forces())}
    return Case(atoms_to_sample(atoms), label, label)


def _nowhere() -> Path:
    return Path(tempfile.mkdtemp(prefix="admission-"))


# --- defects


def unfinished(sample: Sample, iterations: int) -> Label:
    """Energy and forces of a self-consistent cycle that was stopped after so many iterations."""
    oracle = Gfn2(TbliteOptions(max_iterations=iterations), Context("oracle"))
    result = Result()
    try:
        oracle._prepared(sample).singlepoint(result)
    except TBLiteRuntimeError:
        energy, gradient = float(result.get("energy")), result.get("gradient")
        return {"energy": np.array(energy * HARTREE), "forces": -gradient * HARTREE_PER_BOHR}
    raise RuntimeError(f"converged within {iterations} iterations: nothing is unfinished")


def _permuted(forces: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    order = np.arange(len(forces))
    while (order == np.arange(len(forces))).all():
        order = rng.permutation(len(forces))
    return forces[order]


def _spoilt(label: Label, rng: np.random.Generator) -> Label:
    forces = np.array(label["forces"])
    forces[rng.integers(len(forces)), rng.integers(3)] = np.nan
    return {**label, "forces": forces}


def _cut(label: Label, rng: np.random.Generator) -> Label:
    """The last rows are missing, or zero, as from a file that was read too early."""
    kept = int(rng.integers(1, len(label["forces"])))
    forces = np.array(label["forces"])
    if rng.random() < 0.5:
        return {**label, "forces": forces[:kept]}
    forces[kept:] = 0.0
    return {**label, "forces": forces}


DEFECTS: dict[str, Callable[[Case, np.random.Generator], Label]] = {
    "zero": lambda c, rng: {"energy": np.array(0.0), "forces": np.zeros_like(c.label["forces"])},
    "sign": lambda c, rng: {**c.label, "forces": -c.label["forces"]},
    "hartree": lambda c, rng: {
        "energy": c.label["energy"] / HARTREE,
        "forces": c.label["forces"] / HARTREE_PER_BOHR,
    },
    "permuted": lambda c, rng: {**c.label, "forces": _permuted(c.label["forces"], rng)},
    "NaN": lambda c, rng: _spoilt(c.label, rng),
    "truncated": lambda c, rng: _cut(c.label, rng),
    "unconverged": lambda c, rng: unfinished(c.sample, int(rng.integers(1, 3))),
    "duplicate": lambda c, rng: c.label,
}


def stream(pools: Sequence[Sequence[Case]], bad: Sequence[str], rng: np.random.Generator) -> Iterator[Case]:
    """Good labels and one with each of the defects `bad`, in random order.

    Defects are planted in samples of their own, which are taken from the pools too; duplicates repeat one that came
    before.
    """
    cases = [case for pool in pools for case in pool]
    order = rng.permutation(len(cases))
    own = [kind for kind in bad if kind != "duplicate"]
    plain = rng.permutation([i for i in order if not cases[i].stretched])
    spoilt = dict(zip(plain[: len(own)], own, strict=True))
    again = set(rng.choice(np.arange(len(order) // 4, len(order)), len(bad) - len(own), replace=False).tolist())
    given: list[Case] = []
    for place, i in enumerate(order):
        case = cases[i]
        if place in again:
            yield replace(given[int(rng.integers(len(given)))], kind="duplicate")
        if i in spoilt:
            yield replace(case, label=DEFECTS[spoilt[i]](case, rng), kind=spoilt[i])
        else:
            given.append(case)
            yield case
