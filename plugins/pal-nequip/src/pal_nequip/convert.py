"""Between NequIP's own models, whose files are pickles that run code when read, and ours, which hold numbers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from e3nn.o3 import Irreps
from nequip.data import AtomicDataDict as Keys
from numpy.typing import NDArray

from pal_ase.codec import atoms_to_batch
from pal_ase.elements import ELEMENTS, SYMBOLS
from pal_ase.learning.dataset import Frame
from pal_ase.learning.potential import Potential, predict
from pal_nequip.energies import AtomicEnergies
from pal_nequip.library import Recipe, graph_model, undisturbed
from pal_nequip.modelfile import ModelFile
from pal_nequip.network import EquivariantNetwork
from pal_nequip.options import AllegroOptions, EquivariantOptions, NequipOptions

__all__ = ["check", "convert", "library_results", "load_pickle", "to_library"]

_COMMON = ("edge_norm", "per_type_energy_scale_shift", "total_energy_sum")
_NEQUIP = (*_COMMON, "type_embed", "spharm", "bessel_encode", "factor", "per_atom_energy_readout")
_ALLEGRO = (
    *_COMMON,
    "radial_chemical_embed",
    "scalar_embed_mlp",
    "tensor_embed",
    "allegro",
    "edge_readout",
    "edge_eng_sum",
)
_TOLERANCE = {"float32": 1e-3, "float64": 1e-6}
"""Largest difference from the library's energies and forces, relative to the largest force."""


def load_pickle(path: Path) -> Any:
    """Read a checkpoint or package. This runs whatever code the file holds: only for files that the user trusts.

    Parameters
    ----------
    path : Path
        ``*.ckpt`` of ``nequip-train`` or ``*.nequip.zip`` of ``nequip-package``.

    Returns
    -------
    nequip.nn.GraphModel

    Raises
    ------
    ValueError
        If it is neither.
    """
    from nequip.model.saved_models.load_utils import load_saved_model

    try:
        with undisturbed(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load_saved_model(str(path)).eval()
    except Exception as error:
        raise ValueError(
            f"{path} can't be read as a checkpoint of nequip-train or, if its name ends in .nequip.zip, a package of "
            f"nequip-package ({type(error).__name__}: {error}); compiled models can't be converted, what they were "
            "compiled from can"
        ) from error


def convert(model: Any) -> ModelFile:
    """The library's whole model as a model file.

    Parameters
    ----------
    model : nequip.nn.GraphModel

    Raises
    ------
    ValueError
        If it can't be converted, or would not give the same energies and forces.
    """
    parts = dict(model.model.func.named_children())
    kind: Literal["nequip", "allegro"] = "allegro" if "allegro" in parts else "nequip"
    strange = [n for n in parts if n not in (_ALLEGRO if kind == "allegro" else _NEQUIP) and "_convnet" not in n]
    if strange:
        raise ValueError(f"the model has parts that nequip.{kind} lacks: {', '.join(strange)}")
    options = _common(model, parts) | (_allegro(parts) if kind == "allegro" else _nequip(parts))
    numbers = _numbers(model.metadata["type_names"].split())
    wanted: type[EquivariantOptions] = AllegroOptions if kind == "allegro" else NequipOptions
    network = _network(wanted, options)
    _fill(network.module, model, numbers)
    references, scale = _units(parts["per_type_energy_scale_shift"], numbers)
    weights = network.state() | {"references": references, "scale": np.array(scale)}
    file = ModelFile(kind, options, weights | {"cutoff": np.array(options["cutoff"])})
    check(model, file, numbers)
    return file


def _network(kind: type[EquivariantOptions], options: dict[str, Any]) -> EquivariantNetwork:
    recipe = Recipe.of(kind.model_validate({**options, "dtype": "float64"}))
    return EquivariantNetwork(recipe, 0, torch.float64, torch.device("cpu"))


def _numbers(names: Sequence[str]) -> list[int]:
    """Atomic numbers of the model's atom types."""
    strange = [name for name in names if name not in SYMBOLS]
    if strange:
        raise ValueError(f"the model has atom types that are no chemical elements: {', '.join(strange)}")
    return [SYMBOLS.index(name) for name in names]


def _common(model: Any, parts: dict[str, Any]) -> dict[str, Any]:
    cutoffs = model.metadata.get("per_edge_type_cutoff")
    names = model.metadata["type_names"].split()
    table = {}
    if cutoffs:
        rows = np.array(cutoffs.split(), float).reshape(len(names), len(names))
        table = {name: dict(zip(names, map(float, row), strict=True)) for name, row in zip(names, rows, strict=True)}
    radial = dict(parts["radial_chemical_embed"].named_children()) if "allegro" in parts else parts
    encode = radial.get("bessel_encode")
    if encode is None or encode.trainable:
        raise ValueError("the model has other radial functions than fixed Bessel functions")
    return {
        "cutoff": float(model.metadata["r_max"]),
        "per_edge_type_cutoff": table,
        "num_bessels": int(encode.num_bessels),
        "polynomial_cutoff_p": int(encode.cutoff.p),
    }


def _hidden(dims: Sequence[int], prefix: str) -> dict[str, int]:
    """Depth and width of a network of these dimensions, as options whose names start alike."""
    width = {f"{prefix}_width": int(dims[1])} if len(dims) > 2 else {}
    return {f"{prefix}_depth": len(dims) - 2, **width}


def _nequip(parts: dict[str, Any]) -> dict[str, Any]:
    if parts["type_embed"].do_categorical_graph_field_embed:
        raise ValueError("the model embeds charge or spin in a way that nequip.nequip does not")
    layers = [part for name, part in parts.items() if name.endswith("_convnet")]
    hidden = Irreps(str(layers[0].feature_irreps_hidden))
    l_max = Irreps(str(parts["spharm"].irreps_edge_sh)).lmax
    by_order = {ir.l: mul for mul, ir in hidden}
    return {
        "num_layers": len(layers),
        "l_max": l_max,
        "parity": any(ir.p != (-1) ** ir.l for _, ir in hidden),
        "num_features": [by_order.get(order, by_order[0]) for order in range(l_max + 1)],
        "type_embed_num_features": parts["type_embed"].embed_module.weight.shape[1],
        **_hidden(layers[0].conv.edge_mlp.dims, "radial_mlp"),
        **_hidden(parts["per_atom_energy_readout"].mlp_module.dims, "readout_mlp_hidden_layers"),
    }


def _allegro(parts: dict[str, Any]) -> dict[str, Any]:
    core = parts["allegro"]
    irreps = Irreps(str(core.tensor_track_allowed_irreps))
    return {
        "num_layers": int(core.num_layers),
        "l_max": irreps.lmax,
        "parity": any(ir.p != (-1) ** ir.l for _, ir in irreps),
        "num_scalar_features": int(core.num_scalar_features),
        "num_tensor_features": int(core.num_tensor_features),
        "tp_path_channel_coupling": core.tps[0].weights.ndim == 2,
        **_hidden(parts["scalar_embed_mlp"].mlp_module.dims, "scalar_embed_mlp_hidden_layers"),
        **_hidden(core.latents[0].dims, "allegro_mlp_hidden_layers"),
        **_hidden(parts["edge_readout"].mlp_module.dims, "readout_mlp_hidden_layers"),
    }


def _units(scaling: Any, numbers: Sequence[int]) -> tuple[NDArray[np.float64], float]:
    """References and unit, eV."""
    scales, shifts = (t.detach().double().numpy().reshape(-1) for t in (scaling.scales, scaling.shifts))
    if scales.size and np.ptp(scales) > 0:
        raise ValueError("the model has energy scales that differ by element; there is one unit of energy here")
    references = np.zeros(ELEMENTS)
    references[list(numbers)] = shifts if shifts.size else 0.0
    return references, float(scales[0]) if scales.size else 1.0


def _fill(module: AtomicEnergies, model: Any, numbers: Sequence[int]) -> None:
    """Copy the model's tensors; rows of elements that it doesn't know are left as they are, and barred."""
    theirs = {**dict(model.model.func.named_parameters()), **dict(model.model.func.named_buffers())}
    for name, value in module.state_dict().items():
        if name == "known":
            value.copy_(torch.isin(torch.arange(ELEMENTS), torch.tensor(numbers)))
        elif name == "edge_norm._rmax_recip":
            continue
        elif name.endswith("embed_module.weight") or name.endswith("_embed.weight"):
            value[torch.tensor(numbers)] = theirs[name].detach().to(value)
        elif theirs[name].shape != value.shape:
            raise ValueError(f"the model's {name} has shape {tuple(theirs[name].shape)}, not {tuple(value.shape)}")
        else:
            value.copy_(theirs[name].detach())


def check(model: Any, file: ModelFile, numbers: Sequence[int]) -> None:
    """See that a model file gives the energies and forces of the model that it was made of.

    Raises
    ------
    ValueError
    """
    wanted: type[EquivariantOptions] = AllegroOptions if file.kind == "allegro" else NequipOptions
    frame = Frame(file.options["cutoff"], torch.float64, torch.device("cpu"), False)
    potential = Potential(_network(wanted, dict(file.options)), frame, "pal nequip")
    potential.load(file.weights, "model")
    atoms, types = _trial(numbers)
    found = predict([potential], atoms_to_batch([atoms]))[0].columns
    energy, forces = library_results(model, types, atoms.positions, frame.cutoff)
    off = max(abs(found["energy"][0] - energy), float(np.abs(found["forces"] - forces).max()))
    limit = _TOLERANCE[model.metadata["model_dtype"]] * max(1.0, float(np.abs(forces).max()))
    if not off < limit:
        raise ValueError(f"the converted network is off by {off:.2g} eV or eV/Å; such a model can't be converted")


def library_results(
    model: Any, types: NDArray[np.int64], positions: NDArray[np.float64], cutoff: float
) -> tuple[float, NDArray[np.float64]]:
    """Energy (eV) and forces (eV/Å) of a molecule by the library's own forward pass."""
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
    pairs = np.array(np.nonzero((distances < cutoff) & (distances > 0)))
    data = {
        Keys.POSITIONS_KEY: torch.from_numpy(positions),
        Keys.ATOM_TYPE_KEY: torch.from_numpy(types),
        Keys.EDGE_INDEX_KEY: torch.from_numpy(pairs),
        Keys.BATCH_KEY: torch.zeros(len(types), dtype=torch.int64),
        Keys.NUM_NODES_KEY: torch.tensor([len(types)]),
    }
    with undisturbed():
        out = model(data)
    forces: NDArray[np.float64] = out[Keys.FORCE_KEY].detach().double().numpy()
    return float(out[Keys.TOTAL_ENERGY_KEY].detach()), forces


def _trial(numbers: Sequence[int]) -> tuple[Any, NDArray[np.int64]]:
    """A crooked chain of up to eight atoms of the first elements, and their types."""
    from ase import Atoms

    rng = np.random.default_rng(0)
    types: NDArray[np.int64] = np.arange(8) % len(numbers)
    chain = np.cumsum(rng.uniform(0.6, 1.0, (8, 3)) * rng.choice([1, 1, -0.3], (8, 3)), axis=0)
    return Atoms([numbers[int(k)] for k in types], chain), types


def to_library(options: EquivariantOptions, weights: Mapping[str, NDArray[Any]]) -> Any:
    """A member's weights as the library's own model, for its calculators and tools.

    Parameters
    ----------
    options : EquivariantOptions
        The member's.
    weights : mapping of str to ndarray
        As a kernel's `weights` gives them.

    Returns
    -------
    nequip.nn.GraphModel
        Its types are all elements, X for atomic number 0 first.

    Raises
    ------
    ValueError
        If it embeds charge and multiplicity, as the library's don't.
    """
    if options.charge_embedding:
        raise ValueError("a network that embeds charge and multiplicity has no counterpart in the library")
    shifts = dict(zip(SYMBOLS, map(float, weights["references"]), strict=True))
    units = {"per_type_energy_scales": float(weights["scale"]), "per_type_energy_shifts": shifts}
    out = graph_model(Recipe.of(options), 0, **units).eval()
    tensors = {**dict(out.model.func.named_parameters()), **dict(out.model.func.named_buffers())}
    for name in tensors.keys() & weights.keys():
        tensors[name].detach().copy_(torch.from_numpy(np.array(weights[name])))
    return out
