"""Excited states by Turbomole's programs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Label, OracleFailure, Sample

from pal_ase.inspection import check_states_spin
from pal_turbomole.calculation import Calculation
from pal_turbomole.groups import ground_groups, response_groups
from pal_turbomole.options import TddftOptions
from pal_turbomole.oracle import Turbomole
from pal_turbomole.reading.files import Group
from pal_turbomole.reading.response import Response
from pal_turbomole.reading.scf import Scf
from pal_turbomole.units import BOHR, HARTREE, HARTREE_PER_BOHR

__all__ = ["Tddft"]

_SAME = 1e-6
"""Excitation energies of two runs with the same orbitals may differ by this [hartree]."""


class Tddft(Turbomole):
    """TDDFT and its Tamm-Dancoff approximation: ground and excited states, with the forces of those asked for."""

    Options = TddftOptions
    options: TddftOptions

    def inspect(self, sample: Sample) -> None:
        """As for the ground state; triplets need a closed shell to start from."""
        super().inspect(sample)
        check_states_spin(self.options.spin, int(sample["multiplicity"]))

    def method(self, unrestricted: bool) -> list[Group]:
        """Data groups of SCF and response."""
        return ground_groups(self.options) + response_groups(self.options, unrestricted)

    def calculate(self, calculation: Calculation) -> Label:
        """All states, or energy and forces of the one surface that is asked for."""
        scf = calculation.scf()
        response, gradients = self._run(calculation, scf)
        energies = np.array([scf.energy, *(s.energy for s in response.by_energy)])
        if self.options.surface is not None:
            k = self.options.surface
            return {"energy": np.asarray(energies[k] * HARTREE), "forces": -gradients[k] * HARTREE_PER_BOHR}
        return self._label(energies, response, gradients)

    def _run(self, calculation: Calculation, scf: Scf) -> tuple[Response, dict[int, NDArray[np.float64]]]:
        """One run of egrad for each gradient; escf where there is none. A later egrad starts from the states found."""
        gradients: dict[int, NDArray[np.float64]] = {}
        responses: list[Response] = []
        for k in self.options.gradient_states:
            if k == 0:
                gradients[0] = calculation.gradient(scf)
            else:
                response, gradients[k] = calculation.state_gradient(self.options, scf, k)
                responses.append(response)
        if not responses:
            responses.append(calculation.states(self.options, scf))
        first = [s.excitation for s in responses[0].by_energy]
        for other in responses[1:]:
            if np.abs(np.subtract(first, [s.excitation for s in other.by_energy])).max() > _SAME:
                text = f"two runs of egrad found different states: {first} and "
                raise OracleFailure("crashed", f"{text}{[s.excitation for s in other.by_energy]} hartree")
        return responses[0], gradients

    def _label(
        self, energies: NDArray[np.float64], response: Response, gradients: dict[int, NDArray[np.float64]]
    ) -> Label:
        states = response.by_energy
        atoms = len(response.atoms.symbols)
        forces, known = np.zeros((atoms, len(states) + 1, 3)), np.zeros(len(states) + 1, bool)
        for k, gradient in gradients.items():
            forces[:, k], known[k] = -gradient * HARTREE_PER_BOHR, True
        # What Turbomole prints for triplets are the strengths that they would have as singlets.
        allowed = np.array([float(s.multiplicity != 3) for s in states])
        return {
            "state_energies": energies * HARTREE,
            "state_forces": forces,
            "state_forces_known": known,
            "oscillator_strengths": allowed * [s.oscillator_length for s in states],
            "transition_dipoles": allowed[:, None] * np.array([s.dipole_length[0] for s in states]) * BOHR,
        }
