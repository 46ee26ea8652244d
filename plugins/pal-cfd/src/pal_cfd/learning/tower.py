"""The network: convolutions along a periodic channel, blind to where the period begins and to what is up and down.

Why these symmetries and no others: a streamwise shift renames the columns of a periodic channel. Mirrored about its
centre line, a channel with two wall temperatures gets the flow mirrored and, once the two temperatures have changed
places, the temperature too: Cf, and St as a mean over both halves, stay. Walls that give off the same heat flux stay as
they are. Mirrored along the stream, it is another channel: the flow, which has inertia, meets the promoters' other
sides, and Navier-Stokes equations have no such symmetry (Stokes flow alone has).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Tower"]

_LONGEST = 4
"""Dilations reach at most the period divided by this; further ones would wrap around onto the same columns."""


class Tower(nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
    """From masks to numbers that don't change when a mask is shifted along the stream or turned upside down.

    Rows are averaged down to `height`, then halved by every two-dimensional convolution; columns are never strided, so
    that a shift of the mask is the same shift of all that is computed of it. What is left of the rows becomes `width`
    channels of one-dimensional residual convolutions with growing dilation. Means and maxima over the columns are
    averaged over the mask and its mirror image, and a small dense network makes the result of them.

    Parameters
    ----------
    columns : int
        Of the masks.
    height : int
        Rows that the first convolution sees.
    channels : tuple of int
        Of the two-dimensional convolutions, kernel 3 x 3.
    width : int
        Channels along the stream.
    outputs : int
    """

    def __init__(self, columns: int, height: int, channels: tuple[int, ...], width: int, outputs: int) -> None:
        super().__init__()
        self.height, sizes = height, (1, *channels)
        self.planes = nn.ModuleList(nn.Conv2d(a, b, 3) for a, b in zip(sizes, channels, strict=False))
        rows = height
        for _ in channels:
            rows = max(rows // 2, 1)
        self.collapse = nn.Conv1d(channels[-1] * rows, width, 1)
        dilations = [2**k for k in range(16) if 2**k <= max(columns // _LONGEST, 1)]
        self.blocks = nn.ModuleList(_Block(width, dilation) for dilation in dilations)
        self.dense = nn.Sequential(nn.Linear(2 * width + 1, 2 * width), nn.SiLU(), nn.Linear(2 * width, outputs))
        self.apply(_initialise)
        for block in self.blocks:
            # So that a block adds half of what comes in at first, and all of them together don't drown it.
            block.narrow.weight.data.mul_(0.5)

    def forward(self, masks: Tensor) -> Tensor:
        """Standardised outputs.

        Parameters
        ----------
        masks : Tensor, shape (n, rows, columns)
            1 in solid, 0 in fluid.

        Returns
        -------
        Tensor, shape (n, outputs)
        """
        small = nn.functional.adaptive_avg_pool2d(masks.unsqueeze(1), (self.height, masks.shape[2]))
        # A sum of two numbers is the same, to the last bit, in either order.
        seen = (self._seen(small) + self._seen(small.flip(2))) / 2
        solid = masks.mean(dim=(1, 2)).unsqueeze(1)
        out: Tensor = self.dense(torch.cat([seen, solid], dim=1))
        return out

    def _seen(self, x: Tensor) -> Tensor:
        """Means and maxima over the columns, shape (n, 2 width)."""
        for k, plane in enumerate(self.planes):
            # Beyond the walls there is more wall; later channels have no meaning that could be continued.
            x = nn.functional.pad(_around(x), (0, 0, 1, 1), value=0.0 if k else 1.0)
            x = nn.functional.silu(plane(x))
            if x.shape[2] > 1:
                x = nn.functional.avg_pool2d(x, (2, 1))
        line = self.collapse(x.flatten(1, 2))
        for block in self.blocks:
            line = block(line)
        return torch.cat([line.mean(dim=2), line.amax(dim=2)], dim=1)


class _Block(nn.Module):  # type: ignore[misc]
    """A residual convolution along the stream."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.wide = nn.Conv1d(width, width, 3, dilation=dilation)
        self.narrow = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        change = self.wide(_around(nn.functional.silu(x), self.dilation))
        out: Tensor = x + self.narrow(nn.functional.silu(change))
        return out


def _initialise(module: nn.Module) -> None:
    """Weights that keep the size of what passes through (K. He et al., ICCV 2015), and no biases."""
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)


def _around(x: Tensor, by: int = 1) -> Tensor:
    """The same with `by` columns more on either side: the period goes on."""
    return torch.cat([x[..., -by:], x, x[..., :by]], dim=-1)
