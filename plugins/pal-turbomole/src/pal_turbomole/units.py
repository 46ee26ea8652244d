"""Atomic units, CODATA 2018 (https://physics.nist.gov/cuu/Constants)."""

from __future__ import annotations

__all__ = ["BOHR", "HARTREE", "HARTREE_PER_BOHR"]

BOHR = 0.529177210903
"""Å."""
HARTREE = 27.211386245988
"""eV."""
HARTREE_PER_BOHR = HARTREE / BOHR
"""eV/Å."""
