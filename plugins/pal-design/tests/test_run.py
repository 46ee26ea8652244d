"""A whole run in one process, with toys of the core for everything else."""

from __future__ import annotations

import numpy as np
from pal_core import api


def test_swarm_finds_the_lowest_minimum_of_a_learned_surface(tmp_path):
    result = api.run(
        {
            "run": {"directory": str(tmp_path / "run"), "seed": 2, "schedule": "serial", "batching": "all"},
            "generator": {
                "kernel": "design.swarm",
                "walkers": 2,
                "options": {
                    "field": "x",
                    "lower": [-1.5, -0.2],
                    "upper": [0.9, 1.9],
                    "minimise": ["energy"],
                    "particles": 8,
                    "stall": 8,
                    "longest": 20,
                },
            },
            "model": {"kernel": "pal.toy-model", "members": 2, "options": {"epochs": 3}},
            "training": {"retrain_after": 10, "final_time": 5},
            "oracle": {"kernel": "pal.toy-oracle", "isolate": False},
            "selection": {"options": {"field": "energy", "upper": 5.0}},
            "data": {"bootstrap": 16},
            "stop": {"labels": 90},
        }
    )
    found = result.dataset()
    best = found.columns["energy"].argmin()
    # The deepest minimum of the Müller-Brown surface: -146.7 at (-0.558, 1.442).
    assert found.columns["energy"][best] < -140
    np.testing.assert_allclose(found.columns["x"][best], [-0.558, 1.442], atol=0.1)
