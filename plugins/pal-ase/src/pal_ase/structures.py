"""Start structures of the walkers."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from ase import Atoms, units
from pal_core.errors import PalError
from pal_core.kernels import Sample

from pal_ase.codec import atoms_to_sample, sample_to_atoms
from pal_ase.formats.extxyz import read_images
from pal_ase.guards import Guards
from pal_ase.options import WalkerOptions
from pal_ase.smiles import read_smiles

__all__ = ["displaced", "draw_momenta", "placed", "start_structures"]


def start_structures(kernel: str, path: Path, options: WalkerOptions) -> tuple[Atoms, ...]:
    """Every structure of a file, of use by `options`, with charge and multiplicity in `info`. Not to be changed.

    Raises
    ------
    PalError
        If the file can't be read, or holds a structure that no walker may start from; names kernel and key.
    """
    o = options
    changed = path.stat().st_mtime_ns
    electrons = (("charge", o.charge), ("multiplicity", o.multiplicity))
    return _checked(kernel, path, changed, electrons, (o.closest, o.isolated, o.spread, o.apart))


@lru_cache(maxsize=8)
def _checked(
    kernel: str,
    path: Path,
    changed: int,
    electrons: tuple[tuple[str, int | None], ...],
    limits: tuple[float, float, float, float],
) -> tuple[Atoms, ...]:
    """Read and checked once for all walkers of a process; `changed` makes an edited file a new one."""
    try:
        images = read_smiles(path) if path.suffix == ".smi" else read_images(path)
    except PalError as e:
        raise PalError(f"{kernel}: structure: {e.message}", e.hint or "give a file with structures in it") from e
    for k, atoms in enumerate(images):
        atoms.calc = None
        atoms.info |= {name: value for name, value in electrons if value is not None}
        sample = atoms_to_sample(atoms)
        atoms.info |= {name: int(sample[name]) for name in ("charge", "multiplicity")}
        problem = "no atoms" if not len(atoms) else Guards(*limits[:3], 0.0, atoms, connected=limits[3]).judge(atoms)
        if problem:
            advice = "correct it, or the option closest, isolated, spread or connected"
            raise PalError(f"{kernel}: structure: frame {k} of {path}: {problem}", advice)
    return tuple(images)


def placed(start: Atoms, frame: Sample) -> Atoms:
    """The geometry of `frame` with masses, constraints and all else of `start` where both have the same atoms."""
    if not np.array_equal(start.numbers, frame["numbers"]):
        return sample_to_atoms(frame)
    atoms = start.copy()
    atoms.set_cell(frame["cell"])
    atoms.set_pbc(frame["pbc"])
    atoms.set_positions(frame["positions"], apply_constraint=False)
    atoms.info |= {name: int(frame[name]) for name in ("charge", "multiplicity")}
    return atoms


def draw_momenta(atoms: Atoms, temperature: float, rng: np.random.Generator) -> None:
    """Set Maxwell-Boltzmann momenta; constraints hold, and without any the centre of mass rests.

    Parameters
    ----------
    atoms : Atoms
    temperature : float
        In K.
    rng : Generator
    """
    masses = atoms.get_masses()[:, None]
    momenta = rng.standard_normal((len(atoms), 3)) * np.sqrt(masses * units.kB * temperature)
    if not atoms.constraints and len(atoms) > 1:
        momenta -= masses * (momenta.sum(axis=0) / masses.sum())
    atoms.set_momenta(momenta)


def displaced(atoms: Atoms, amplitude: float, rng: np.random.Generator) -> Atoms:
    """A copy with normally distributed displacements of standard deviation `amplitude` (Å) per coordinate.

    Fixed atoms stay.
    """
    moved = atoms.copy()
    moved.set_positions(atoms.positions + amplitude * rng.standard_normal((len(atoms), 3)))
    return moved
