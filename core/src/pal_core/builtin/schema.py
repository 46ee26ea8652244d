"""Fields of the toy kernels: points of the plane, and an energy with its gradient. All are pure numbers."""

from __future__ import annotations

from pal_core.data import Field, Schema

__all__ = ["LABEL", "SAMPLE"]

SAMPLE = Schema([Field("x", "float64", (2,), doc="A point of the plane.")])
LABEL = Schema(
    [
        Field("energy", "float64", (), doc="Height of the surface."),
        Field("gradient", "float64", (2,), doc="Its derivatives by x."),
    ]
)
