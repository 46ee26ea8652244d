"""The explorers in whole runs: engine, committee and walkers, in one process."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from pal_core import api
from surfaces import MINIMA, SADDLE_ENERGIES, on_surface

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


def test_transition_states_are_found_through_the_engine_in_bands(tmp_path):
    """Two walkers, two reactions; with second derivatives and both ways down."""
    pairs = [on_surface(*MINIMA[k]) for k in (0, 2, 2, 1)]
    write(tmp_path / "pairs.traj", pairs)
    fields = {"structure": "pairs.traj", "pairs": True, "isolated": 0, "spread": 0, "closest": 0, "confirm": 0}
    fine = {"longest": 0.1, "fmax": 0.001, "displacement": 0.001, "irc_step": 0.03, "images": 9}
    settings = {
        "run": {"directory": "run", "seed": 3, "batching": "all"},
        "generator": {"kernel": "ase.ts-search", "walkers": 2, "options": fields | fine},
        "model": {"kernel": f"{HERE}/committee_model.py:Map", "members": 2, "trained": True},
        "selection": {"kernel": "pal.threshold", "options": {"field": "energy", "upper": 10.0}},
    }
    result = api.run(settings, base=tmp_path)
    assert (result.outcome, result.reason) == ("done", "2 of 2 walkers ended (1 jobs done)")
    files = [tmp_path / "run" / "transition-states" / f"walker-{k:03d}.json" for k in range(2)]
    found = [json.loads(file.read_text())[0] for file in files]
    # The middle of both members lies 0.01 eV above the map, the deviation of two is the difference over the root of 2.
    np.testing.assert_allclose([r["energy"] for r in found], SADDLE_ENERGIES + 0.01, atol=1e-4)
    np.testing.assert_allclose([r["energy_std"] for r in found], 0.02 / np.sqrt(2), atol=1e-9)
    assert [r["connects"] for r in found] == [True, True]
