"""Packages that bring kernels of a known prefix, for the advice to install them."""

from __future__ import annotations

__all__ = ["COMMAND_PACKAGES", "PACKAGES", "package_of"]

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

COMMAND_PACKAGES = {"report": "pal-monitor", "trace": "pal-monitor", "watch": "pal-monitor"}
"""Packages that bring commands of `pal`."""


def package_of(kernel: str) -> str | None:
    """Distribution that brings `kernel`, judged by the part before its dot."""
    return PACKAGES.get(kernel.partition(".")[0])
