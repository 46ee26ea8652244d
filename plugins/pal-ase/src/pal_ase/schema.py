"""Fields of atomistic samples and labels. Light: plugins import it to state their interfaces.

Units are ASE's: eV, Å, eV/Å, eV/Å³, elementary charges.
"""

from __future__ import annotations

from pal_core.data import Field, Schema

__all__ = ["ENERGY", "FORCES", "LABEL", "SAMPLE", "STRESS", "label_schema"]

SAMPLE = Schema(
    [
        Field("numbers", "int32", ("atoms",), doc="Atomic numbers."),
        Field("positions", "float64", ("atoms", 3), "Å", "Cartesian positions."),
        Field("cell", "float64", (3, 3), "Å", "Cell vectors as rows; zero without a cell."),
        Field("pbc", "bool", (3,), doc="Periodic along each cell vector."),
        Field("charge", "int32", (), "e", "Total charge."),
        Field("multiplicity", "int32", (), doc="Spin multiplicity 2S + 1."),
    ]
)
ENERGY = Field("energy", "float64", (), "eV", "Total energy.")
FORCES = Field("forces", "float64", ("atoms", 3), "eV/Å", "Forces, never altered by constraints.")
STRESS = Field("stress", "float64", (3, 3), "eV/Å³", "Stress tensor; tension is positive, as in ASE.")
LABEL = Schema([ENERGY, FORCES])


def label_schema(stress: bool = False) -> Schema:
    """Energy and forces, and stress where asked for."""
    return Schema([*LABEL.values(), STRESS]) if stress else LABEL
