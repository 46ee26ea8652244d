"""Options of random clusters. Light: imports no ASE."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, field_validator, model_validator

from pal_ase.elements import SYMBOLS

__all__ = ["ClusterKind", "ClustersOptions", "Shape"]

Shape = Literal["compact", "planar", "linear"]
_FORMULA = re.compile(r"([A-Z][a-z]?)(\d*)")
_FEWEST: dict[str, int] = {"compact": 4, "planar": 3, "linear": 1}
"""Atoms from which a shape differs from the next one in this order."""


@dataclass(frozen=True)
class ClusterKind:
    """What a random cluster is to be, all but its geometry.

    Parameters
    ----------
    numbers : tuple of int
        Atomic numbers in the order of the formula.
    charge : int
        In e.
    multiplicity : int
    shape : str
    """

    numbers: tuple[int, ...]
    charge: int
    multiplicity: int
    shape: Shape


class ClustersOptions(BaseModel):
    """Random clusters in place of a file of structures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    composition: str = Field(description='formula unit, such as "Bi" or "Bi2Te3"')
    sizes: tuple[PositiveInt, PositiveInt] = Field(description="smallest and largest number of formula units")
    charges: Annotated[tuple[int, ...], Field(min_length=1)] = Field(
        (0,), description="total charges", json_schema_extra={"unit": "e"}
    )
    multiplicities: tuple[PositiveInt, ...] = Field(
        (), description="those of them that go with the number of electrons are taken; empty: the lowest possible one"
    )
    shapes: Annotated[tuple[Shape, ...], Field(min_length=1)] = Field(
        ("compact", "planar", "linear"), description="shapes; those that so few atoms can't have count as the next one"
    )
    bonds: tuple[PositiveFloat, PositiveFloat] = Field(
        (0.9, 1.15),
        description="smallest and largest distance to the atom that a new one is bound to, in sums of covalent radii",
    )
    clearance: PositiveFloat = Field(
        0.85, description="smallest distance of any two atoms, in sums of their covalent radii"
    )

    @field_validator("composition")
    @classmethod
    def _formula(cls, text: str) -> str:
        if not text or _FORMULA.sub("", text):
            raise ValueError(f'found {text!r}, expected a formula such as "Bi" or "Bi2Te3"')
        unknown = [symbol for symbol, _ in _FORMULA.findall(text) if symbol not in SYMBOLS[1:]]
        if unknown:
            raise ValueError(f"{text!r}: there is no element {unknown[0]}")
        return text

    @model_validator(mode="after")
    def _possible(self) -> ClustersOptions:
        for name, (low, high) in (("sizes", self.sizes), ("bonds", self.bonds)):
            if low > high:
                raise ValueError(f"{name} = {[low, high]}: the first number must not be above the second")
        if self.clearance > self.bonds[0]:
            raise ValueError(f"clearance = {self.clearance:g} must not be above the shortest bond, {self.bonds[0]:g}")
        list(self.kinds())
        return self

    def kinds(self) -> Iterator[ClusterKind]:
        """Everything that is to be made, each once: sizes and charges of the first shape, then of the next.

        Raises
        ------
        ValueError
            If a charge leaves no electrons, or no multiplicity goes with it.
        """
        unit = self._unit()
        ranks = [self._shapes(len(unit) * size) for size in range(self.sizes[0], self.sizes[1] + 1)]
        for rank in range(len(self.shapes)):
            for size, shapes in enumerate(ranks, start=self.sizes[0]):
                for charge in dict.fromkeys(self.charges if rank < len(shapes) else ()):
                    numbers = _in_order(unit, size)
                    for multiplicity in self._multiplicities(numbers, charge):
                        yield ClusterKind(numbers, charge, multiplicity, shapes[rank])

    def _unit(self) -> list[int]:
        parts = _FORMULA.findall(self.composition)
        return [SYMBOLS.index(symbol) for symbol, count in parts for _ in range(int(count or 1))]

    def _shapes(self, atoms: int) -> list[Shape]:
        """Shapes that differ for so many atoms."""
        order: list[Shape] = ["compact", "planar", "linear"]
        possible = [next(s for s in order[order.index(shape) :] if atoms >= _FEWEST[s]) for shape in self.shapes]
        return list(dict.fromkeys(possible))

    def _multiplicities(self, numbers: tuple[int, ...], charge: int) -> list[int]:
        electrons = sum(numbers) - charge
        if electrons < 1:
            raise ValueError(f"charges: {charge:+d} leaves {len(numbers)} atoms of {self.composition} no electron")
        fitting = [m for m in self.multiplicities or (1 + electrons % 2,) if (m - 1 - electrons) % 2 == 0]
        if not fitting:
            raise ValueError(
                f"multiplicities = {list(self.multiplicities)}: none goes with {len(numbers)} atoms of charge "
                f"{charge:+d}, whose number of electrons is {'odd' if electrons % 2 else 'even'}"
            )
        return fitting


def _in_order(unit: list[int], size: int) -> tuple[int, ...]:
    """The formula units' atoms, element by element."""
    return tuple(number for number in dict.fromkeys(unit) for _ in range(unit.count(number) * size))
