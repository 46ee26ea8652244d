"""Whether an SCF solution is a minimum.

PySCF's own analysis starts from one vector and was seen to call saddle points stable (UHF of stretched hydrogen in the
orbitals of its closed shell, PySCF 2.14). This one starts from several, one of which has no symmetry.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyscf import lib

__all__ = ["Curvature", "lowest_curvature", "turned"]

UNSTABLE = -1e-5
"""Curvature below which a solution is no minimum [hartree]."""

_STARTS, _CYCLES, _TOLERANCE = 4, 100, 1e-7


class Curvature(NamedTuple):
    """Lowest eigenvalue of the orbital Hessian [hartree] and the rotation of orbitals that belongs to it."""

    value: float
    rotation: NDArray[np.float64]


def lowest_curvature(field: Any) -> Curvature:
    """Second derivative of the energy along the worst rotation of orbitals, among those of the field's own kind.

    Parameters
    ----------
    field : pyscf.scf.hf.SCF
        Converged; not one with a second-order solver around it.
    """
    gradient, product, diagonal = field.newton().gen_g_hop(field.mo_coeff, field.mo_occ)
    size = len(gradient)
    if size == 0:
        return Curvature(0.0, np.zeros(0))

    def hessian(vectors: Any) -> Any:
        return [np.asarray(product(v)) * 2 for v in vectors]

    def preconditioned(vector: Any, value: float, *_: Any) -> Any:
        shifted = 2 * diagonal - value
        return vector / np.where(abs(shifted) < 1e-8, 1e-8, shifted)

    starts = [np.eye(1, size, int(k))[0] for k in np.argsort(diagonal)[: min(_STARTS, size)]]
    starts.append(np.random.default_rng(0).normal(size=size))
    _, values, vectors = lib.davidson1(
        hessian, starts, preconditioned, tol=_TOLERANCE, max_cycle=_CYCLES, nroots=1, verbose=0
    )
    return Curvature(float(values[0]), np.asarray(vectors[0], np.float64))


def turned(field: Any, rotation: NDArray[np.float64]) -> Any:
    """Orbitals of a field after a rotation."""
    solver = field.newton()
    matrix = solver.update_rotate_matrix(rotation, field.mo_occ, mo_coeff=field.mo_coeff)
    return solver.rotate_mo(field.mo_coeff, matrix)
