"""The explorers in whole runs: engine, committee and walkers, in one process."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from pal_core import api

HERE = Path(__file__).parent


@pytest.fixture
def explore(tmp_path):
    def run(kernel, walkers=3, name="run", **options):
        write(tmp_path / "start.extxyz", [Atoms("Li2", [[0, 0, 0], [0, 0, z]]) for z in (3.0, 2.9, 3.1, 2.95, 3.05)])
        fields = {"isolated": 0, "spread": 0, "trajectory": 1, "structure": "start.extxyz", **options}
        settings = {
            "run": {"directory": name, "seed": 3},
            "generator": {"kernel": kernel, "walkers": walkers, "options": fields},
            "model": {"kernel": f"{HERE}/committee_model.py:Member", "members": 2, "trained": True},
            "selection": {"kernel": "pal.threshold", "options": {"field": "energy", "upper": 10.0}},
        }
        result = api.run(settings, base=tmp_path)
        assert result.outcome == "done"
        files = sorted((tmp_path / name / "trajectories").glob("*.extxyz"))
        return [ase.io.read(file, ":") for file in files]

    return run


def test_walkers_of_a_run_deal_the_list_out_among_themselves(explore):
    found = explore("ase.verlet", steps=4, jobs="list", temperature=1)
    assert [len(frames) for frames in found] == [10, 10, 5]
    starts = [frames[k].get_distance(0, 1) for frames in found for k in range(0, len(frames), 5)]
    np.testing.assert_allclose(starts, [3.0, 2.95, 2.9, 3.05, 3.1])


def test_bias_to_uncertainty_gets_the_members_disagreement_through_the_engine(explore):
    """Without the bias a twentieth of the frames is as far out."""
    bias = {"depth": 0.3, "width": 0.02}
    found = explore("ase.biased-md", walkers=2, uncertainty=bias, steps=160, timestep=5.0, friction=0.02)
    assert np.mean([f.get_distance(0, 1) > 3.3 for frames in found for f in frames[40:]]) > 0.4
