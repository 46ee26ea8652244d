"""The libraries' networks, built without disturbing the process that hosts them."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from nequip.utils.global_state import global_state_initialized, set_global_state

from pal_ase.elements import SYMBOLS
from pal_nequip.options import EquivariantOptions, NequipOptions

__all__ = ["Recipe", "graph_model", "undisturbed"]

_FIRST_NEIGHBORS = 10.0
"""Stands for the mean number of neighbours until there are data."""


@dataclass(frozen=True)
class Recipe:
    """What a network is made by; equal for the members of a committee.

    Parameters
    ----------
    options : EquivariantOptions
        Those that the network doesn't depend on are at their defaults.
    """

    options: EquivariantOptions

    @classmethod
    def of(cls, options: EquivariantOptions) -> Recipe:
        """From a kernel's options."""
        kind = type(options)
        names = (*kind.architecture(), "charge_embedding")
        return cls(kind(dtype=options.dtype, **{name: getattr(options, name) for name in names}))

    def __hash__(self) -> int:
        return hash(self.options.model_dump_json())

    @property
    def kind(self) -> Literal["nequip", "allegro"]:
        """Architecture."""
        return "nequip" if isinstance(self.options, NequipOptions) else "allegro"

    def settings(self) -> dict[str, Any]:
        """Arguments of the library's builder, but for the seed. Its atom types are the atomic numbers."""
        options = self.options
        sizes = [n for n in options.architecture() if n not in EquivariantOptions.model_fields]
        own: dict[str, Any] = {name: getattr(options, name) for name in sizes}
        radial = {"num_bessels": options.num_bessels, "polynomial_cutoff_p": options.polynomial_cutoff_p}
        if self.kind == "allegro":
            own["radial_chemical_embed"] = {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed", **radial}
        else:
            own |= radial
            features = own["num_features"]
            own["num_features"] = list(features) if isinstance(features, tuple) else features
        if options.per_edge_type_cutoff:
            own["per_edge_type_cutoff"] = self._cutoffs()
        return own | {
            "model_dtype": options.dtype,
            "r_max": options.cutoff,
            "type_names": list(SYMBOLS),
            "avg_num_neighbors": options.avg_num_neighbors or _FIRST_NEIGHBORS,
        }

    def _cutoffs(self) -> dict[str, dict[str, float]]:
        """Of every element and every neighbour's, Å."""
        whole, out = self.options.cutoff, {}
        for symbol in SYMBOLS:
            given = self.options.per_edge_type_cutoff.get(symbol, whole)
            row = given if isinstance(given, dict) else dict.fromkeys(SYMBOLS, given)
            out[symbol] = {other: row.get(other, whole) for other in SYMBOLS}
        return out


def graph_model(recipe: Recipe, seed: int, **units: Any) -> Any:
    """The library's whole model: energies, forces and stress.

    Parameters
    ----------
    recipe : Recipe
    seed : int
        Of the weights.
    **units
        The library's ``per_type_energy_scales`` and ``per_type_energy_shifts``, eV.

    Returns
    -------
    nequip.nn.GraphModel
    """
    with undisturbed(), warnings.catch_warnings():
        # References and unit are the training's, so the library's advice about them doesn't apply.
        warnings.filterwarnings("ignore", message=".*per_type_energy_s")
        if recipe.kind == "allegro":
            from allegro.model import AllegroModel as Model
        else:
            from nequip.model import NequIPGNNModel as Model
        return Model(seed=seed, **recipe.settings(), **units)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Use the library, and put back what its global state changes: random streams, default precision, variables."""
    python, numpy, dtype = random.getstate(), np.random.get_state(), torch.get_default_dtype()
    notes = {name for name in os.environ if name.startswith("PL_")}
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            if not global_state_initialized():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)
                    set_global_state()
            # The library counts on its own.
            torch.set_default_dtype(torch.float64)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            torch.set_default_dtype(dtype)
            for name in [n for n in os.environ if n.startswith("PL_") and n not in notes]:
                del os.environ[name]
