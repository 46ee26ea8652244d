"""Searches over designs: particle swarms, Latin hypercubes and generators of other libraries as walkers."""

__version__ = "0.1.0"
