"""Conversion from atomic units.

Values follow from the CODATA 2014 constants (Mohr, Newell, Taylor, Rev. Mod. Phys. 88, 035009, 2016) in the way ASE's
`ase.units` derives them, and are equal to ASE's to the last digit, so that labels made here and labels made by
an ASE calculator of the same method can be mixed.
"""

from __future__ import annotations

__all__ = ["BOHR", "HARTREE", "HARTREE_PER_BOHR", "KELVIN"]

HARTREE = 27.211386024367243
"""One hartree in eV."""
BOHR = 0.5291772105638411
"""One bohr in Å."""
HARTREE_PER_BOHR = HARTREE / BOHR
"""One hartree per bohr in eV/Å."""
KELVIN = 8.617330337217213e-05 / HARTREE
"""Boltzmann's constant times one kelvin in hartree."""
