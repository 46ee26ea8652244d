"""The reference state: a self-consistent field that has converged, or a failure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import OracleFailure
from pyscf import dft, gto, scf

from pal_ase.functionals import FUNCTIONALS, LIBXC
from pal_pyscf.options import PyscfOptions
from pal_pyscf.stability import UNSTABLE, lowest_curvature, turned

__all__ = ["Orbitals", "converged_field", "orbitals", "plain", "xc_code"]

Orbitals = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Coefficients (functions, orbitals) and occupations (orbitals,); with an axis for spin in front if unrestricted."""

_LEVELS = {"coarse": 2, "medium": 3, "fine": 4, "finest": 5}
_PCM = {"cosmo": "COSMO", "c-pcm": "C-PCM", "ief-pcm": "IEF-PCM"}
_FITTED = {"coulomb": "def2-universal-jfit", "coulomb-exchange": "def2-universal-jkfit"}
_SHIFT = 0.3  # hartree: the usual one, which calms cycles that jump between two occupations


def xc_code(functional: str) -> str:
    """What PySCF calls a functional."""
    return functional[len(LIBXC) :] if functional.startswith(LIBXC) else FUNCTIONALS[functional].libxc


def converged_field(mole: gto.Mole, options: PyscfOptions, start: Orbitals | None = None) -> Any:
    """A mean field of the wanted kind whose convergence was verified.

    Parameters
    ----------
    mole : Mole
    options : PyscfOptions
    start : Orbitals or None
        Of a near geometry, to start from.

    Returns
    -------
    pyscf.scf.hf.SCF
        Kohn-Sham or Hartree-Fock, without a second-order solver around it.

    Raises
    ------
    OracleFailure
        Of kind ``unconverged``.
    """
    problem = ""
    for field, rescued in _attempts(mole, options, start):
        problem = _problem(field, options)
        if problem:
            continue
        # A second-order solver is as content with a saddle point as with a minimum.
        wanted = options.stability
        if wanted == "auto":
            wanted = "follow" if rescued else "off"
        return field if wanted == "off" else _stable(field, options, follow=wanted == "follow")
    raise OracleFailure("unconverged", f"PySCF: {problem}")


def _attempts(mole: gto.Mole, options: PyscfOptions, start: Orbitals | None) -> Iterator[tuple[Any, bool]]:
    """Fields after their cycles, from the usual to the tedious, and whether they come from a second-order solver."""
    if start is not None:
        field = _field(mole, options)
        field.kernel(dm0=_density(field, start))
        yield field, False
    field = _field(mole, options)
    field.kernel()
    yield field, False
    if not options.rescue:
        return
    field = _field(mole, options)
    field.level_shift = _SHIFT
    field.kernel()
    yield field, False
    yield _second_order(field, field.mo_coeff, field.mo_occ), True


def _field(mole: gto.Mole, options: PyscfOptions) -> Any:
    field = _kohn_sham(mole, options)
    field.chkfile = field._chkfile = None  # a file that would be in the way when the folder is removed
    field.conv_tol = options.energy_convergence
    field.conv_tol_grad = options.gradient_convergence
    field.check_convergence = _has_converged
    field.max_cycle = options.max_iterations
    if options.density_fitting != "none":
        coulomb = options.density_fitting == "coulomb"
        field = field.density_fit(auxbasis=_FITTED[options.density_fitting], only_dfj=coulomb)
    if options.dispersion != "none":
        field.disp = f"{options.dispersion}:{FUNCTIONALS[options.functional].damping}"
    if options.solvent is not None:
        field = _solvated(field, options)
    return field.to_gpu() if options.gpu else field


def _has_converged(cycle: Mapping[str, Any]) -> bool:
    """PySCF's own rule for each cycle, also for its last one, where it would be content with either half of it."""
    change = abs(cycle["e_tot"] - cycle["last_hf_e"])
    return bool(change < cycle["conv_tol"] and cycle["norm_gorb"] < cycle["conv_tol_grad"])


def _kohn_sham(mole: gto.Mole, options: PyscfOptions) -> Any:
    kind = options.reference
    if kind == "auto":
        kind = "restricted" if mole.spin == 0 else "unrestricted"
    # Restricted open-shell theory of a closed shell is the restricted one.
    letter = {"unrestricted": "U", "restricted-open": "RO" if mole.spin else "R"}.get(kind, "R")
    if options.functional == "hf":
        return getattr(scf, f"{letter}HF")(mole)
    field = getattr(dft, f"{letter}KS")(mole, xc=xc_code(options.functional))
    field.grids.level = _LEVELS[options.grid]
    return field


def _solvated(field: Any, options: PyscfOptions) -> Any:
    field = field.DDCOSMO() if options.solvent_model == "ddcosmo" else field.PCM()
    if options.solvent_model != "ddcosmo":
        field.with_solvent.method = _PCM[options.solvent_model]
    field.with_solvent.eps = options.dielectric_constant
    return field


def _second_order(field: Any, coefficients: Any, occupations: Any) -> Any:
    """The field after cycles of the second-order solver, whose results are put back into it."""
    field.level_shift = 0.0
    solver = field.newton()
    solver.kernel(coefficients, occupations)
    field.mo_coeff, field.mo_occ, field.mo_energy = solver.mo_coeff, solver.mo_occ, solver.mo_energy
    field.e_tot, field.converged = solver.e_tot, solver.converged
    return field


def _problem(field: Any, options: PyscfOptions) -> str:
    """What keeps the field from being believed; empty if nothing does."""
    if not field.converged:
        return f"no SCF convergence in {options.max_iterations} iterations"
    if not np.isfinite(field.e_tot):
        return f"the SCF energy is {field.e_tot}"
    return ""


def _stable(field: Any, options: PyscfOptions, follow: bool) -> Any:
    """The field, if it is a minimum; else the one that its instability leads to."""
    for _ in range(3):
        lowest = lowest_curvature(field)
        if lowest.value > UNSTABLE:
            return field
        if not follow:
            raise OracleFailure("unconverged", "PySCF: the SCF solution is unstable (option stability)")
        field = _second_order(field, turned(field, lowest.rotation), field.mo_occ)
        problem = _problem(field, options)
        if problem:
            raise OracleFailure("unconverged", f"PySCF: following an instability, {problem}")
    raise OracleFailure("unconverged", "PySCF: the SCF solution is unstable, and so are three that it led to")


def orbitals(field: Any) -> Orbitals:
    """Copies of a field's orbitals, to start another calculation from."""
    return np.array(plain(field.mo_coeff)), np.array(plain(field.mo_occ))


def _density(field: Any, start: Orbitals) -> Any:
    """Density matrix whose occupied orbitals are those of another geometry, made orthonormal in this one.

    Only the occupied ones: together with the others they would span everything, and mix.
    """
    coefficients, occupations = start
    overlap = plain(field.get_ovlp())
    if coefficients.ndim == 3:
        return np.array([_projector(c[:, o > 0], overlap) for c, o in zip(coefficients, occupations, strict=True)])
    both, any_ = (_projector(coefficients[:, occupations > least], overlap) for least in (1, 0))
    return np.array([any_, both]) if (occupations == 1).any() else 2 * both


def _projector(occupied: NDArray[np.float64], overlap: NDArray[np.float64]) -> NDArray[np.float64]:
    """C (C^T S C)^-1 C^T, shape (functions, functions)."""
    inside: NDArray[np.float64] = occupied @ np.linalg.solve(occupied.T @ overlap @ occupied, occupied.T)
    return inside


def plain(values: Any) -> Any:
    """NumPy's copy of an array that may lie on a GPU."""
    return values.get() if hasattr(values, "get") else values
