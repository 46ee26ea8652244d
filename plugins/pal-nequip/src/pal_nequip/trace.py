"""A network as two lists of tensor operations: forward and backward pass without Python modules and without autograd.

What the libraries do with a molecule are some five hundred operations on small tensors. Python and autograd around them
cost more than they do; recorded, the same operations give the same numbers to the last bit. Those that work on weights
alone, such as their scaling, make up the first list, which is run again only when the weights have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

__all__ = ["Recording", "record", "tensors"]

_ATOMS, _PAIRS = 9_973, 7_919
"""Sizes that no weight has, so that none is taken for a number of atoms or pairs. Nothing is computed with them."""
_DATA = 4
"""Arguments that are not weights."""
_SAME = (torch.ops.aten.detach.default, torch.ops.aten.alias.default)
"""Operations that matter to autograd only."""


class Recording:
    """What a module does to any two or more atoms and pairs, and its derivative.

    Parameters
    ----------
    early : callable
        Takes the module's tensors in the order of `tensors`, gives what can be computed from them alone.
    late : callable
        Takes types, first, second, vectors and what `early` has given; gives energies and their derivatives with
        respect to the vectors.
    """

    def __init__(self, early: Callable[..., Sequence[Tensor]], late: Callable[..., tuple[Tensor, Tensor]]) -> None:
        self.early, self.late = early, late


def tensors(module: torch.nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def record(module: torch.nn.Module, dtype: torch.dtype) -> Recording:
    """Record a module with the arguments of `AtomicEnergies`.

    Parameters
    ----------
    module : torch.nn.Module
        Nothing of its numbers gets into the recording.
    dtype : torch.dtype
        Of the vectors.
    """
    names, own = zip(*tensors(module).items(), strict=True)

    def run(types: Tensor, first: Tensor, second: Tensor, vectors: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = vectors.detach().requires_grad_()
            energies = functional_call(module, dict(zip(names, weights, strict=True)), (types, first, second, leaf))
            (pulls,) = torch.autograd.grad(energies.sum(), leaf)
        return energies.detach(), pulls

    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    whole, device = {"dtype": torch.int64, "device": own[0].device}, own[0].device
    data = [torch.zeros(_ATOMS, **whole), torch.zeros(_PAIRS, **whole), torch.zeros(_PAIRS, **whole)]
    data.append(torch.zeros((_PAIRS, 3), dtype=dtype, device=device))
    fakes = [mode.from_tensor(t, symbolic_context=_any_length(t)) for t in data]
    fixed = [mode.from_tensor(t.detach(), static_shapes=True) for t in own]
    graph = make_fx(run, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*fakes, *fixed)
    return _divided(_cleaned(graph))


def _any_length(data: Tensor) -> StatelessSymbolicContext[Any, Any]:
    return StatelessSymbolicContext(dynamic_sizes=[DimDynamic.DYNAMIC] + [DimDynamic.STATIC] * (data.ndim - 1))


def _cleaned(module: fx.GraphModule) -> fx.GraphModule:
    """Without operations that change nothing."""
    for node in list(module.graph.nodes):
        if node.target in _SAME:
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)
    module.graph.eliminate_dead_code()
    return module


def _divided(module: fx.GraphModule) -> Recording:
    """Split into what depends on weights alone and the rest."""
    nodes = list(module.graph.nodes)
    inputs = [n for n in nodes if n.op == "placeholder"]
    late = _late(nodes, set(inputs[:_DATA]))
    handed = [n for n in nodes if n not in late and any(user in late for user in n.users)]
    first, second = fx.Graph(), fx.Graph()
    known: dict[fx.Node, fx.Node] = {}
    for node in nodes:
        if node not in late:
            known[node] = first.node_copy(node, known.__getitem__)
    first.output(tuple(known[n] for n in handed))
    known = {}
    for node in [*inputs[:_DATA], *handed]:
        known[node] = second.placeholder(node.name)
    for node in nodes:
        if node in late and node.op != "placeholder":
            known[node] = second.node_copy(node, known.__getitem__)
    return Recording(fx.GraphModule(module, first), fx.GraphModule(module, second))


def _late(nodes: Sequence[fx.Node], data: set[fx.Node]) -> set[fx.Node]:
    """Nodes that depend on the data, or that make a tensor which such a node may write to."""
    late = set(data)
    for node in nodes:
        makes = node.op == "call_function" and not node.all_input_nodes
        if node.op == "output" or makes or any(n in late for n in node.all_input_nodes):
            late.add(node)
    return late
