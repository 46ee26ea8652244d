"""Atomistic base of PAL: fields, walkers from ASE algorithms, calculators as oracles, label checks."""

__version__ = "0.1.0"
