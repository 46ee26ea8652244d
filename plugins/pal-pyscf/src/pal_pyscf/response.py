"""Excited states as the linear response of a reference state."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.units import Bohr, Hartree
from numpy.typing import NDArray
from pal_core.kernels import OracleFailure
from pyscf import tdscf

from pal_ase.inspection import refusal
from pal_pyscf.options import TddftOptions
from pal_pyscf.scf import plain
from pal_pyscf.stability import UNSTABLE, lowest_curvature

__all__ = ["excited_states", "excited_gradient", "single_excitations"]

_CPHF_CYCLES = 100
_MORE_PAIRS = 6
_CURE = 'try stability = "follow" or reference = "unrestricted"'
# PySCF leaves states out that lie below this. Here they are to be seen: a reference that has any is no ground state.
_ANY_ENERGY = -1e6


def excited_states(field: Any, options: TddftOptions) -> Any:
    """PySCF's object with at least `options.states` converged states above the reference.

    Parameters
    ----------
    field : pyscf.scf.hf.SCF
        Converged.
    options : TddftOptions

    Raises
    ------
    OracleFailure
        ``unconverged`` if a state isn't converged, is missing, or lies below the reference; ``invalid_input`` if
        the basis set has fewer excitations.
    """
    room = single_excitations(field)
    if room < options.states:
        raise refusal(f"{options.states} states are wanted, but the basis set has {room} single excitations")
    response = _response(field, options)
    response.nstates = min(options.states + options.margin, room)
    response.conv_tol = options.response_convergence
    response.max_cycle = options.max_iterations
    response.positive_eig_threshold = _ANY_ENERGY
    if np.ndim(plain(field.mo_occ)) == 1:
        response.singlet = options.spin == "singlet"
    try:
        with np.errstate(invalid="ignore"):
            response.kernel(x0=_guess(response, field, room))
    except (RuntimeError, ValueError, np.linalg.LinAlgError) as error:
        raise OracleFailure("unconverged", f"PySCF's response equations: {error}") from error
    _check(response, options)
    if _hides_instabilities(response, options):
        _check_reference(field, options)
    return response


def _guess(response: Any, field: Any, room: int) -> Any:
    """More pairs of orbitals to begin with than PySCF's, which are as many as there are states to be found.

    A state of another symmetry than all of them is never found, and the next one takes its number without a word
    (second singlet of formaldehyde, 0.5 eV below). Small spaces get no more: there the solver stalls with many.
    """
    return response.get_init_guess(field, max(response.nstates, min(response.nstates + _MORE_PAIRS, room // 4)))


def _response(field: Any, options: TddftOptions) -> Any:
    method = tdscf.TDA if options.response == "tda" else tdscf.TDDFT
    if options.solvent is None:
        return method(field)
    # Forces exist for a solvent that follows the excited state, and energies have to belong to them.
    kind = "TDA" if options.response == "tda" else "TDHF" if options.functional == "hf" else "TDDFT"
    return getattr(field, kind)(equilibrium_solvation=True)


def single_excitations(field: Any) -> int:
    """How many excitations of one electron without change of spin there are."""
    occupations = np.atleast_2d(plain(field.mo_occ))
    return int(sum(np.sum(o > 0) * np.sum(o == 0) for o in occupations))


def _hides_instabilities(response: Any, options: TddftOptions) -> bool:
    """Whether PySCF leaves imaginary excitation energies out without a word, as it does with exact exchange."""
    exchange = options.functional == "hf" or response._scf._numint.libxc.is_hybrid_xc(response._scf.xc)
    known = options.spin == "singlet" and options.stability != "off"
    return options.response == "tddft" and exchange and not known


def _check_reference(field: Any, options: TddftOptions) -> None:
    """Refuse a reference with states of the wanted spin below it: all others would be counted wrongly."""
    # Triplets of a closed shell are rotations that make its orbitals depend on the spin.
    both = field.to_uks() if options.functional != "hf" else field.to_uhf()
    if lowest_curvature(both if options.spin == "triplet" else field).value <= UNSTABLE:
        raise OracleFailure(
            "unconverged",
            f"PySCF: the reference is not the ground state, an excitation is imaginary; {_CURE}",
        )


def _check(response: Any, options: TddftOptions) -> None:
    energies = np.atleast_1d(plain(response.e))
    converged = np.atleast_1d(response.converged)
    if min(len(energies), len(converged)) < response.nstates:
        raise OracleFailure("unconverged", f"PySCF found {len(energies)} of {response.nstates} states; {_CURE}")
    # A state that is not sure yet may end up below the others.
    wrong = np.flatnonzero(~converged[: options.states])
    if len(wrong):
        cycles = options.max_iterations
        raise OracleFailure("unconverged", f"PySCF: state {int(wrong[0]) + 1} has not converged in {cycles} iterations")
    lowest = energies[: options.states]
    if not (np.isfinite(lowest).all() and (lowest > 0).all()):
        values = ", ".join(f"{e * Hartree:.3f}" for e in lowest)
        raise OracleFailure(
            "unconverged",
            f"PySCF: the reference is not the ground state, its excitation energies are {values} eV; {_CURE}",
        )
    if (np.diff(energies) < 0).any():
        raise OracleFailure("crashed", f"PySCF's states are not in order: {(energies * Hartree).tolist()} eV")


def excited_gradient(response: Any, state: int) -> NDArray[np.float64]:
    """Derivatives of a state's total energy.

    Returns
    -------
    ndarray of float64, shape (atoms, 3)
        In eV/Å.
    """
    solver = response.nuc_grad_method()
    solver.cphf_max_cycle = _CPHF_CYCLES
    gradient = np.array(plain(solver.kernel(state=state)))
    reference = response._scf
    if reference.do_disp():
        # PySCF's gradients of excited states lack it.
        gradient += plain(reference.nuc_grad_method().get_dispersion())
    return np.asarray(gradient * (Hartree / Bohr), np.float64)
