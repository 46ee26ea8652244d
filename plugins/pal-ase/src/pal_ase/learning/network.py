"""What a plugin provides: a network that gives atomic energies, their derivatives, and the gradient of a loss."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pal_ase.learning.graph import Graph

__all__ = ["Evaluation", "Network", "TorchNetwork"]

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Evaluation:
    """What a network says of a graph.

    Parameters
    ----------
    energies : Tensor, shape (atoms,)
        Atomic energies in the network's unit, without references.
    pulls : Tensor, shape (pairs, 3)
        Derivative of the summed energy with respect to each pair's vector, from the first atom to the second, in the
        network's unit per Å.
    memory : object
        What `Network.gradient` needs; only with ``training=True``.
    """

    energies: Tensor
    pulls: Tensor
    memory: Any = None


class Network(ABC):
    """A function of pairs and atoms whose weights are one flat tensor.

    Its energies depend on the pairs' vectors and on what belongs to atoms and samples (numbers, charge, multiplicity)
    only, so that forces and virials follow from `Evaluation.pulls`.

    Attributes
    ----------
    flat : Tensor, shape (size,)
        All trainable weights. The optimiser changes it in place, and what the network computes changes with it.
    pairs_at_once : int
        Pairs evaluated together, where samples allow: what bounds the memory of a prediction.
    """

    flat: Tensor
    pairs_at_once: int = 16_384

    @abstractmethod
    def evaluate(self, graph: Graph, training: bool = False) -> Evaluation:
        """Atomic energies and their derivatives, detached.

        Parameters
        ----------
        graph : Graph
        training : bool
            Whether `gradient` will follow.
        """

    @abstractmethod
    def gradient(
        self, graph: Graph, evaluation: Evaluation, energies_bar: Tensor, pulls_bar: Tensor, out: Tensor
    ) -> None:
        """Gradient of a loss with respect to `flat`.

        Parameters
        ----------
        graph : Graph
            That of the evaluation.
        evaluation : Evaluation
            Of ``evaluate(graph, training=True)``; used once.
        energies_bar : Tensor, shape (atoms,)
            Derivative of the loss with respect to every atomic energy.
        pulls_bar : Tensor, shape (pairs, 3)
            Derivative of the loss with respect to every pull.
        out : Tensor, shape (size,)
            Is overwritten by the gradient.
        """

    @abstractmethod
    def copy(self) -> Network:
        """The same values with a `flat` of their own: the averaged weights, which predict and aren't trained."""

    @abstractmethod
    def state(self) -> dict[str, NDArray[Any]]:
        """All that the network computes with, trainable or not, by name; copies."""

    @abstractmethod
    def load(self, state: Arrays) -> None:
        """Undo `state`, in place; names and shapes have been checked against those of `state`."""

    def constants(self) -> dict[str, NDArray[Any]]:
        """Those numbers of `state` that are not in `flat`; copies. None by default."""
        return {}

    def set_constants(self, constants: Arrays) -> None:  # noqa: B027 - nothing to do where there are none
        """Undo `constants`, in place."""

    def prepare(self, graph: Graph) -> None:  # noqa: B027 - most networks take data as they come
        """Set those `constants` that depend on the data, such as the mean number of neighbours; none by default.

        Called once, before the first step of a training from scratch, with all training samples in use. What is set
        reaches members that predict with the weights, and a resumed training with its snapshot.
        """

    def energies(self, graph: Graph) -> Tensor:
        """Atomic energies alone, shape (atoms,): override where that is cheaper than `evaluate`."""
        return self.evaluate(graph).energies

    def mode(self) -> AbstractContextManager[None]:
        """Context in which the base calls everything else; with autograd inside, it can't be the inference mode."""
        mode: AbstractContextManager[None] = torch.inference_mode()
        return mode

    @classmethod
    def evaluate_together(cls, networks: Sequence[Any], graph: Graph) -> list[Evaluation]:
        """Evaluate the members of a committee; override where they share work."""
        return [network.evaluate(graph) for network in networks]


class TorchNetwork(Network):
    """A network that torch differentiates. Subclasses say what the atomic energies are.

    Parameters that don't require a gradient when the network is made are frozen: they belong to `state`, but not to
    `flat`. Derivatives with respect to the pairs' vectors are those of autograd, and in training can be differentiated
    once more.

    Parameters
    ----------
    module : torch.nn.Module
        Holds all parameters and buffers; moved and converted in place. Its parameters become views into `flat`.
    dtype : torch.dtype
        Of all floating-point numbers in it.
    device : torch.device
    """

    pairs_at_once: int = 8_192

    def __init__(self, module: Any, dtype: torch.dtype, device: torch.device) -> None:
        self.module = module.to(device=device, dtype=dtype)
        trained = [name for name, value in self.module.named_parameters() if value.requires_grad]
        if not trained:
            raise ValueError(f"{type(self).__name__}: all parameters of {type(module).__name__} are frozen")
        self._flatten(trained)

    @abstractmethod
    def atomic_energies(self, graph: Graph, vectors: Tensor) -> Tensor:
        """Energies of the atoms in the network's unit, differentiable twice.

        Parameters
        ----------
        graph : Graph
            For atoms, pairs and samples; its own distances and directions are not to be used.
        vectors : Tensor, shape (pairs, 3)
            From the first atom of each pair to the second, Å. A pair stands for both directions.

        Returns
        -------
        Tensor, shape (atoms,)
        """

    def _flatten(self, trained: list[str]) -> None:
        """Make the parameters of these names views into one tensor."""
        named = dict(self.module.named_parameters())
        self._trained = trained
        self._parameters = [named[name] for name in trained]
        self.flat = torch.cat([p.detach().reshape(-1) for p in self._parameters])
        for parameter, view in zip(self._parameters, self._views(self.flat), strict=True):
            parameter.data = view
        own = {p.data_ptr() for p in self._parameters}
        self._constants = [n for n, value in self.module.state_dict().items() if value.data_ptr() not in own]

    def _views(self, flat: Tensor) -> list[Tensor]:
        pieces = flat.split([p.numel() for p in self._parameters])
        return [piece.view(p.shape) for piece, p in zip(pieces, self._parameters, strict=True)]

    def evaluate(self, graph: Graph, training: bool = False) -> Evaluation:
        """Atomic energies and, by autograd, their derivatives with respect to the pairs' vectors."""
        with torch.enable_grad():
            vectors = graph.vectors.detach().requires_grad_()
            energies = self.atomic_energies(graph, vectors)
            pulls = _derivative(energies, vectors, training)
        memory = (energies, pulls) if training else None
        return Evaluation(energies.detach(), pulls.detach(), memory)

    def energies(self, graph: Graph) -> Tensor:
        """Atomic energies without derivatives."""
        with torch.no_grad():
            return self.atomic_energies(graph, graph.vectors)

    def gradient(
        self, graph: Graph, evaluation: Evaluation, energies_bar: Tensor, pulls_bar: Tensor, out: Tensor
    ) -> None:
        """Gradient of a loss, gathered by autograd in views into `out`."""
        out.zero_()
        for parameter, view in zip(self._parameters, self._views(out), strict=True):
            parameter.grad = view
        bars = (energies_bar, pulls_bar)
        ends = [(v, bar) for v, bar in zip(evaluation.memory, bars, strict=True) if v.requires_grad]
        if ends:
            torch.autograd.backward(*zip(*ends, strict=True), inputs=self._parameters)
        for parameter in self._parameters:
            parameter.grad = None

    def copy(self) -> TorchNetwork:
        """A network of its own that needs no gradients; its attributes other than the module are the same objects."""
        out = copy.copy(self)
        out.module = copy.deepcopy(self.module)
        out._flatten(self._trained)
        for parameter in out._parameters:
            parameter.requires_grad_(False)
        return out

    def state(self) -> dict[str, NDArray[Any]]:
        """Parameters and buffers by the names that the module gives them."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.module.state_dict().items()}

    def load(self, state: Arrays) -> None:
        """Copy into parameters and buffers."""
        for name, value in self.module.state_dict().items():
            value.detach().copy_(torch.from_numpy(np.array(state[name])))

    def constants(self) -> dict[str, NDArray[Any]]:
        """Frozen parameters and buffers."""
        state = self.state()
        return {name: state[name] for name in self._constants}

    def set_constants(self, constants: Arrays) -> None:
        """Copy into frozen parameters and buffers."""
        self.load(self.state() | dict(constants))

    def mode(self) -> AbstractContextManager[None]:
        """No gradients but where `evaluate` asks for them."""
        mode: AbstractContextManager[None] = torch.no_grad()
        return mode


def _derivative(energies: Tensor, vectors: Tensor, training: bool) -> Tensor:
    """Of the summed energy; zero where it doesn't depend on the vectors."""
    if not energies.requires_grad:
        return torch.zeros_like(vectors)
    out = torch.autograd.grad(energies.sum(), vectors, create_graph=training, allow_unused=True)[0]
    return torch.zeros_like(vectors) if out is None else out
