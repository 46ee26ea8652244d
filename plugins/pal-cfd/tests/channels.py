"""Random channels with made-up labels that keep the symmetries: to learn from where no flow is to be solved."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from pal_core.data import Batch

from pal_cfd.channel_options import ChannelOptions
from pal_cfd.geometry import bounds, mask, problems
from pal_cfd.schema import LABEL

SMALL = ChannelOptions(rows=16, columns=32, promoters=1)


def designs(number, options=SMALL, seed=0):
    """Admissible designs, shape (number, parameters)."""
    rng, (low, high), out = np.random.default_rng(seed), bounds(options), []
    while len(out) < number:
        design = rng.uniform(low, high)
        out += [] if problems(design, options) else [design]
    return np.array(out)


def stand_in(picture):
    """Lubrication theory's drag of a film as wide as the fluid, and heat transfer that rises with obstacles' fronts.

    Unchanged by shifts along the stream and by turning the channel upside down; of the size of a flow at Re 400.
    """
    open_share = 1 - picture.mean(axis=0, dtype=float)
    drag = 0.06 * np.mean(open_share**-3)
    steps = np.abs(np.diff(picture.astype(float), axis=1, append=picture[:, :1])).sum(axis=0)
    return {
        "cf": np.array(drag),
        "st": np.array(0.016 * (1 + 0.1 * np.sqrt(np.mean(steps**2)))),
        "unsteady": np.array(False),
    }


@lru_cache
def _rows(number, options, seed):
    rows = []
    for design in designs(number, options, seed):
        picture = mask(design, options)
        rows.append({"mask": picture, "design": design, **stand_in(picture)})
    return rows


def labelled(number, options=SMALL, seed=0):
    """Samples and labels as one batch of their own."""
    return Batch.from_samples(options.sample | LABEL, _rows(number, options, seed))
