"""GFN1-xTB and GFN2-xTB in process, by tblite."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Context, FailureKind, Label, Oracle, OracleFailure, Sample

try:
    from tblite.exceptions import TBLiteRuntimeError
    from tblite.interface import Calculator, Result
except ImportError as error:
    if "libgomp" in str(error):
        # tblite's wheel takes GNU's OpenMP library from the system, where minimal ones have none.
        raise ImportError(f"{error}; xtb.gfn1 and xtb.gfn2 need it: apt-get install libgomp1") from error
    raise

from pal_xtb.options import TbliteOptions
from pal_xtb.samples import check_sample, electrons, unpaired
from pal_xtb.units import BOHR, HARTREE, HARTREE_PER_BOHR, KELVIN

__all__ = ["Gfn1", "Gfn2"]


class _Tblite(Oracle):
    """Single points; the label depends on the sample alone.

    The calculator object (parameters, basis) is kept while elements, charge and multiplicity stay the same: results
    are then equal to the last bit to those of a new one. The wave function is not kept: starting from the last
    sample's saves a tenth of the time only, and a label would depend on what this worker labelled before it, and so
    change when a run is resumed or has other ranks.
    """

    Options = TbliteOptions
    METHOD: ClassVar[str]
    options: TbliteOptions

    def __init__(self, options: TbliteOptions, context: Context) -> None:
        super().__init__(options, context)
        self._lines: deque[str] = deque(maxlen=40)
        self._calculator: Calculator | None = None
        self._species: tuple[object, ...] = ()

    def inspect(self, sample: Sample) -> None:
        """Refuse unknown elements, impossible electron counts, broken geometries and unsupported periodicity."""
        molecules_only = "option solvent is set" if self.options.solvent else ""
        check_sample(sample, closest=self.options.closest, molecules_only=molecules_only)
        if self.options.stress and not np.any(sample["pbc"]):
            raise OracleFailure("invalid_input", "option stress is set, but the sample is not periodic")

    def label(self, sample: Sample) -> Label:
        """Energy [eV], forces [eV/Å] and, if asked for, stress [eV/Å³].

        The energy is the electronic free energy at the electronic temperature, of which the forces are the
        exact derivatives.
        """
        self.inspect(sample)
        self._lines.clear()
        try:
            result = self._prepared(sample).singlepoint()
        except TBLiteRuntimeError as error:
            self.close()
            kind: FailureKind = "unconverged" if "not converged" in str(error) else "crashed"
            raise self._failure(kind, f"tblite: {error}") from error
        self._check_filling(sample, result)
        return self._converted(sample, result)

    def close(self) -> None:
        """Forget the calculator."""
        self._calculator = None

    def _check_filling(self, sample: Sample, result: Result) -> None:
        """Tblite fills the orbitals that there are and drops further electrons without a word."""
        filled, wanted = float(np.sum(result.get("orbital-occupations"))), electrons(sample)
        if abs(filled - wanted) > 1e-6:
            message = f"multiplicity {int(sample['multiplicity'])} leaves no room for {wanted} electrons"
            raise self._failure("invalid_input", f"{message}, only for {filled:g}")

    def _prepared(self, sample: Sample) -> Calculator:
        positions = np.asarray(sample["positions"], np.float64) / BOHR
        lattice = np.asarray(sample["cell"], np.float64) / BOHR if np.any(sample["pbc"]) else None
        numbers = np.asarray(sample["numbers"], np.int32)
        species = (numbers.tobytes(), electrons(sample), unpaired(sample), lattice is None)
        if self._calculator is not None and species == self._species:
            self._calculator.update(positions, lattice)
            return self._calculator
        self._calculator = self._new(sample, numbers, positions, lattice)
        self._species = species
        return self._calculator

    def _new(
        self,
        sample: Sample,
        numbers: NDArray[np.int32],
        positions: NDArray[np.float64],
        lattice: NDArray[np.float64] | None,
    ) -> Calculator:
        calculator = Calculator(
            self.METHOD,
            numbers,
            positions,
            charge=float(sample["charge"]),
            uhf=unpaired(sample),
            lattice=lattice,
            periodic=None if lattice is None else np.ones(3, bool),
            color=False,
            logger=self._lines.append,
        )
        calculator.set("temperature", self.options.electronic_temperature * KELVIN)
        calculator.set("accuracy", self.options.accuracy)
        calculator.set("max-iter", self.options.max_iterations)
        if self.options.solvent is not None:
            calculator.add("alpb-solvation", self.options.solvent)
        return calculator

    def _converted(self, sample: Sample, result: Result) -> Label:
        label = {
            "energy": np.asarray(float(result.get("energy")) * HARTREE),
            "forces": -result.get("gradient") * HARTREE_PER_BOHR,
        }
        if self.options.stress:
            label["stress"] = result.get("virial") * HARTREE / abs(np.linalg.det(sample["cell"]))
        for name, value in label.items():
            if not np.isfinite(value).all():
                raise self._failure("crashed", f"tblite gave {name} that are not finite")
        return label

    def _failure(self, kind: FailureKind, message: str) -> OracleFailure:
        return OracleFailure(kind, message, "\n".join(self._lines))


class Gfn2(_Tblite):
    """GFN2-xTB (Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652, 2019)."""

    METHOD = "GFN2-xTB"


class Gfn1(_Tblite):
    """GFN1-xTB (Grimme, Bannwarth, Shushkov, J. Chem. Theory Comput. 13, 1989, 2017)."""

    METHOD = "GFN1-xTB"
