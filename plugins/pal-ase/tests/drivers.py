"""Functions that the driver tests run, as a user would write them."""

from __future__ import annotations

import ase.build
from ase.constraints import FixAtoms
from ase.mep import NEB
from ase.optimize import BFGS


def relax(atoms, rng, fmax=0.05, rattle=0.0):
    atoms.positions += rattle * rng.standard_normal(atoms.positions.shape)
    BFGS(atoms, logfile=None).run(fmax=fmax, steps=30)


def hop_ends():
    """A gold atom on Al(100) before and after a hop; from ASE's tutorial."""
    slab = ase.build.fcc100("Al", size=(2, 2, 3))
    ase.build.add_adsorbate(slab, "Au", 1.7, "hollow")
    slab.center(axis=2, vacuum=4.0)
    slab.set_constraint(FixAtoms(mask=[atom.tag > 1 for atom in slab]))
    final = slab.copy()
    final[-1].x += final.get_cell()[0, 0] / 2
    return slab, final


def band(initial, calculator, shared, steps=4):
    """Relax a band of three images; `calculator()` makes one for each, unless they share one."""
    final = initial.copy()
    final[-1].x += final.get_cell()[0, 0] / 2
    images = [initial, initial.copy(), initial.copy(), initial.copy(), final]
    one = calculator()
    for image in images:
        image.calc = one if shared else calculator()
    neb = NEB(images, climb=True, method="improvedtangent", allow_shared_calculator=shared)
    neb.interpolate()
    BFGS(neb, logfile=None).run(fmax=0.05, steps=steps)
    return images


def neb(atoms, rng, shared=False):
    own = atoms.calc
    band(atoms, lambda: own if shared else own.another(), shared)


def stumble(atoms, rng):
    atoms.get_forces()
    atoms.rattle(0.01)
    atoms.get_forces()
    raise ArithmeticError("the planted mistake")


def idle(atoms, rng):
    return None


def wander(atoms, rng):
    while True:
        atoms.get_forces()
        atoms.positions += 0.02 * rng.standard_normal(atoms.positions.shape)


not_a_function = 3
