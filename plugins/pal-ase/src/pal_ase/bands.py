"""Nudged elastic bands whose images are predicted together."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from ase import Atoms
from ase.mep import NEB
from ase.mep.neb import idpp_interpolate, interpolate
from numpy.typing import NDArray

from pal_ase.alignment import differences
from pal_ase.vibrations import rigid_motions

__all__ = ["BatchNEB", "interpolated", "lay_upon", "new_band"]

_BEND = 0.1  # Å


class BatchNEB(NEB):  # type: ignore[misc]
    """ASE's NEB that asks for all images in one turn; takes the same arguments.

    Every image needs an `InsideOutCalculator` of its own (``atoms.calc.another()``). Images of a free molecule are
    neither moved nor turned as a whole: they could otherwise reach from one end to the other by turning only.
    """

    def get_forces(self) -> NDArray[np.float64]:
        """Forces along the band, shape ((images - 2) * atoms, 3), in eV/Å."""
        self.images[0].calc.prefetch(self.images)
        forces: NDArray[np.float64] = super().get_forces()
        if not self.images[0].pbc.any() and not self.images[0].constraints:
            rows = forces.reshape(self.nimages - 2, -1)
            for k, image in enumerate(self.images[1:-1]):
                rigid = rigid_motions(image, np.ones(len(image)))
                rows[k] -= rigid.T @ (rigid @ rows[k])
        return forces


def new_band(ends: tuple[Atoms, Atoms], images: int, rng: np.random.Generator, **keywords: Any) -> BatchNEB:
    """A band between two geometries with calculators; parameters as of `interpolated`, `keywords` are those of NEB."""
    band = interpolated(ends, images, rng)
    for image in band[1:-1]:
        image.calc = ends[0].calc.another()
    return BatchNEB(band, **keywords)


def interpolated(ends: tuple[Atoms, Atoms], images: int, rng: np.random.Generator) -> list[Atoms]:
    """Geometries between two others, by image-dependent pair potentials.

    S. Smidstrup et al., J. Chem. Phys. 140, 214106 (2014). The band is bent a little first: atoms that would pass
    through each other on a straight line find no way around otherwise.

    Parameters
    ----------
    ends : two Atoms
        Laid upon each other; they become the first and the last of the band, which may be moved and turned as a whole.
    images : int
        Their number between the ends.
    rng : Generator
    """
    first, last = ends
    band = [first, *(first.copy() for _ in range(images)), last]
    mic = bool(first.pbc.any())
    interpolate(band, mic=mic)
    aside = _BEND * rng.standard_normal(first.positions.shape)
    for image, share in zip(band[1:-1], np.arange(1, images + 1) / (images + 1), strict=True):
        image.set_positions(image.positions + np.sin(np.pi * share) * aside)
    idpp_interpolate(NEB(band, method="improvedtangent"), traj=None, log=None, mic=mic)
    for before, image in pairwise(band):
        lay_upon(image, before)
    return band


def lay_upon(atoms: Atoms, other: Atoms) -> None:
    """Move and turn a molecule so that it differs least from `other`; periodic systems and fixed atoms stay."""
    if atoms.pbc.any() or atoms.constraints:
        return
    centre = atoms.positions.mean(axis=0)
    _, turns = differences(other.positions, atoms.positions[None], atoms.cell.array, atoms.pbc)
    atoms.positions[:] = (atoms.positions - centre) @ turns[0] + other.positions.mean(axis=0)
