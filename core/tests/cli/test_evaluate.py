"""`pal evaluate`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pal_core.builtin import npz
from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.builtin.surface import muller_brown
from pal_core.data import Batch
from pal_core.store.store import Store


@pytest.fixture
def data(tmp_path):
    """Labelled points near the walkers' starts."""
    x = np.random.default_rng(1).normal((-0.5, 1.4), 0.1, (60, 2))
    energy, gradient = muller_brown(x)
    batch = Batch(SAMPLE | LABEL, {"x": x, "energy": energy, "gradient": gradient})
    npz.write(tmp_path / "test.npz", batch, [{}] * 60)
    return tmp_path / "test.npz"


def test_table_has_a_row_for_every_round_and_field(pal, finished, data):
    result = pal("evaluate", str(finished / "toy.toml"), "test.npz")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["round", "labels", "field", "MAE", "RMSE", "largest", "committee", "std", "unit"]
    assert lines[1].split()[:3] == ["1", "12", "energy"]
    assert lines[2].split()[:3] == ["1", "12", "gradient"]
    assert lines[-1] == "60 samples of test.npz"


def test_ends_as_json_and_in_a_file(pal, finished, data, tmp_path):
    result = pal("evaluate", str(finished / "toy.toml"), "test.npz", "--rounds", "ends", "--json", "-o", "errors.json")
    first, last = json.loads(result.stdout)
    assert json.loads((tmp_path / "errors.json").read_text()) == [first, last]
    assert (first["round"], first["labels"], last["labels"]) == (1, 12, 30)
    assert last["errors"]["energy"]["mae"] < first["errors"]["energy"]["mae"]


def test_rounds_by_number(pal, finished, data):
    found = json.loads(pal("evaluate", str(finished / "toy.toml"), "test.npz", "--rounds", "2,1", "--json").stdout)
    assert [f["round"] for f in found] == [2, 1]


@pytest.mark.parametrize(
    ("rounds", "code", "message"),
    [
        ("1,99", 1, "no weights of rounds [99] on disk"),
        ("some", 2, "'some' is neither 'all', 'ends' nor a list of numbers"),
    ],
)
def test_unknown_rounds_are_refused(pal, finished, data, rounds, code, message):
    result = pal("evaluate", str(finished / "toy.toml"), "test.npz", "--rounds", rounds)
    assert result.exit_code == code
    assert message in result.stderr


def test_data_that_cannot_be_read_are_named(pal, finished, tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    result = pal("evaluate", str(finished / "toy.toml"), "bad.npz")
    assert result.exit_code == 1
    assert "error: bad.npz can't be read as npz: " in result.stderr
    (tmp_path / "bad.xyz").touch()
    result = pal("evaluate", str(finished / "toy.toml"), "bad.xyz")
    assert result.exit_code == 2
    assert "no installed format reads bad.xyz" in result.stderr


def test_data_without_samples_are_refused(pal, finished, tmp_path):
    npz.write(tmp_path / "none.npz", Batch.empty(SAMPLE | LABEL), [])
    result = pal("evaluate", str(finished / "toy.toml"), "none.npz")
    assert result.exit_code == 1
    assert "none.npz holds no samples" in result.stderr


def test_run_without_trained_rounds_says_so(pal, toy, data, tmp_path):
    store = Store(tmp_path / "run", write=True)
    store.open_session("{}", {})
    store.close()
    result = pal("evaluate", "toy.toml", "test.npz")
    assert result.exit_code == 1
    assert "has no trained weights yet" in result.stderr
    assert "let the run train a round first" in result.stderr
