r"""MACE's convolution, faster than that of e3nn's tensor product.

Of neighbours with features :math:`x_{l_1 m_1}`, directions :math:`Y_{l_2 m_2}` and radial weights :math:`w_p` an atom
gathers, per channel (eq. 8 of I. Batatia et al., arXiv:2206.07697),

.. math::

    \sum_{j} w_{p} \sum_{m_1 m_2} C^{l_3 m_3}_{l_1 m_1, l_2 m_2}\, x_{l_1 m_1}\, Y_{l_2 m_2}, \qquad p = (l_1, l_2, l_3)

The sum over :math:`m_2` makes one small matrix per pair for all paths :math:`p`, which then multiplies all channels at
once. Channels come last in memory, so that every other operation runs over long rows.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pal_mace.library import float_precision, o3

__all__ = ["Convolution", "CueConvolution"]


class Convolution:
    """The convolution of one layer; it has no weights of its own.

    Parameters
    ----------
    product : e3nn.o3.TensorProduct
        As MACE makes it: features with directions, weighted by pair, outputs sorted by irrep.

    Attributes
    ----------
    fits : bool
        Whether the product is of that kind; if not, the object is of no use.
    """

    def __init__(self, product: Any) -> None:
        kinds = {(mul, i.connection_mode) for mul, _ in product.irreps_in1 for i in product.instructions}
        self.fits = len(kinds) == 1 and {mode for _, mode in kinds} == {"uvu"}
        if not self.fits:
            return
        paths = sorted(product.instructions, key=lambda i: i.i_out)
        order = [product.instructions.index(p) for p in paths]
        self.channels = int(product.irreps_in1[0].mul)
        self.inputs = [ir.dim for _, ir in product.irreps_in1]
        self.coupling = _coupling(product, paths)
        self.order = None if order == sorted(order) else torch.tensor(order, device=self.coupling.device)
        dims = [product.irreps_out[p.i_out].ir.dim for p in paths]
        self.groups = [(dims.count(d), d) for d in sorted(set(dims))]
        """Paths that lead to the same angular momentum, and its number of components."""

    def to(self, dtype: torch.dtype, device: torch.device) -> Convolution:
        """Convert in place."""
        if self.fits:
            self.coupling = self.coupling.to(device, dtype)
            self.order = None if self.order is None else self.order.to(device)
        return self

    def __call__(self, x: Tensor, harmonics: Tensor, weights: Tensor, index: Tensor) -> Tensor:
        """What atoms gather.

        Parameters
        ----------
        x : Tensor, shape (atoms, channels * components)
            Features in e3nn's order.
        harmonics : Tensor, shape (edges, components)
        weights : Tensor, shape (edges, paths * channels)
        index : Tensor of int64, shape (2, edges)
            Sender and receiver.

        Returns
        -------
        Tensor, shape (atoms, channels * components)
            In the order of the product's output.
        """
        sent = self._channels_last(x).index_select(0, index[0])
        # Without any pair no size can be left to torch.
        matrices = (harmonics @ self.coupling).view(len(harmonics), sum(n * d for n, d in self.groups), sent.shape[1])
        terms = torch.bmm(matrices, sent).split([n * d for n, d in self.groups], 1)
        w = weights.view(len(weights), sum(n for n, _ in self.groups), self.channels)
        w = w if self.order is None else w.index_select(1, self.order)
        shares = w.split([n for n, _ in self.groups], 1)
        message = torch.cat(
            [
                (t.view(len(t), n, d, self.channels) * s.unsqueeze(2)).flatten(1)
                for t, s, (n, d) in zip(terms, shares, self.groups, strict=True)
            ],
            1,
        )
        return self._channels_first(message.new_zeros(len(x), message.shape[1]).index_add(0, index[1], message))

    def _channels_last(self, x: Tensor) -> Tensor:
        parts = x.split([self.channels * d for d in self.inputs], 1)
        rows = [p.view(len(p), self.channels, d).transpose(1, 2) for p, d in zip(parts, self.inputs, strict=True)]
        return torch.cat(rows, 1)

    def _channels_first(self, gathered: Tensor) -> Tensor:
        parts = gathered.split([n * d * self.channels for n, d in self.groups], 1)
        rows = [
            p.view(len(p), n, d, self.channels).transpose(2, 3).flatten(1)
            for p, (n, d) in zip(parts, self.groups, strict=True)
        ]
        return torch.cat(rows, 1)


class CueConvolution:
    """The same by NVIDIA's cuEquivariance (package cuequivariance-torch), for CUDA.

    Parameters
    ----------
    product : e3nn.o3.TensorProduct
    dtype : torch.dtype
    device : torch.device
    """

    def __init__(self, product: Any, dtype: torch.dtype, device: torch.device) -> None:
        from mace.modules.wrapper_ops import CuEquivarianceConfig, TensorProduct

        chosen = CuEquivarianceConfig(enabled=True, layout="mul_ir", group="O3_e3nn", optimize_channelwise=True)
        make: Any = TensorProduct
        with float_precision(dtype):
            self.product = make(
                product.irreps_in1,
                product.irreps_in2,
                product.irreps_out,
                instructions=[(i.i_in1, i.i_in2, i.i_out, i.connection_mode, True) for i in product.instructions],
                cueq_config=chosen,
            ).to(device)

    def __call__(self, x: Tensor, harmonics: Tensor, weights: Tensor, index: Tensor) -> Tensor:
        """What atoms gather; parameters as those of `Convolution`."""
        message = self.product(x.index_select(0, index[0]), harmonics, weights)
        return message.new_zeros(len(x), message.shape[1]).index_add(0, index[1], message)


def _coupling(product: Any, paths: list[Any]) -> Tensor:
    """Clebsch-Gordan coefficients with e3nn's factors, shape (components of Y, components out * components in)."""
    starts = [sum(ir.dim for _, ir in product.irreps_in1[:k]) for k in range(len(product.irreps_in1))]
    size_in = sum(ir.dim for _, ir in product.irreps_in1)
    size_out = sum(product.irreps_out[p.i_out].ir.dim for p in paths)
    out = torch.zeros(product.irreps_in2.dim, size_out, size_in, dtype=torch.float64)
    row = 0
    for p in paths:
        irreps = (product.irreps_in1[p.i_in1].ir, product.irreps_in2[p.i_in2].ir, product.irreps_out[p.i_out].ir)
        block = o3.wigner_3j(*(ir.l for ir in irreps), dtype=torch.float64) * p.path_weight
        column, harmonic = starts[p.i_in1], product.irreps_in2.slices()[p.i_in2]
        out[harmonic, row : row + irreps[2].dim, column : column + irreps[0].dim] = block.permute(1, 2, 0)
        row += irreps[2].dim
    return out.flatten(1)
