"""What `prediction_rate.py` wants to know of a library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms


class Rival(ABC):
    """A committee as PAL's kernels, and the same weights in the hands of the library that they come from.

    ``rates_<plugin>.py`` has a function ``make(members, device) -> Rival``; elements are H, C, O and Cu, numbers are
    float32, and the network's size is a usual one.

    Attributes
    ----------
    members : list of pal_core.kernels.Model
        Kernels in the role of prediction.
    same_weights : bool
        Whether the library has the kernels' weights; otherwise only times are compared, of networks of one size.
    """

    members: list[Any]
    same_weights: bool = True

    @abstractmethod
    def one_by_one(self, structures: Sequence[Atoms]) -> np.ndarray:
        """The committee's mean forces, shape (all atoms, 3), by the library's ASE calculator."""

    @abstractmethod
    def batched(self, structures: Sequence[Atoms]) -> list[np.ndarray]:
        """Forces of every member, by the library's own forward pass of all structures as one batch, built anew."""
