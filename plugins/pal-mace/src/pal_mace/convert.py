"""Between MACE's own model files, which are pickles and run code when they are read, and ours, which hold numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray
from torch import Tensor

from pal_ase.codec import atoms_to_batch
from pal_ase.elements import ELEMENTS, SYMBOLS
from pal_ase.learning.dataset import Frame
from pal_ase.learning.potential import Potential, predict
from pal_mace.architecture import Architecture
from pal_mace.library import float64, mace_modules, o3
from pal_mace.modelfile import ModelFile, derived, references
from pal_mace.network import MaceNetwork

__all__ = ["check", "convert", "describe", "suitable", "to_mace"]

_TOLERANCE = 1e-5


def suitable(model: Any, name: str) -> Any:
    """The model in double precision, if it is one that can be converted.

    Raises
    ------
    ValueError
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError(f"{name} is compiled (TorchScript); convert the model that it was compiled from")
    if type(model) is not mace_modules.ScaleShiftMACE:
        raise ValueError(f"{name} holds a {type(model).__name__}; only ScaleShiftMACE can be converted")
    return model.double()


def describe(model: Any) -> Architecture:
    """Architecture of a `ScaleShiftMACE` of one head."""
    from mace.tools.scripts_utils import extract_config_mace_model

    found = extract_config_mace_model(model)
    gates = {function: name for name, function in mace_modules.gate_dict.items()}
    edges = found["edge_irreps"]
    specs = found["embedding_specs"]
    return Architecture(
        cutoff=float(found["r_max"]),
        elements=tuple(int(z) for z in found["atomic_numbers"]),
        hidden=str(found["hidden_irreps"]),
        interactions=int(found["num_interactions"]),
        correlation=int(found["correlation"]),
        max_l=int(found["max_ell"]),
        basis=int(found["num_bessel"]),
        radial=found["radial_type"],
        envelope=int(found["num_polynomial_cutoff"]),
        radial_layers=tuple(int(n) for n in found["radial_MLP"]),
        readout=str(found["MLP_irreps"]),
        repulsion=bool(found["pair_repulsion"]),
        embedding=None if specs is None else {name: dict(spec) for name, spec in specs.items()},
        neighbours=float(found["avg_num_neighbors"]),
        first_block=found["interaction_cls_first"].__name__,
        block=found["interaction_cls"].__name__,
        last_readout=found["readout_cls"].__name__,
        gate=gates[found["gate"]],
        distance_transform=str(found["distance_transform"]),
        apply_cutoff=bool(found["apply_cutoff"]),
        reduced_cg=bool(found["use_reduced_cg"]),
        so3=bool(found["use_so3"]),
        agnostic_product=bool(found["use_agnostic_product"]),
        last_readout_only=bool(found["use_last_readout_only"]),
        embedding_readout=bool(found["use_embedding_readout"]),
        edge_irreps=None if edges is None else str(o3.Irreps(str(edges))),
        edge_irreps_first=bool(found["use_edge_irreps_first"]),
    )


def convert(model: Any, head: str | None = None, elements: Sequence[str] = ()) -> ModelFile:
    """A model of one head, and of these elements only if any are given, as a model file.

    Raises
    ------
    ValueError
        If the model can't be converted, or would not give the same energies and forces.
    """
    model = _one_head(model, head)
    strange = sorted(set(getattr(model, "embedding_specs", None) or {}) - {"total_charge", "total_spin"})
    if strange:
        raise ValueError(f"the model embeds {', '.join(strange)}; samples have charge and multiplicity only")
    file = _file(model)
    if elements:
        file = _restricted(model, file.architecture, elements)
    check(model, file)
    return file


def _file(model: Any, architecture: Architecture | None = None) -> ModelFile:
    state = {n: t.detach().clone() for n, t in model.state_dict().items() if not derived(n)}
    return ModelFile(architecture or describe(model), state)


def _one_head(model: Any, head: str | None) -> Any:
    heads = list(getattr(model, "heads", None) or ["Default"])
    if head is not None and head not in heads:
        raise ValueError(f"the model has no head {head!r}, but {', '.join(heads)}")
    if len(heads) == 1:
        return model
    if head is None:
        raise ValueError(f"the model has several heads: choose one of {', '.join(heads)} by --head")
    from mace.tools.scripts_utils import remove_pt_head

    with float64():
        return remove_pt_head(model, head)


def _restricted(model: Any, architecture: Architecture, elements: Sequence[str]) -> ModelFile:
    """Weights of some elements only."""
    from dataclasses import replace

    from mace.tools.finetuning_utils import load_foundations_elements
    from mace.tools.utils import AtomicNumberTable

    wanted = sorted(SYMBOLS.index(e) for e in elements)
    missing = sorted(set(wanted) - set(architecture.elements))
    if missing:
        raise ValueError(f"the model doesn't know {', '.join(SYMBOLS[z] for z in missing)}")
    smaller = replace(architecture, elements=tuple(wanted))
    small = smaller.build(0)
    with float64():
        load_foundations_elements(
            small,
            model,
            AtomicNumberTable(wanted),
            load_readout=True,
            use_shift=True,
            use_scale=True,
            max_L=o3.Irreps(architecture.hidden).lmax,
        )
    rows = [architecture.elements.index(z) for z in wanted]
    energies = model.atomic_energies_fn.atomic_energies.reshape(1, -1)[:, rows]
    small.atomic_energies_fn.atomic_energies = energies.clone()
    return _file(small, smaller)


def check(model: Any, file: ModelFile) -> None:
    """See that the network of a model file gives the energies and forces of the model that it was made of.

    Raises
    ------
    ValueError
    """
    from mace.calculators import MACECalculator

    atoms = _trial(file.architecture.elements)
    found = predict([potential(file)], atoms_to_batch([atoms]))[0]
    with float64():
        atoms.calc = MACECalculator(models=[model], device="cpu", default_dtype="float64")
        forces: NDArray[np.float64] = atoms.get_forces()
    off = abs(found.columns["energy"][0] - atoms.get_potential_energy())
    off = max(off, float(np.abs(found.columns["forces"] - forces).max()))
    size = max(1.0, float(np.abs(forces).max()))
    if not off < _TOLERANCE * size:
        raise ValueError(
            f"the converted network is off by {off:.2g} eV or eV/Å; this kind of model can't be converted "
            f"({file.architecture})"
        )


def _trial(elements: Sequence[int]) -> Atoms:
    """A crooked chain of up to eight atoms of the first elements."""
    rng = np.random.default_rng(0)
    numbers = [elements[k % len(elements)] for k in range(8)]
    chain = np.cumsum(rng.uniform(0.6, 1.0, (8, 3)) * rng.choice([1, 1, -0.3], (8, 3)), axis=0)
    return Atoms(numbers, chain, info={"charge": 0, "multiplicity": 1, "spin": 1})


def potential(file: ModelFile) -> Potential:
    """A model file's network with its references, double precision, on the CPU."""
    frame = Frame(file.architecture.cutoff, torch.float64, torch.device("cpu"), False)
    out = Potential(MaceNetwork(file.build(0), frame.dtype, frame.device), frame, "pal mace")
    out.references = references(file.tensors, file.architecture.elements, ELEMENTS)
    return out


def to_mace(architecture: Architecture, weights: dict[str, NDArray[Any]]) -> Any:
    """A member's weights as MACE's own module, for MACE's calculators and tools.

    Parameters
    ----------
    architecture : Architecture
    weights : mapping of str to ndarray
        As `MaceCommittee.weights` gives them.

    Returns
    -------
    mace.modules.ScaleShiftMACE
        In double precision.

    Raises
    ------
    ValueError
        If total charges have reference energies, which the module has no place for.
    """
    charges = np.array(weights.get("charge_references", 0.0))
    if charges.any():
        raise ValueError(
            f"these weights hold reference energies of total charges ({charges} eV), and MACE's module can't: "
            "set them to zero in the weights, and add them to the energies of MACE's calculator; forces need nothing"
        )
    module = architecture.build(0)
    known = module.state_dict().keys()
    tensors = {n: torch.from_numpy(np.array(a)) for n, a in weights.items() if n in known}
    module.load_state_dict(tensors, strict=False)
    for block in module.interactions:
        block.avg_num_neighbors = float(weights["neighbours"])
    scale = float(weights["scale"])
    elements: Tensor = torch.tensor(weights["references"][list(architecture.elements)])
    module.atomic_energies_fn.atomic_energies.copy_(elements.reshape(1, -1))
    module.scale_shift.scale *= scale
    module.scale_shift.shift *= scale
    return module
