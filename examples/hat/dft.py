"""DFT for `ase.calculator`: PySCF's Kohn-Sham energies and gradients, in Hartree and Bohr, in the clothes of ASE.

pip install pyscf
"""

from __future__ import annotations

from ase.calculators.calculator import Calculator, SCFError, all_changes
from ase.units import Bohr, Hartree

__all__ = ["PySCF"]


class PySCF(Calculator):
    """Unrestricted Kohn-Sham; charge and multiplicity are parameters.

    Parameters
    ----------
    xc : str
        By PySCF's names; ``"hyb_mgga_x_bmk,gga_c_bmk"`` is BMK (A. D. Boese, J. M. L. Martin, J. Chem. Phys. 121, 3405,
        2004), of which PySCF knows no shorter one.
    basis : str
    grid : int
        PySCF's level of the integration grid, 0 to 9.
    density_fit : bool
        Approximate the Coulomb and exchange integrals.
    """

    implemented_properties = ("energy", "forces")
    default_parameters = {  # noqa: RUF012 - ASE's convention
        "xc": "hyb_mgga_x_bmk,gga_c_bmk",
        "basis": "def2-tzvpd",
        "grid": 3,
        "density_fit": True,
        "charge": 0,
        "multiplicity": 1,
    }

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        """Energy and forces; the exchange-correlation grid moves with the atoms."""
        from pyscf import dft, gto

        super().calculate(atoms, properties, system_changes)
        p = self.parameters
        mole = gto.M(
            atom=[(a.symbol, a.position) for a in self.atoms],
            basis=p.basis,
            charge=p.charge,
            spin=p.multiplicity - 1,
            verbose=0,
        )
        field = dft.UKS(mole, xc=p.xc)
        if p.density_fit:
            field = field.density_fit()
        field.grids.level = p.grid
        energy = field.kernel()
        if not field.converged:
            # Far from minima the first-order solver often swings; the second-order one is slow but sure.
            field = field.newton()
            energy = field.kernel(field.mo_coeff, field.mo_occ)
        if not field.converged:
            raise SCFError(f"PySCF's second-order solver has not converged after {field.max_cycle} cycles")
        gradient = field.nuc_grad_method()
        gradient.grid_response = True
        self.results = {"energy": float(energy) * Hartree, "forces": -gradient.kernel() * Hartree / Bohr}
