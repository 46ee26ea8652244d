"""Turbomole oracles for PAL: DFT and TDDFT by its own programs."""

__version__ = "0.1.0"
