"""Labels by PySCF."""

from __future__ import annotations

import contextlib
import gc
import io
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase.units import Bohr, Hartree
from numpy.typing import NDArray
from pal_core.errors import PalError
from pal_core.kernels import Context, Label, Oracle, OracleFailure, Sample
from pyscf import dft, lib

from pal_ase.inspection import check_states_spin
from pal_ase.orbital_store import OrbitalStore
from pal_pyscf.molecule import check_sample, molecule
from pal_pyscf.options import DftOptions, PyscfOptions, TddftOptions
from pal_pyscf.response import excited_gradient, excited_states
from pal_pyscf.scf import Orbitals, converged_field, orbitals, plain, xc_code

__all__ = ["Dft", "Tddft"]

_TAIL = 30


class _Pyscf(Oracle):
    """Single points in process. PySCF's files lie in a folder of the scratch directory until the label is done.

    Parameters
    ----------
    options : PyscfOptions
    context : Context

    Attributes
    ----------
    iterations : int
        SCF cycles of the last label's last attempt.
    """

    options: PyscfOptions

    def __init__(self, options: PyscfOptions, context: Context) -> None:
        super().__init__(options, context)
        self.iterations = 0
        self._store: OrbitalStore[Orbitals] = OrbitalStore()
        self._check_installation()
        context.note(f"level of theory: {options.level_of_theory()}")

    def _check_installation(self) -> None:
        o = self.options
        try:
            dft.libxc.parse_xc(xc_code(o.functional))
        except (KeyError, ValueError) as error:
            raise PalError(
                f"PySCF doesn't know the functional {o.functional!r}: {error}", "see libxc's names"
            ) from error
        if o.dispersion != "none":
            _need("pyscf.dispersion", "dispersion", 'pip install "pal-pyscf[dispersion]"')
        if o.gpu:
            _need("gpu4pyscf", "gpu", "install gpu4pyscf-cuda12x or gpu4pyscf-cuda11x")

    def inspect(self, sample: Sample) -> None:
        """Refuse impossible electron counts, broken geometries, elements without basis set, periodic samples."""
        check_sample(sample, self.options)

    def label(self, sample: Sample) -> Label:
        """Compute energies and forces; see the interface of the options."""
        log = io.StringIO()
        # PySCF writes remarks to stderr, which belong to the evidence.
        with self._scratch(), self._threads(), contextlib.redirect_stderr(log):
            try:
                label = self._label(sample, log)
            except OracleFailure as failure:
                failure.evidence = failure.evidence or _tail(log)
                raise
            except NotImplementedError as error:
                raise OracleFailure("invalid_input", f"PySCF can't do this: {error}", _tail(log)) from error
            except MemoryError as error:
                raise OracleFailure("crashed", f"out of memory: {error} (option memory)", _tail(log)) from error
            except Exception as error:
                what = f"PySCF raised {type(error).__name__}: {error}"
                raise OracleFailure("crashed", what, _tail(log) + "\n" + traceback.format_exc(limit=-4)) from error
        for name, values in label.items():
            if not np.isfinite(values).all():
                raise OracleFailure("crashed", f"PySCF gave {name} that are not finite", _tail(log))
        return label

    def _label(self, sample: Sample, log: io.StringIO) -> dict[str, NDArray[Any]]:
        raise NotImplementedError

    def _reference(self, sample: Sample, log: io.StringIO) -> Any:
        """Converged reference state."""
        start = self._store.nearest(sample) if self.options.reuse_orbitals else None
        field = converged_field(molecule(sample, self.options, log), self.options, start)
        self.iterations = int(field.cycles)
        if self.options.reuse_orbitals:
            self._store.add(sample, orbitals(field))
        return field

    def _reference_forces(self, field: Any) -> NDArray[np.float64]:
        """Forces of the reference state [eV/Å], shape (atoms, 3)."""
        solver = field.nuc_grad_method()
        if self.options.functional != "hf":
            solver.grid_response = self.options.grid_response
        return np.asarray(-np.array(plain(solver.kernel())) * (Hartree / Bohr), np.float64)

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[None]:
        self.context.directory.mkdir(parents=True, exist_ok=True)
        folder, before = Path(tempfile.mkdtemp(prefix="pyscf-", dir=self.context.directory)), lib.param.TMPDIR
        lib.param.TMPDIR = str(folder)
        try:
            yield
        finally:
            lib.param.TMPDIR = before
            if any(folder.iterdir()):
                gc.collect()  # density fitting's files, which would complain if they were removed while open
            shutil.rmtree(folder, ignore_errors=True)

    def _threads(self) -> contextlib.AbstractContextManager[Any]:
        threads = self.options.threads
        return contextlib.nullcontext() if threads is None else lib.with_omp_threads(threads)


class Dft(_Pyscf):
    """Hartree-Fock or Kohn-Sham energy and forces."""

    Options: ClassVar = DftOptions

    def _label(self, sample: Sample, log: io.StringIO) -> dict[str, NDArray[Any]]:
        field = self._reference(sample, log)
        return {"energy": np.array(field.e_tot * Hartree), "forces": self._reference_forces(field)}


class Tddft(_Pyscf):
    """Ground and excited states by TDDFT or the Tamm-Dancoff approximation."""

    Options: ClassVar = TddftOptions
    options: TddftOptions

    def inspect(self, sample: Sample) -> None:
        """As for the ground state; triplets need a closed shell to start from."""
        super().inspect(sample)
        check_states_spin(self.options.spin, int(sample["multiplicity"]))

    def _label(self, sample: Sample, log: io.StringIO) -> dict[str, NDArray[Any]]:
        check_states_spin(self.options.spin, int(sample["multiplicity"]))
        field = self._reference(sample, log)
        if self.options.surface == 0:
            return {"energy": np.array(field.e_tot * Hartree), "forces": self._reference_forces(field)}
        response = excited_states(field, self.options)
        energies = _energies(field, response, self.options.states)
        forces = {i: self._forces(field, response, i) for i in self.options.gradient_states}
        if self.options.surface is not None:
            return {"energy": np.array(energies[self.options.surface]), "forces": forces[self.options.surface]}
        return self._all_states(len(sample["numbers"]), response, energies, forces)

    def _forces(self, field: Any, response: Any, state: int) -> NDArray[np.float64]:
        return -excited_gradient(response, state) if state else self._reference_forces(field)

    def _all_states(
        self, atoms: int, response: Any, energies: NDArray[np.float64], forces: dict[int, NDArray[np.float64]]
    ) -> dict[str, NDArray[Any]]:
        states = self.options.states
        table = np.zeros((atoms, states + 1, 3))
        for i, values in forces.items():
            table[:, i] = values
        return {
            "state_energies": energies,
            "state_forces": table,
            "state_forces_known": np.isin(np.arange(states + 1), list(forces)),
            "oscillator_strengths": np.array(plain(response.oscillator_strength()))[:states],
            "transition_dipoles": np.array(plain(response.transition_dipole()))[:states] * Bohr,
        }


def _energies(field: Any, response: Any, states: int) -> NDArray[np.float64]:
    excitations = np.array(plain(response.e), np.float64)[:states]
    energies: NDArray[np.float64] = (float(field.e_tot) + np.concatenate([[0.0], excitations])) * Hartree
    return energies


def _need(module: str, option: str, cure: str) -> None:
    try:
        __import__(module)
    except ImportError as error:
        raise PalError(f"option {option} needs the package {module}: {error}", cure) from error


def _tail(log: io.StringIO) -> str:
    """Last lines of PySCF's output."""
    return "\n".join(line for line in log.getvalue().splitlines()[-_TAIL:] if line.strip())
