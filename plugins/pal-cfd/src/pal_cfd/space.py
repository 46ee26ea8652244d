"""Channels as a space of designs to be searched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Sample

from pal_cfd.channel_options import ChannelOptions
from pal_cfd.geometry import bounds, layout, mask, periodic, problems
from pal_design.space import Space

__all__ = ["ChannelSpace"]


class ChannelSpace(Space):
    """Designs within `pal_cfd.geometry.bounds`; those with problems are not admissible."""

    def __init__(self, options: ChannelOptions) -> None:
        super().__init__(*bounds(options), layout(options), periodic(options) > 0)
        self._options = options

    def admissible(self, vector: NDArray[np.float64]) -> bool:
        """Whether the promoters are apart from walls and from each other, and the walls don't meet."""
        return not problems(vector, self._options)

    def sample(self, vector: NDArray[np.float64]) -> Sample:
        """Mask and design."""
        return {"mask": mask(vector, self._options), "design": np.array(vector, np.float64)}
