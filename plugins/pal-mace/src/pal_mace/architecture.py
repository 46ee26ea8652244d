"""What a MACE network looks like, as plain values that can be written to a file."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch

from pal_ase.elements import SYMBOLS
from pal_mace.library import float64, mace_modules, o3
from pal_mace.options import MaceOptions

__all__ = ["Architecture"]

_RESIDUAL = "RealAgnosticResidualInteractionBlock"


@dataclass(frozen=True)
class Architecture:
    """Arguments of `mace.modules.ScaleShiftMACE` as numbers and names.

    Parameters
    ----------
    cutoff : float
        Å.
    elements : tuple of int
        Atomic numbers, ascending.
    hidden, readout : str
        Irreps of the features and of the last readout's hidden layer.
    first_block, block, last_readout, gate : str
        Names of MACE's classes and functions.
    embedding : mapping or None
        MACE's specification of total charge and multiplicity.
    """

    cutoff: float
    elements: tuple[int, ...]
    hidden: str
    interactions: int
    correlation: int
    max_l: int
    basis: int
    radial: str
    envelope: int
    radial_layers: tuple[int, ...]
    readout: str
    repulsion: bool = False
    embedding: Mapping[str, Any] | None = None
    neighbours: float = 1.0
    first_block: str = _RESIDUAL
    block: str = _RESIDUAL
    last_readout: str = "NonLinearReadoutBlock"
    gate: str = "silu"
    distance_transform: str = "None"
    apply_cutoff: bool = True
    reduced_cg: bool = False
    so3: bool = False
    agnostic_product: bool = False
    last_readout_only: bool = False
    embedding_readout: bool = False
    edge_irreps: str | None = None
    edge_irreps_first: bool = False

    @classmethod
    def of(cls, options: MaceOptions) -> Architecture:
        """That which the options describe."""
        terms = [f"{options.features}x{m}{'eo'[m % 2]}" for m in range(options.hidden_l + 1)]
        return cls(
            cutoff=options.cutoff,
            elements=tuple(sorted(SYMBOLS.index(e) for e in options.elements)),
            hidden=" + ".join(terms),
            interactions=options.interactions,
            correlation=options.correlation,
            max_l=options.max_l,
            basis=options.basis,
            radial=options.radial,
            envelope=options.envelope,
            radial_layers=tuple(options.radial_layers),
            readout=f"{options.readout}x0e",
            embedding=_embedding(options) if options.charge_embedding else None,
        )

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Architecture:
        """Undo `to_plain`.

        Raises
        ------
        ValueError
            If names are missing or unknown.
        """
        known = {f.name for f in fields(cls)}
        if values.keys() != known:
            wrong = sorted(values.keys() ^ known)
            raise ValueError(f"the architecture's entries {', '.join(wrong)} are missing or unknown")
        tuples = {name: tuple(values[name]) for name in ("elements", "radial_layers")}
        return cls(**{**values, **tuples})

    @property
    def charges(self) -> int:
        """Largest total charge of either sign that is embedded, e; 0 where none is."""
        found = (self.embedding or {}).get("total_charge")
        if found is None:
            return 0
        offset = int(found.get("offset", 0))
        return max(offset, int(found["num_classes"]) - 1 - offset)

    def to_plain(self) -> dict[str, Any]:
        """Numbers, strings, lists and dictionaries."""
        return asdict(self)

    def build(self, seed: int) -> Any:
        """A `mace.modules.ScaleShiftMACE` in double precision with weights drawn from `seed`.

        Energies of the elements and the shift are 0, the scale is 1.
        """
        module = copy.deepcopy(_prototype(json.dumps(self.to_plain())))
        _draw(module, seed)
        return module


def _embedding(options: MaceOptions) -> dict[str, Any]:
    """MACE's joint embedding of the names that its own calculator and data readers use."""
    shared = {"type": "categorical", "per": "graph", "in_dim": 1, "emb_dim": options.features}
    return {
        "total_charge": {**shared, "num_classes": 2 * options.charges + 1, "offset": options.charges},
        "total_spin": {**shared, "num_classes": options.multiplicities, "offset": -1},
    }


@functools.lru_cache(maxsize=4)
def _prototype(plain: str) -> Any:
    """The module of an architecture: making one takes seconds, copying it a fraction."""
    a = Architecture.from_plain(json.loads(plain))
    with float64(), torch.random.fork_rng(devices=[]):
        make: Any = mace_modules.ScaleShiftMACE
        module = make(
            r_max=a.cutoff,
            num_bessel=a.basis,
            num_polynomial_cutoff=a.envelope,
            max_ell=a.max_l,
            interaction_cls=mace_modules.interaction_classes[a.block],
            interaction_cls_first=mace_modules.interaction_classes[a.first_block],
            num_interactions=a.interactions,
            num_elements=len(a.elements),
            hidden_irreps=o3.Irreps(a.hidden),
            MLP_irreps=o3.Irreps(a.readout),
            atomic_energies=np.zeros((1, len(a.elements))),
            avg_num_neighbors=a.neighbours,
            atomic_numbers=list(a.elements),
            correlation=a.correlation,
            gate=mace_modules.gate_dict[a.gate],
            pair_repulsion=a.repulsion,
            apply_cutoff=a.apply_cutoff,
            use_reduced_cg=a.reduced_cg,
            use_so3=a.so3,
            use_agnostic_product=a.agnostic_product,
            use_last_readout_only=a.last_readout_only,
            use_embedding_readout=a.embedding_readout,
            distance_transform=a.distance_transform,
            edge_irreps=None if a.edge_irreps is None else o3.Irreps(a.edge_irreps),
            use_edge_irreps_first=a.edge_irreps_first,
            radial_MLP=list(a.radial_layers),
            radial_type=a.radial,
            embedding_specs=None if a.embedding is None else dict(a.embedding),
            readout_cls=mace_modules.readout_classes[a.last_readout],
            atomic_inter_scale=[1.0],
            atomic_inter_shift=[0.0],
        )
    _make_copyable(module)
    return module


def _draw(module: Any, seed: int) -> None:
    """Draw weights as MACE's constructors do: normal ones, in the product basis by the number of couplings."""
    with float64(), torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for name, weight in module.named_parameters():
            if weight.requires_grad and weight.dim():
                weight.normal_()
            if "symmetric_contractions" in name:
                weight.div_(weight.shape[1])
        for part in module.modules():
            if isinstance(part, torch.nn.Linear | torch.nn.Embedding):
                part.reset_parameters()


def _make_copyable(module: Any) -> None:
    """Put plain frozen parameters in place of MACE's class for couplings that vanish, which can't be copied."""
    for product in module.products:
        for contraction in product.symmetric_contractions.contractions:
            weights = contraction.weights
            for k, weight in enumerate(weights):
                if not weight.requires_grad:
                    weights[k] = torch.nn.Parameter(weight.detach().clone(), requires_grad=False)
            if not contraction.weights_max.requires_grad:
                frozen = contraction.weights_max.detach().clone()
                contraction.weights_max = torch.nn.Parameter(frozen, requires_grad=False)
