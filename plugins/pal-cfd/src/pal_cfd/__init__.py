"""Laminar channel flow with heat transfer: geometries and flow solvers."""

__version__ = "0.1.0"
