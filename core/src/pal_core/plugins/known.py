"""Packages that bring kernels of a known prefix, for the advice to install them."""

from __future__ import annotations

__all__ = ["PACKAGES", "package_of"]

PACKAGES = {
    "ase": "pal-ase",
    "cfd": "pal-cfd",
    "classic": "pal-classic",
    "hpc": "pal-hpc",
    "mace": "pal-mace",
    "monitor": "pal-monitor",
    "nequip": "pal-nequip",
    "photo": "pal-photodynamics",
    "pyscf": "pal-pyscf",
    "schnet": "pal-schnet",
    "turbomole": "pal-turbomole",
    "xtb": "pal-xtb",
}


def package_of(kernel: str) -> str | None:
    """Distribution that brings `kernel`, judged by the part before its dot."""
    return PACKAGES.get(kernel.partition(".")[0])
