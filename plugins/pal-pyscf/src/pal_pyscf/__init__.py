"""Hartree-Fock, DFT and TDDFT oracles, by PySCF."""

__version__ = "0.1.0"
