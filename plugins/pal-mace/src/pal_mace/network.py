"""MACE as a network of pairs, evaluated by a forward pass of our own on MACE's modules.

MACE's forward pass takes positions and shifts, computes each pair twice, and contracts its product basis in a way that
costs most of the time. Here radial functions, their layers and spherical harmonics are computed once per pair,
convolution and product basis are those of `pal_mace.convolution` and `pal_mace.contraction`, and neither displacements
nor energies of the elements are carried.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pal_ase.elements import ELEMENTS, SYMBOLS
from pal_ase.learning.graph import Graph
from pal_ase.learning.network import Arrays, Evaluation, TorchNetwork
from pal_mace.contraction import Contraction, ElementOrder
from pal_mace.convolution import Convolution, CueConvolution
from pal_mace.library import has_cuequivariance
from pal_mace.modelfile import derived

__all__ = ["MaceNetwork"]

_PLAIN, _RESIDUAL = "RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock"
"""MACE's blocks whose work is done here; others do it themselves."""
_CLOSE = 1e-3
"""Å; atoms closer than this count as that far apart, so that no radial function divides by zero."""


class MaceNetwork(TorchNetwork):
    """A `mace.modules.ScaleShiftMACE` of one head.

    Parameters
    ----------
    module : mace.modules.ScaleShiftMACE
    dtype : torch.dtype
    device : torch.device
    readouts_only : bool
        Freeze everything but the readouts.
    accelerate : bool
        Use cuEquivariance on CUDA where it is installed.
    """

    def __init__(
        self,
        module: Any,
        dtype: torch.dtype,
        device: torch.device,
        *,
        readouts_only: bool = False,
        accelerate: bool = True,
    ) -> None:
        for name, parameter in module.named_parameters():
            if readouts_only and not name.startswith("readouts."):
                parameter.requires_grad_(False)
        super().__init__(module, dtype, device)
        # Larger tensors would not fit the cache of a CPU; a GPU wants all there is.
        self.pairs_at_once = 1024 if device.type == "cpu" else 65_536
        self.readouts_only = readouts_only
        index = torch.full((ELEMENTS,), -1)
        index[self.module.atomic_numbers.cpu()] = torch.arange(len(self.module.atomic_numbers))
        self._index = index.to(device)
        signs = [(-1.0) ** m for m in range(self.module.spherical_harmonics._lmax + 1) for _ in range(2 * m + 1)]
        self._signs = torch.tensor(signs, dtype=dtype, device=device)
        self._contractions = [Contraction(p.symmetric_contractions) for p in self.module.products]
        self._convolutions = [_convolution(b, dtype, device, accelerate) for b in self.module.interactions]
        _strip(self.module, self._convolutions)
        self._forget()

    def _forget(self) -> None:
        """Drop what was computed from the weights."""
        self._tables: dict[tuple[int, int], Tensor] = {}
        self._tables_of: int | None = None
        self._trunk: bytes | None = None

    def copy(self) -> MaceNetwork:
        """A network of its own that needs no gradients of its parameters."""
        out = super().copy()
        assert isinstance(out, MaceNetwork)  # noqa: S101 - what copy.copy makes of self
        out._forget()
        return out

    @property
    def neighbours(self) -> float:
        """Neighbours of an atom by which messages are divided."""
        return float(self.module.interactions[0].avg_num_neighbors)

    @neighbours.setter
    def neighbours(self, value: float) -> None:
        for block in self.module.interactions:
            block.avg_num_neighbors = value

    def prepare(self, graph: Graph) -> None:
        """Take the mean number of neighbours from the data."""
        self.neighbours = max(1.0, 2 * len(graph.first) / max(1, len(graph.numbers)))

    def state(self) -> dict[str, NDArray[Any]]:
        """What MACE's module holds and doesn't derive, by its names, and the mean number of neighbours; copies."""
        state = {name: value.detach().cpu().numpy().copy() for name, value in self._tensors().items()}
        return state | {"neighbours": np.array(self.neighbours)}

    def _tensors(self) -> dict[str, Tensor]:
        """Energies of the elements are not among them: they are the base's references."""
        named = self.module.state_dict().items()
        return {n: t for n, t in named if t.numel() and not derived(n) and not n.startswith("atomic_energies_fn.")}

    def load(self, state: Arrays) -> None:
        """Copy into parameters and buffers.

        Raises
        ------
        ValueError
            If the numbers are those of other elements.
        """
        mine, found = self.module.atomic_numbers.tolist(), np.array(state["atomic_numbers"]).tolist()
        if mine != found:
            texts = [", ".join(SYMBOLS[z] for z in numbers) for numbers in (found, mine)]
            raise ValueError(f"mace.committee: these weights are for elements {texts[0]}, not {texts[1]}")
        for name, value in self._tensors().items():
            value.detach().copy_(torch.from_numpy(np.array(state[name])))
        self.neighbours = float(state["neighbours"])
        self._forget()

    def constants(self) -> dict[str, NDArray[Any]]:
        """Frozen parameters, buffers and the mean number of neighbours."""
        return {name: value for name, value in self.state().items() if name not in self._trained}

    def trunk(self) -> bytes:
        """A digest of everything that is frozen: networks of one digest and architecture differ by readouts only."""
        if self._trunk is None:
            digest = hashlib.blake2b(digest_size=16)
            for name, value in sorted(self.constants().items()):
                digest.update(name.encode() + value.tobytes())
            self._trunk = digest.digest()
        return self._trunk

    @classmethod
    def evaluate_together(cls, networks: Sequence[Any], graph: Graph) -> list[Evaluation]:
        """Evaluate members; those that share a frozen trunk go through it once."""
        first = networks[0]
        if not (first.readouts_only and all(n.readouts_only and n.trunk() == first.trunk() for n in networks)):
            return super().evaluate_together(networks, graph)
        with torch.enable_grad():
            vectors = graph.vectors.detach().requires_grad_()
            features, pairwise = first.features(graph, vectors)
            energies = [n.read(features, pairwise) for n in networks]
            pulls = [_pulls(e, vectors) for e in energies]
        return [Evaluation(e.detach(), p) for e, p in zip(energies, pulls, strict=True)]

    def atomic_energies(self, graph: Graph, vectors: Tensor) -> Tensor:
        """Energies of the atoms."""
        return self.read(*self.features(graph, vectors))

    def read(self, features: list[Tensor], pairwise: Tensor) -> Tensor:
        """Energies from the features of every layer and from what does not pass the readouts."""
        total = pairwise
        for k, readout in enumerate(self.module.readouts):
            values = features[-1 if len(self.module.readouts) == 1 else k]
            total = total + readout(values, None)[:, 0]
        scaling = self.module.scale_shift
        return scaling.scale.view(-1)[0] * total + scaling.shift.view(-1)[0]

    def features(self, graph: Graph, vectors: Tensor) -> tuple[list[Tensor], Tensor]:
        """What every layer knows of the atoms, and energies that don't depend on it."""
        module = self.module
        elements = self._elements(graph.numbers)
        attributes = torch.nn.functional.one_hot(elements, len(module.atomic_numbers)).to(vectors.dtype)
        edges = _Edges(graph, vectors, self._signs, module, attributes)
        x = module.node_embedding(attributes)
        pairwise = x.new_zeros(len(elements))
        if hasattr(module, "pair_repulsion_fn"):
            both = torch.cat([edges.lengths, edges.lengths])
            pairwise = module.pair_repulsion_fn(both, attributes, edges.index, module.atomic_numbers)
        if hasattr(module, "joint_embedding"):
            x = x + module.joint_embedding(graph.sample, self._global(graph))
        atoms = ElementOrder(torch.zeros_like(elements) if module.use_agnostic_product else elements)
        if hasattr(module, "embedding_readout"):
            # Unlike the rest it is not scaled.
            pairwise = pairwise + module.embedding_readout(x, None)[:, 0] / module.scale_shift.scale.view(-1)[0]
        out = []
        for k, (block, product) in enumerate(zip(module.interactions, module.products, strict=True)):
            gathered, skipped = edges.gather(block, self._convolutions[k], x)
            x = product.linear(self._contractions[k](gathered, atoms, self._prepared(k, atoms.present)))
            if product.use_sc and skipped is not None:
                x = x + skipped
            out.append(x)
        return out, pairwise

    def _elements(self, numbers: Tensor) -> Tensor:
        elements = self._index[numbers]
        if len(elements) and int(elements.min()) < 0:
            strange = sorted({SYMBOLS[int(z)] for z in numbers[elements < 0]})
            known = ", ".join(SYMBOLS[int(z)] for z in self.module.atomic_numbers)
            raise ValueError(
                f"mace.committee: samples hold {', '.join(strange)}, but the network knows {known} only; "
                "add them to option elements, or start from a model file that has them"
            )
        return elements

    def _global(self, graph: Graph) -> dict[str, Tensor]:
        """Charge and multiplicity under MACE's names, within what the embedding has places for."""
        values = {"total_charge": graph.charge, "total_spin": graph.multiplicity}
        words = {"total_charge": "charge", "total_spin": "multiplicity"}
        for name, spec in self.module.embedding_specs.items():
            low = -int(spec.get("offset", 0))
            high = low + int(spec["num_classes"]) - 1
            mine = values[name]
            if len(mine) and not low <= int(mine.min()) <= int(mine.max()) <= high:
                raise ValueError(
                    f"mace.committee: a sample has {words[name]} {int(mine.min())} or {int(mine.max())}, but the "
                    f"network knows {low} to {high} only; see options charges and multiplicities"
                )
        return {name: values[name] for name in self.module.embedding_specs}

    def _prepared(self, layer: int, present: list[int]) -> list[Tensor]:
        """Tables of the product basis for these elements, kept as long as the weights stay as they are."""
        symmetric, contraction = self.module.products[layer].symmetric_contractions, self._contractions[layer]
        if symmetric.contractions[0].weights_max.requires_grad:
            return [contraction.tables(symmetric, e) for e in present]
        # The optimiser changes the weights in place; those of a frozen trunk are changed by `load` only.
        version = 0 if self.readouts_only else self.flat._version
        if self._tables_of != version:
            self._tables, self._tables_of = {}, version
        for element in present:
            if (layer, element) not in self._tables:
                self._tables[layer, element] = contraction.tables(symmetric, element)
        return [self._tables[layer, e] for e in present]


class _Edges:
    """Directed pairs of a graph: first to second, then second to first, with what belongs to them."""

    def __init__(self, graph: Graph, vectors: Tensor, signs: Tensor, module: Any, attributes: Tensor) -> None:
        self.index = torch.stack([torch.cat([graph.first, graph.second]), torch.cat([graph.second, graph.first])])
        self.lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp_min(_CLOSE)
        harmonics = module.spherical_harmonics(vectors)
        self.harmonics = torch.cat([harmonics, harmonics * signs])
        half = self.index[:, : len(vectors)]
        self.radial, self.envelope = module.radial_embedding(self.lengths, attributes, half, module.atomic_numbers)
        self.attributes = attributes

    def gather(
        self, block: Any, convolution: Convolution | CueConvolution | None, x: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """What atoms gather from their neighbours, shape (atoms, channels, components), and what skips the product."""
        if convolution is None:
            both = [None if t is None else torch.cat([t, t]) for t in (self.radial, self.envelope)]
            out: tuple[Tensor, Tensor | None] = block(
                self.attributes, x, self.harmonics, both[0], self.index, both[1], first_layer=True
            )
            return out
        weights = block.conv_tp_weights(self.radial)
        weights = weights if self.envelope is None else weights * self.envelope
        gathered = convolution(block.linear_up(x), self.harmonics, torch.cat([weights, weights]), self.index)
        gathered = block.linear(gathered) / block.avg_num_neighbors
        if type(block).__name__ == _PLAIN:
            return block.reshape(block.skip_tp(gathered, self.attributes)), None
        return block.reshape(gathered), block.skip_tp(x, self.attributes)


def _convolution(
    block: Any, dtype: torch.dtype, device: torch.device, accelerate: bool
) -> Convolution | CueConvolution | None:
    """The convolution for a block of MACE, None where the block has to do it."""
    if type(block).__name__ not in (_PLAIN, _RESIDUAL):
        return None
    if accelerate and device.type == "cuda" and has_cuequivariance():
        return CueConvolution(block.conv_tp, dtype, device)
    out = Convolution(block.conv_tp).to(dtype, device)
    return out if out.fits else None


def _strip(module: Any, convolutions: list[Convolution | CueConvolution | None]) -> None:
    """Take out what is done here instead: it would be copied with every member."""
    for block, convolution in zip(module.interactions, convolutions, strict=True):
        if convolution is not None:
            block.conv_tp = torch.nn.Identity()
    for product in module.products:
        for part in product.symmetric_contractions.contractions:
            part.graph_opt_main = torch.nn.Identity()
            part.contractions_weighting = part.contractions_features = torch.nn.ModuleList()
            for name in [n for n, _ in part.named_buffers() if n.startswith("U_matrix")]:
                delattr(part, name)


def _pulls(energies: Tensor, vectors: Tensor) -> Tensor:
    """Derivative of the summed energy; the graph is kept for the other members."""
    out = torch.autograd.grad(energies.sum(), vectors, retain_graph=True, allow_unused=True)[0]
    return torch.zeros_like(vectors) if out is None else out.detach()
