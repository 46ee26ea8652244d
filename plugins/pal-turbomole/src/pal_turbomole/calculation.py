"""The programs of one label, and the evidence that their results are what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import OracleFailure, Sample

from pal_turbomole.coordinates import bohr, coord_text, symbols
from pal_turbomole.datagroups import DataGroups
from pal_turbomole.evidence import check_gradient, check_response, check_scf
from pal_turbomole.groups import state_group
from pal_turbomole.install import Installation
from pal_turbomole.options import DftOptions, TddftOptions
from pal_turbomole.reading.errors import Unreadable
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
    return [
        *names,
        *([_GRADIENT[fitted]] if 0 in wanted else []),
        "egrad" if any(wanted) else "escf",
    ]


@dataclass(frozen=True)
class Calculation:
    """One geometry in one folder.

    Parameters
    ----------
    sample : Sample
    options : DftOptions or TddftOptions
    installation : Installation
    folder : Path
    """

    sample: Sample
    options: DftOptions | TddftOptions
    installation: Installation
    folder: Path

    @property
    def elements(self) -> list[str]:
        """Names as the coord file has them."""
        return symbols(np.asarray(self.sample["numbers"]))

    @property
    def positions(self) -> NDArray[np.float64]:
        """As the coord file has them [bohr]."""
        return bohr(self.sample)

    def write_coord(self) -> None:
        """Write the coord file."""
        (self.folder / "coord").write_text(coord_text(self.elements, self.positions))

    def scf(self) -> Scf:
        """Run the SCF; energy in hartree.

        Raises
        ------
        OracleFailure
        """
        name = _SCF[self.options.density_fitting != "none"]
        result = self._run(name, lambda log: read_scf(log, (name,)))
        check_scf(result, self.sample, self.options, self.elements, self.positions)
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
        check_gradient(name, found, log.gradient, log.atoms, self.elements, self.positions)
        return found

    def states(self, options: TddftOptions, scf: Scf) -> Response:
        """Run the excited states without gradients.

        Raises
        ------
        OracleFailure
        """
        result = self._run("escf", lambda log: read_response(log, ("escf",)))
        check_response(result, scf, options, self.elements, self.positions)
        return result

    def state_gradient(self, options: TddftOptions, scf: Scf, state: int) -> tuple[Response, NDArray[np.float64]]:
        """Run the excited states and the gradient of one of them [hartree/bohr], shape (atoms, 3).

        Raises
        ------
        OracleFailure
        """
        control = self.folder / "control"
        groups = DataGroups.read(control.read_text(errors="replace"))
        control.write_text(str(groups.without("exopt").plus([state_group(state)])))
        result = self._run("egrad", lambda log: read_response(log, ("egrad",)))
        check_response(result, scf, options, self.elements, self.positions)
        if [g.number for g in result.gradients] != [state]:
            numbers = [g.number for g in result.gradients]
            raise OracleFailure("crashed", f"egrad computed the gradient of states {numbers}, asked for was {state}")
        found = self._gradient_file(result.by_energy[state - 1].energy)
        check_gradient("egrad", found, result.gradients[0].gradient, result.atoms, self.elements, self.positions)
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
            found = read_gradient(text, self.elements, self.positions, energy)
        except OSError as e:
            raise OracleFailure("crashed", f"there is no gradient file: {e}") from e
        except Unreadable as e:
            raise OracleFailure(e.kind, e.message, e.evidence) from e
        path.unlink()
        return found.gradient
