"""The oracle and the committee of a settings file as surfaces to search on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from pal_ase.codec import atoms_to_batch, atoms_to_sample
from pal_core.data import Committee
from pal_core.kernels import Context, Model, Oracle
from pal_core.settings.load import Loaded

__all__ = ["CommitteeSurface", "OracleSurface", "oracle_of"]

Answer = tuple[float, NDArray[np.float64]]


class OracleSurface:
    """Labels structures one by one and counts them."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self.calls = 0

    def __call__(self, images: list[Atoms]) -> list[Answer]:
        """Energies and forces."""
        self.calls += len(images)
        labels = [self._oracle.label(atoms_to_sample(image)) for image in images]
        return [(float(label["energy"]), np.array(label["forces"])) for label in labels]


class CommitteeSurface:
    """The mean of a committee."""

    PIECE = 64

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = models

    def __call__(self, images: list[Atoms]) -> list[Answer]:
        """Energies and forces, many structures at a time."""
        answers: list[Answer] = []
        for start in range(0, len(images), self.PIECE):
            batch = atoms_to_batch(images[start : start + self.PIECE])
            mean = Committee(type(self._models[0]).predict_together(self._models, batch)).mean
            answers += [(float(row["energy"]), np.array(row["forces"], np.float64)) for row in mean]
        return answers


def oracle_of(loaded: Loaded) -> Oracle:
    """The oracle of a settings file, in this process."""
    if loaded.oracle is None:
        raise SystemExit(f"{loaded.path} has no [oracle]")
    made: Oracle = loaded.oracle.load()(loaded.oracle.options, Context("oracle", directory=loaded.directory))
    return made
