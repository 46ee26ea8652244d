r"""SchNet with its derivatives written out: energies, forces and the gradient of a loss on both.

Energy and forces of SchNet [1]_ are one forward and one backward pass. A loss on forces needs derivatives of that
backward pass. Writing the passes out by hand instead of asking autograd for second derivatives makes a training step
two to three times faster on a CPU, where the small tensors of a mini-batch cost more to track than to multiply.

With pairs :math:`p = (i, j)`, each once, and :math:`\varphi(d)` the radial basis times the cutoff, a layer is

.. math::

    v = x A, \quad W_p = \varphi(d_p) C, \quad m_i = \sum_{p \ni i} W_p \odot v_{\mathrm{other}}, \quad
    x \leftarrow x + \sigma(m B + b) D + d

The first :math:`x` is an embedding of the element, where asked for plus those of total charge and spin multiplicity.
The filter :math:`W_p` is linear in the basis, as in PaiNN [2]_, and :math:`\sigma` is SiLU. Distances are the only
geometry in the network, so forces follow from the slopes :math:`\partial E / \partial d_p`.

Gradient of a loss: let :math:`\bar E_i` and :math:`\bar s_p` be its derivatives with respect to atomic energies and
slopes. Its gradient is that of :math:`\sum_i \bar E_i E_i + \sum_p \bar s_p\,\partial E / \partial d_p` with those
held fixed. The second term is the derivative of the energy along :math:`\dot d = \bar s`: a tangent pass forward
(``*_dot``), then one pass backward. The backward pass meets two kinds of adjoints: those of the tangents, which are
the first pass's energy derivatives (``*_bar``) again, and those of the values (``*_adj``).

References
----------
.. [1] K. T. Schütt et al., J. Chem. Phys. 148, 241722 (2018).
.. [2] K. T. Schütt, O. T. Unke, M. Gastegger, ICML (2021), arXiv:2102.03150.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pal_ase.learning.graph import Graph
from pal_ase.learning.network import Evaluation, Network
from pal_ase.learning.states import state_rows
from pal_schnet.parameters import Layer, Parameters

__all__ = ["SchnetNetwork", "radial_basis"]

Ends = tuple[Tensor, Tensor]
"""A per-atom quantity at the first and at the second atom of every pair."""
Activation = tuple[Tensor, ...]
"""SiLU of a pre-activation, its first derivative and, for training, its second."""


@dataclass(slots=True)
class _Forward:
    """What a layer's forward pass leaves behind."""

    x: Tensor
    v: Ends
    filters: Tensor
    m: Tensor
    a: Activation


@dataclass(slots=True)
class _Backward:
    """Derivatives of the total energy with respect to a layer's values."""

    x: Tensor
    a: Tensor
    h: Tensor
    m: Ends
    filters: Tensor
    v: Tensor


@dataclass(slots=True)
class _Tangent:
    """Derivatives of a layer's values along the slopes' weights; None in the first layer, whose input is fixed."""

    x: Tensor | None
    v: Ends | None
    filters: Tensor
    m: Tensor
    h: Tensor
    a: Tensor


@dataclass(slots=True)
class _Trace:
    """What `_forward_backward` leaves behind for `_gradient`."""

    phi: Tensor
    phi_slope: Tensor
    x: Tensor
    a: Activation
    h_bar: Tensor
    forward: list[_Forward]
    backward: list[_Backward]
    states: tuple[Tensor, ...]


class SchnetNetwork(Network):
    """SchNet with its parameters.

    Parameters
    ----------
    parameters : Parameters
        Kept, not copied.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.flat = parameters.flat
        self._out: Parameters | None = None

    def evaluate(self, graph: Graph, training: bool = False) -> Evaluation:
        """Atomic energies; pulls lie along the pairs, since distances are the only geometry."""
        energies, slopes, trace = _evaluate(self.parameters, graph, training)
        return Evaluation(energies, graph.direction * slopes.unsqueeze(-1), trace if training else None)

    def gradient(
        self, graph: Graph, evaluation: Evaluation, energies_bar: Tensor, pulls_bar: Tensor, out: Tensor
    ) -> None:
        """Gradient of a loss with respect to all parameters."""
        if self._out is None or self._out.flat is not out:
            self._out = self.parameters.like(out)
        slopes_bar = (pulls_bar * graph.direction).sum(-1)
        _gradient(self.parameters, graph, evaluation.memory, bars=(energies_bar, slopes_bar), out=self._out)

    def copy(self) -> SchnetNetwork:
        """The same numbers in memory of their own."""
        return SchnetNetwork(self.parameters.like(self.flat.clone()))

    def state(self) -> dict[str, NDArray[Any]]:
        """All parameters by name."""
        return {n: t.cpu().numpy().copy() for n, t in self.parameters.named.items()}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Copy into the parameters."""
        for name, tensor in self.parameters.named.items():
            tensor.copy_(torch.from_numpy(np.array(state[name])))


def _evaluate(parameters: Parameters, graph: Graph, training: bool) -> tuple[Tensor, Tensor, _Trace]:
    """Atomic energies, and the derivatives of their sum with respect to the distances."""
    p = parameters
    phi, phi_slope = radial_basis(graph.distance, p.architecture.basis, p.architecture.cutoff)
    x = p.embedding.index_select(0, graph.numbers)
    states = _states(p, graph)
    for table, rows in zip(p.states, states, strict=True):
        x = x + table.index_select(0, rows[graph.sample])
    forward = []
    for layer in p.layers:
        v = _ends(x @ layer.project, graph)
        filters = phi @ layer.filter
        m = _sum(filters * v[1], filters * v[0], graph)
        a = _silu(torch.addmm(layer.mix_bias, m, layer.mix), training)
        forward.append(_Forward(x, v, filters, m, a))
        x = x + torch.addmm(layer.update_bias, a[0], layer.update)
    a = _silu(torch.addmm(p.readout_bias, x, p.readout), training)
    h_bar = a[1] * p.energy
    backward, phi_bar = _backward(p, graph, forward, h_bar @ p.readout.T, training)
    slopes = torch.linalg.vecdot(phi_bar, phi_slope)
    return a[0] @ p.energy, slopes, _Trace(phi, phi_slope, x, a, h_bar, forward, backward, states)


def _backward(
    p: Parameters, graph: Graph, forward: list[_Forward], x_bar: Tensor, training: bool
) -> tuple[list[_Backward], Tensor]:
    """Energy derivatives of every layer, and of the basis."""
    out: list[_Backward] = []
    phi_bar = torch.zeros((), dtype=x_bar.dtype, device=x_bar.device)
    for t in reversed(range(len(p.layers))):
        layer, f = p.layers[t], forward[t]
        a_bar = x_bar @ layer.update.T
        h_bar = a_bar * f.a[1]
        m_bar = _ends(h_bar @ layer.mix.T, graph)
        filters_bar = _product(m_bar, f.v)
        phi_bar = phi_bar + filters_bar @ layer.filter.T
        if t == 0 and not training:
            break
        v_bar = _sum(f.filters * m_bar[1], f.filters * m_bar[0], graph)
        out.append(_Backward(x_bar, a_bar, h_bar, m_bar, filters_bar, v_bar))
        x_bar = x_bar + v_bar @ layer.project.T
    return out[::-1], phi_bar


def _gradient(
    parameters: Parameters, graph: Graph, trace: _Trace, *, bars: tuple[Tensor, Tensor], out: Parameters
) -> None:
    """Gradient of a loss, given its derivatives with respect to atomic energies and slopes, into `out`."""
    p, e, g = parameters, trace, out
    energies_bar, slopes_bar = bars
    g.flat.zero_()
    phi_dot = e.phi_slope * slopes_bar.unsqueeze(-1)
    tangents, x_dot = _tangents(p, graph, e, phi_dot)
    h_dot = x_dot @ p.readout
    torch.addmv((e.a[1] * h_dot).sum(0), e.a[0].T, energies_bar, out=g.energy)
    h_adj = energies_bar.unsqueeze(-1) * e.h_bar + e.a[2] * h_dot * p.energy
    g.readout.addmm_(e.x.T, h_adj).addmm_(x_dot.T, e.h_bar)
    g.readout_bias.copy_(h_adj.sum(0))
    x_adj = h_adj @ p.readout.T
    for t in reversed(range(len(p.layers))):
        layer = e.forward[t], e.backward[t], tangents[t]
        x_adj = _layer_gradient(p.layers[t], g.layers[t], graph, phi=(e.phi, phi_dot), trace=layer, x_adj=x_adj)
    g.embedding.index_add_(0, graph.numbers, x_adj)
    for table, rows in zip(g.states, e.states, strict=True):
        table.index_add_(0, rows[graph.sample], x_adj)


def _states(p: Parameters, graph: Graph) -> tuple[Tensor, ...]:
    """Rows of the samples in the tables of charges and multiplicities, if there are any."""
    shape = p.architecture
    return state_rows(graph, shape.charges, shape.multiplicities, "schnet.committee") if p.states else ()


def _tangents(p: Parameters, graph: Graph, e: _Trace, phi_dot: Tensor) -> tuple[list[_Tangent], Tensor]:
    """Derivatives of all values along ``phi_dot``."""
    out = []
    x: Tensor | None = None
    for layer, f in zip(p.layers, e.forward, strict=True):
        filters = phi_dot @ layer.filter
        v = None if x is None else _ends(x @ layer.project, graph)
        to_first, to_second = filters * f.v[1], filters * f.v[0]
        if v is not None:
            to_first.addcmul_(f.filters, v[1])
            to_second.addcmul_(f.filters, v[0])
        m = _sum(to_first, to_second, graph)
        h = m @ layer.mix
        a = f.a[1] * h
        out.append(_Tangent(x, v, filters, m, h, a))
        x = a @ layer.update if x is None else torch.addmm(x, a, layer.update)
    assert x is not None  # noqa: S101 - there is one layer at least
    return out, x


def _layer_gradient(
    p: Layer,
    g: Layer,
    graph: Graph,
    *,
    phi: tuple[Tensor, Tensor],
    trace: tuple[_Forward, _Backward, _Tangent],
    x_adj: Tensor,
) -> Tensor:
    """Gradient of one layer's parameters, into `g`; returns the adjoint of the layer's input."""
    f, b, d = trace
    g.update.addmm_(f.a[0].T, x_adj).addmm_(d.a.T, b.x)
    g.update_bias.copy_(x_adj.sum(0))
    h_adj = ((x_adj @ p.update.T) * f.a[1]).addcmul_(b.a * f.a[2], d.h)
    g.mix.addmm_(f.m.T, h_adj).addmm_(d.m.T, b.h)
    g.mix_bias.copy_(h_adj.sum(0))
    m_adj = _ends(h_adj @ p.mix.T, graph)
    filters_adj = _product(m_adj, f.v)
    if d.v is not None:
        filters_adj.addcmul_(b.m[0], d.v[1]).addcmul_(b.m[1], d.v[0])
    g.filter.addmm_(phi[0].T, filters_adj).addmm_(phi[1].T, b.filters)
    to_first = (f.filters * m_adj[1]).addcmul_(d.filters, b.m[1])
    to_second = (f.filters * m_adj[0]).addcmul_(d.filters, b.m[0])
    v_adj = _sum(to_first, to_second, graph)
    g.project.addmm_(f.x.T, v_adj)
    if d.x is not None:
        g.project.addmm_(d.x.T, b.v)
    return torch.addmm(x_adj, v_adj, p.project.T)


def radial_basis(distance: Tensor, size: int, cutoff: float) -> tuple[Tensor, Tensor]:
    """Gaussians times the cosine cutoff, and the cutoff itself; with derivatives.

    Parameters
    ----------
    distance : Tensor, shape (pairs,)
        Å.
    size : int
        Number of Gaussians, evenly spaced from 0 to the cutoff and as wide as their spacing.
    cutoff : float
        Å. There the basis and its slope vanish.

    Returns
    -------
    phi, slope : Tensor, shape (pairs, size + 1)
        Values and derivatives with respect to the distance, per Å.
    """
    d = distance.unsqueeze(-1)
    centres = torch.linspace(0, cutoff, size, dtype=d.dtype, device=d.device)
    width = cutoff / max(1, size - 1)
    x = (d - centres) / width
    gauss = torch.exp(-0.5 * x * x)
    angle = d * (math.pi / cutoff)
    inside = d < cutoff
    cut = (0.5 * torch.cos(angle) + 0.5) * inside
    cut_slope = torch.sin(angle) * (-0.5 * math.pi / cutoff) * inside
    phi = torch.cat([gauss * cut, cut], -1)
    return phi, torch.cat([gauss * (cut_slope - x * (cut / width)), cut_slope], -1)


def _silu(h: Tensor, second: bool) -> Activation:
    """``h * sigmoid(h)`` and derivatives, each expressed by the one before."""
    s = torch.sigmoid(h)
    a = h * s
    t = 1 - s
    first = torch.addcmul(s, a, t)
    return (a, first, t * (first + s - a * s)) if second else (a, first)


def _ends(values: Tensor, graph: Graph) -> Ends:
    return values.index_select(0, graph.first), values.index_select(0, graph.second)


def _sum(to_first: Tensor, to_second: Tensor, graph: Graph) -> Tensor:
    """Sum what pairs send to their first and to their second atoms; shape (atoms, features)."""
    out = to_first.new_zeros((graph.numbers.shape[0], to_first.shape[1]))
    return out.index_add_(0, graph.first, to_first).index_add_(0, graph.second, to_second)


def _product(m: Ends, v: Ends) -> Tensor:
    """What the sum over pairs of ``m_first W v_second + m_second W v_first`` has for derivative with respect to W."""
    return (m[0] * v[1]).addcmul_(m[1], v[0])
