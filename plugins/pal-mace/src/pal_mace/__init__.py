"""MACE committees for PAL: equivariant interatomic potentials that train while they are used."""

__version__ = "0.1.0"
