"""Small networks and samples for the tests."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import molecule
from pal_core.data import Batch
from pal_core.kernels import Context

from pal_ase.codec import atoms_to_batch
from pal_ase.testing.structures import frames
from pal_nequip.model import AllegroCommittee, NequipCommittee
from pal_nequip.options import AllegroOptions, NequipOptions

NEQUIP = {"num_layers": 2, "num_features": 8, "type_embed_num_features": 4, "radial_mlp_width": 8, "cutoff": 4.0}
ALLEGRO = {"num_scalar_features": 16, "num_tensor_features": 4, "allegro_mlp_hidden_layers_width": 16, "cutoff": 4.0}
KINDS = {
    "nequip": (NequipCommittee, NequipOptions, NEQUIP),
    "allegro": (AllegroCommittee, AllegroOptions, ALLEGRO),
}


def member(kind: str, index: int = 0, device: str = "cpu", **options: Any) -> Any:
    kernel, model, small = KINDS[kind]
    sizes = {} if "model" in options else small
    return kernel(model(**{**sizes, "dtype": "float64", **options}), Context("training", index, 3, device=device))


def trained(kind: str, epochs: int = 3, **options: Any) -> Any:
    model = member(kind, **{"batch_size": 4, **options})
    data = frames(16, stress=model.options.stress)
    model.extend(data, np.arange(16) % 4 == 3)
    train(model, epochs)
    return model


def train(model: Any, epochs: int) -> list[Any]:
    iterator = model.train()
    out = list(islice(iterator, epochs))
    iterator.close()
    return out


def ethanol(seed: int = 0, **info: int) -> Atoms:
    atoms = molecule("CH3CH2OH")
    atoms.positions += np.random.default_rng(seed).normal(0, 0.1, atoms.positions.shape)
    atoms.info |= info
    return atoms


def batch_of(*images: Atoms) -> Batch:
    return atoms_to_batch(images)
