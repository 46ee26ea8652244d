"""Any ASE calculator as an oracle."""

from __future__ import annotations

import subprocess
import traceback
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import (
    CalculatorSetupError,
    InputError,
    SCFError,
)
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray
from pal_core.errors import PalError
from pal_core.kernels import Context, FailureKind, Label, Oracle, OracleFailure, Sample

from pal_ase import targets
from pal_ase.codec import lowest_multiplicity, sample_to_atoms
from pal_ase.label_options import CalculatorOptions

__all__ = ["CalculatorOracle"]

_EVIDENCE_LINES = 20
_KINDS: tuple[tuple[tuple[type[BaseException], ...], FailureKind], ...] = (
    ((SCFError,), "unconverged"),
    ((TimeoutError, subprocess.TimeoutExpired), "timeout"),
    # A PropertyNotImplementedError is a NotImplementedError, which is also how calculators refuse elements.
    ((InputError, CalculatorSetupError, NotImplementedError), "invalid_input"),
)


class CalculatorOracle(Oracle):
    """Labels by an ASE calculator named in the options.

    The calculator is kept from one label to the next, and replaced after a failure. Forces are never altered by
    constraints. Calculators that write files do so in the oracle's scratch directory.
    """

    Options = CalculatorOptions

    def __init__(self, options: CalculatorOptions, context: Context) -> None:
        super().__init__(options, context)
        self._name = options.calculator.name
        self._known = {atomic_numbers.get(symbol, -1) for symbol in options.elements}
        if -1 in self._known:
            wrong = [symbol for symbol in options.elements if symbol not in atomic_numbers]
            raise PalError(f"ase.calculator: elements: no such element: {', '.join(wrong)}")
        try:
            self._class = targets.load(options.calculator)
        except ImportError as e:
            raise PalError(f"ase.calculator: calculator = {self._name!r}: {e}", "is its package installed?") from e
        self._calculator: Any = self._new()

    def _new(self) -> Any:
        o = self.options
        try:
            calculator = self._class(**o.parameters)
        except Exception as e:
            text = f"ase.calculator: {self._name} with parameters {o.parameters} raised {type(e).__name__}: {e}"
            raise PalError(text, "correct the option parameters") from e
        wanted = ["energy", "forces", *(["stress"] if o.stress else [])]
        missing = [p for p in wanted if p not in getattr(calculator, "implemented_properties", wanted)]
        if missing:
            raise PalError(f"ase.calculator: {self._name} doesn't compute {' and '.join(missing)}")
        if "directory" not in o.parameters and hasattr(calculator, "directory"):
            calculator.directory = str(self.context.directory)
        return calculator

    def inspect(self, sample: Sample) -> None:
        """Refuse elements outside of `elements`, and charges and spins that the calculator would not learn of."""
        numbers = np.asarray(sample["numbers"])
        unknown = set(numbers.tolist()) - self._known
        if self._known and unknown:
            symbols = ", ".join(chemical_symbols[z] for z in sorted(unknown))
            raise OracleFailure("invalid_input", f"{self._name} is not for {symbols} (option elements)")
        if len(numbers) == 0:
            raise OracleFailure("invalid_input", "a structure without atoms")
        if not (np.isfinite(sample["positions"]).all() and np.isfinite(sample["cell"]).all()):
            raise OracleFailure("invalid_input", "positions or cell are not finite")
        if self.options.stress and not np.all(sample["pbc"]):
            raise OracleFailure("invalid_input", "stress is wanted of a structure that is not periodic")
        self._inspect_electrons(numbers, int(sample["charge"]), int(sample["multiplicity"]))

    def _inspect_electrons(self, numbers: NDArray[Any], charge: int, multiplicity: int) -> None:
        o = self.options
        ignored = []
        if charge and not (o.charge_parameter or o.reads_info):
            ignored.append(f"charge {charge:+d} (option charge_parameter)")
        low_spin = multiplicity == lowest_multiplicity(numbers, charge)
        if not low_spin and not (o.multiplicity_parameter or o.reads_info):
            ignored.append(f"multiplicity {multiplicity} (option multiplicity_parameter)")
        if ignored:
            text = f"{self._name} would ignore {' and '.join(ignored)}"
            raise OracleFailure("invalid_input", f"{text}; name its keyword, or set reads_info if it reads atoms.info")

    def label(self, sample: Sample) -> Label:
        """Energy, forces and, where asked for, stress."""
        self.inspect(sample)
        atoms = sample_to_atoms(sample)
        try:
            label = self._calculate(atoms)
        except Exception as e:
            self._calculator = self._new()  # whatever state it was left in
            raise self._failure(e, atoms) from e
        bad = [name for name, value in label.items() if not np.isfinite(value).all()]
        if bad:
            self._calculator = self._new()
            raise OracleFailure("crashed", f"{self._name} gave {' and '.join(bad)} that are not finite")
        return label

    def _calculate(self, atoms: Atoms) -> dict[str, NDArray[np.float64]]:
        o = self.options
        electrons = {o.charge_parameter: atoms.info["charge"], o.multiplicity_parameter: atoms.info["multiplicity"]}
        electrons.pop("", None)
        if electrons:
            self._calculator.set(**electrons)
        self._calculator.atoms = None  # ASE keeps results while positions stay the same, whatever the charge
        atoms.calc = self._calculator
        forces = atoms.get_forces(apply_constraint=False)
        free = o.energy == "consistent" and "free_energy" in getattr(self._calculator, "implemented_properties", ())
        energy = atoms.get_potential_energy(force_consistent=free)
        label = {"energy": np.array(energy, np.float64), "forces": np.array(forces, np.float64)}
        if o.stress:
            label["stress"] = np.array(atoms.get_stress(voigt=False, apply_constraint=False), np.float64)
        return label

    def _failure(self, error: Exception, atoms: Atoms) -> OracleFailure:
        kind: FailureKind = next((kind for types, kind in _KINDS if isinstance(error, types)), "crashed")
        # Many calculators look an element up in a dictionary.
        symbols = {*atoms.symbols, *atoms.numbers.tolist()}
        missing = isinstance(error, KeyError) and bool(error.args) and error.args[0] in symbols
        if missing:
            kind = "invalid_input"
        text = (
            f"{self._name} doesn't know element {error.args[0]}" if missing else f"{self._name} raised {_said(error)}"
        )
        lines = "".join(traceback.format_exception(type(error), error, error.__traceback__)).splitlines()
        return OracleFailure(kind, text, "\n".join(lines[-_EVIDENCE_LINES:]))


def _said(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
