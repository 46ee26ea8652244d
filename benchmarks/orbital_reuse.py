"""SCF iterations that `reuse_orbitals` of pyscf.dft saves along a walker, and what it does to the labels.

    python benchmarks/orbital_reuse.py        # pal-ase, pal-pyscf, pal-xtb; half a minute
    python benchmarks/orbital_reuse.py b3lyp  # four minutes

Walkers are dynamics with GFN2-xTB at 500 K; their frames are labelled in order by two oracles, one of which starts from
the orbitals of the nearest frame before.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from pal_ase.codec import atoms_to_sample
from pal_core.kernels import Context
from pal_pyscf.options import DftOptions
from pal_pyscf.oracle import Dft
from pal_xtb.options import TbliteOptions
from pal_xtb.oracle import Gfn2

FRAMES = 20
STEP = 0.5  # fs
LEVELS = {"hf": {"functional": "hf", "basis": "6-31g*"}, "b3lyp": {"preset": "b3lyp-6-31gs-tddft"}}


class Walking(Calculator):
    """GFN2-xTB for the dynamics."""

    implemented_properties = ("energy", "forces")

    def __init__(self, multiplicity: int) -> None:
        super().__init__()
        self._oracle, self._multiplicity = Gfn2(TbliteOptions(), Context("oracle")), multiplicity

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        label = self._oracle.label(sample(self.atoms, self._multiplicity))
        self.results = {"energy": float(label["energy"]), "forces": label["forces"]}


def sample(atoms: Atoms, multiplicity: int) -> dict[str, Any]:
    return {**atoms_to_sample(atoms), "multiplicity": np.int32(multiplicity)}


def walk(name: str, multiplicity: int, every: int) -> list[dict[str, Any]]:
    """Frames of a walker, `every` so many steps."""
    rng = np.random.default_rng(1)
    atoms = molecule(name)
    atoms.calc = Walking(multiplicity)
    MaxwellBoltzmannDistribution(atoms, temperature_K=500, rng=rng)
    dynamics = Langevin(atoms, STEP * units.fs, temperature_K=500, friction=0.01 / units.fs, fixcm=False, rng=rng)
    frames = []
    for _ in range(FRAMES):
        dynamics.run(every)
        frames.append(sample(atoms, multiplicity))
    return frames


def compare(level: dict[str, Any], name: str, multiplicity: int, every: int) -> None:
    """Label one walker's frames with and without orbitals of earlier ones."""
    fresh, reusing = (Dft(DftOptions(**level, reuse_orbitals=on), Context("oracle")) for on in (False, True))
    counts, energies, forces = [], [], []
    for frame in walk(name, multiplicity, every):
        alone, after = fresh.label(frame), reusing.label(frame)
        counts.append((fresh.iterations, reusing.iterations))
        energies.append(abs(float(alone["energy"] - after["energy"])))
        forces.append(float(np.abs(alone["forces"] - after["forces"]).max()))
    before, after_ = np.mean(counts[1:], axis=0)
    saved = 100 * (1 - after_ / before)
    print(
        f"{name}, a frame every {every * STEP:g} fs: {before:.1f} iterations, {after_:.1f} with reuse "
        f"({saved:.0f} % saved); labels differ by {max(energies):.1e} eV, {max(forces):.1e} eV/Å at most",
        flush=True,
    )


def main() -> None:
    level = LEVELS[sys.argv[1] if len(sys.argv) > 1 else "hf"]
    for every in (20, 1, 100):
        compare(level, "H2CO", 1, every)
    compare(level, "CH3", 2, 20)


if __name__ == "__main__":
    main()
