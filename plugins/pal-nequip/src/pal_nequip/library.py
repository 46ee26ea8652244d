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
from pal_ase.learning_options import LearningOptions
from pal_nequip.options import EquivariantOptions, NequipOptions

__all__ = ["Recipe", "graph_model"]

_RADIAL = ("num_bessels", "polynomial_cutoff_p")
_KEPT = ("cutoff", "dtype")
"""Of the options that all potentials share, those that the network depends on."""
_FIRST_NEIGHBORS = 10.0
"""Stands for the mean number of neighbours until there are data."""


@dataclass(frozen=True)
class Recipe:
    """What a network is made by; equal for the members of a committee.

    Parameters
    ----------
    options : EquivariantOptions
        With defaults for all that the network doesn't depend on.
    """

    options: EquivariantOptions

    @classmethod
    def of(cls, options: EquivariantOptions) -> Recipe:
        """From a kernel's options."""
        other = set(LearningOptions.model_fields) - set(_KEPT)
        # Checks have been made; with weights at their default, those of `train` would fail.
        return cls(options.model_copy(update={n: LearningOptions.model_fields[n].default for n in other}))

    def __hash__(self) -> int:
        return hash(self.options.model_dump_json())

    @property
    def kind(self) -> Literal["nequip", "allegro"]:
        """Architecture."""
        return "nequip" if isinstance(self.options, NequipOptions) else "allegro"

    def type_names(self) -> list[str]:
        """The library's atom types: every element, and that in every state, if there are states."""
        states = len(self.options.states)
        return [f"{symbol}state{k}" for k in range(states) for symbol in SYMBOLS] if states else list(SYMBOLS)

    def settings(self) -> dict[str, Any]:
        """Arguments of the library's builder, but for the seed."""
        options = self.options
        sizes = set(type(options).model_fields) - set(EquivariantOptions.model_fields)
        out: dict[str, Any] = {name: getattr(options, name) for name in sorted(sizes)}
        radial: dict[str, Any] = {name: getattr(options, name) for name in _RADIAL}
        if self.kind == "allegro":
            out["radial_chemical_embed"] = {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed", **radial}
        else:
            out |= radial
        if options.per_edge_type_cutoff:
            out["per_edge_type_cutoff"] = self._cutoffs()
        return out | {
            "model_dtype": options.dtype,
            "r_max": options.cutoff,
            "type_names": self.type_names(),
            "avg_num_neighbors": options.avg_num_neighbors or _FIRST_NEIGHBORS,
        }

    def _cutoffs(self) -> dict[str, dict[str, float]]:
        """Of every type and every neighbour's type, Å."""
        whole, names = self.options.cutoff, self.type_names()
        table = {}
        for symbol in SYMBOLS:
            given = self.options.per_edge_type_cutoff.get(symbol, whole)
            row = given if isinstance(given, dict) else dict.fromkeys(SYMBOLS, given)
            table[symbol] = [row.get(other, whole) for other in SYMBOLS]
        repeats = len(names) // len(SYMBOLS)
        return {
            name: dict(zip(names, table[SYMBOLS[k % len(SYMBOLS)]] * repeats, strict=True))
            for k, name in enumerate(names)
        }


def graph_model(recipe: Recipe, seed: int) -> Any:
    """The library's whole model: energies, forces and stress.

    Parameters
    ----------
    recipe : Recipe
    seed : int
        Of the weights.

    Returns
    -------
    nequip.nn.GraphModel
    """
    with _undisturbed(), warnings.catch_warnings():
        # References and unit are the training's, so the library's advice about them doesn't apply.
        warnings.filterwarnings("ignore", message=".*per_type_energy_s")
        if not global_state_initialized():
            set_global_state()
        if recipe.kind == "allegro":
            from allegro.model import AllegroModel as Model
        else:
            from nequip.model import NequIPGNNModel as Model
        return Model(seed=seed, **recipe.settings())


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put back what nequip's global state changes: random streams, default precision, its notes to child processes."""
    python, numpy, dtype = random.getstate(), np.random.get_state(), torch.get_default_dtype()
    notes = {name: value for name, value in os.environ.items() if name.startswith("PL_")}
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            torch.set_default_dtype(dtype)
            for name in [n for n in os.environ if n.startswith("PL_") and n not in notes]:
                del os.environ[name]
