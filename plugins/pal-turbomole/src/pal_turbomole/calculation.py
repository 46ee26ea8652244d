"""The programs of one label, and the evidence that their results are what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import OracleFailure, Sample

from pal_turbomole.control import control_text, without
from pal_turbomole.coordinates import Geometry
from pal_turbomole.evidence import check_gradient, check_response, check_same_gradient, check_scf
from pal_turbomole.groups import state_group
from pal_turbomole.install import Installation
from pal_turbomole.options import DftOptions, TddftOptions
from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.files import read_groups
from pal_turbomole.reading.gradient import read_gradient, read_gradient_log
from pal_turbomole.reading.response import Response, read_response
from pal_turbomole.reading.scf import Scf, read_scf
from pal_turbomole.running import check_end, run

__all__ = ["Calculation", "programs"]

T = TypeVar("T")
_SCF = {False: "dscf", True: "ridft"}
_GRADIENT = {False: "grad", True: "rdgrad"}


def programs(options: DftOptions | TddftOptions) -> list[str]:
    """Programs that labels by these options may need."""
    fitted = options.density_fitting != "none"
    names = ["define", _SCF[fitted]]
    if not isinstance(options, TddftOptions):
        return [*names, _GRADIENT[fitted]]
    wanted = options.gradient_states
    return [*names, *([_GRADIENT[fitted]] if 0 in wanted else []), "egrad" if any(wanted) else "escf"]


@dataclass(frozen=True)
class Calculation:
    """One geometry in one folder.

    Parameters
    ----------
    sample : Sample
    options : DftOptions or TddftOptions
    installation : Installation
    folder : Path
        It holds all input; programs run here.
    electrons : int
        Those that are treated.
    """

    sample: Sample
    options: DftOptions | TddftOptions
    installation: Installation
    folder: Path
    electrons: int

    @cached_property
    def geometry(self) -> Geometry:
        """Of the sample."""
        return Geometry.of(self.sample)

    def scf(self) -> Scf:
        """Run the SCF; energy in hartree.

        Raises
        ------
        OracleFailure
        """
        name = _SCF[self.options.density_fitting != "none"]
        result = self._run(name, lambda log: read_scf(log, (name,)))
        check_scf(result, self.geometry, self.sample, self.options)
        if result.electrons != self.electrons:
            text = f"{name} treated {result.electrons} electrons, wanted are {self.electrons}: other core potentials?"
            raise OracleFailure("crashed", text)
        return result

    def gradient(self, scf: Scf) -> NDArray[np.float64]:
        """Run the gradient of the ground state [hartree/bohr], shape (atoms, 3).

        Raises
        ------
        OracleFailure
        """
        name = _GRADIENT[self.options.density_fitting != "none"]
        log = self._run(name, lambda text: read_gradient_log(text, (name,)))
        found = self._gradient_file(scf.energy)
        check_gradient(log, found, self.geometry)
        return found

    def states(self, options: TddftOptions, scf: Scf) -> Response:
        """Run the excited states without gradients.

        Raises
        ------
        OracleFailure
        """
        result = self._run("escf", lambda log: read_response(log, ("escf",)))
        check_response(result, self.geometry, scf, options)
        return result

    def state_gradient(self, options: TddftOptions, scf: Scf, state: int) -> tuple[Response, NDArray[np.float64]]:
        """Run the excited states and the gradient of one of them [hartree/bohr], shape (atoms, 3).

        Raises
        ------
        OracleFailure
        """
        control = self.folder / "control"
        groups = read_groups(control.read_text(errors="replace"))
        control.write_text(control_text([*without(groups, "exopt").all, state_group(state)]))
        result = self._run("egrad", lambda log: read_response(log, ("egrad",)))
        check_response(result, self.geometry, scf, options)
        if [g.number for g in result.gradients] != [state]:
            numbers = [g.number for g in result.gradients]
            raise OracleFailure("crashed", f"egrad computed the gradient of states {numbers}, asked for was {state}")
        found = self._gradient_file(result.by_energy[state - 1].energy)
        check_same_gradient("egrad", found, result.gradients[0].gradient)
        return result, found

    def _run(self, name: str, read: Callable[[str], T]) -> T:
        """Run a program and read its log; what it says of convergence comes before how it ended."""
        ended = run(
            name,
            self.installation.programs[name],
            self.folder,
            self.installation.environment,
            self.options.program_limit,
        )
        try:
            result = read(ended.log)
        except Unreadable as e:
            if e.kind == "crashed":
                check_end(ended, self.folder)
            raise OracleFailure(e.kind, f"{name}: {e.message}", e.evidence) from e
        check_end(ended, self.folder)
        return result

    def _gradient_file(self, energy: float) -> NDArray[np.float64]:
        """Take the gradient file, so that the next program starts a new one."""
        path = self.folder / "gradient"
        try:
            text = path.read_text(errors="replace")
            found = read_gradient(text, self.geometry.elements, self.geometry.positions, energy)
        except OSError as e:
            raise OracleFailure("crashed", f"there is no gradient file: {e}") from e
        except Unreadable as e:
            raise OracleFailure(e.kind, e.message, e.evidence) from e
        path.unlink()
        return found.gradient
