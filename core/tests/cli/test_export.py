"""`pal export`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pal_core.builtin import npz
from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.builtin.surface import muller_brown
from pal_core.store.store import Store


def test_format_is_known_by_the_files_ending(pal, finished, tmp_path):
    result = pal("export", str(finished / "toy.toml"), "-o", "labels.npz")
    assert result.exit_code == 0, result.output
    assert result.stdout == "30 labelled samples in labels.npz\n"
    batch = npz.read(tmp_path / "labels.npz", SAMPLE | LABEL)
    np.testing.assert_allclose(batch.columns["energy"], muller_brown(batch.columns["x"])[0])
    with np.load(tmp_path / "labels.npz") as archive:
        origin = json.loads(str(archive["origin"]))
    assert {o["origin"] for o in origin} == {"bootstrap", "active"}
    assert origin[0]["oracle"] == "pal.toy-oracle"


def test_named_format_goes_to_the_run_by_default(pal, finished):
    result = pal("export", str(finished / "run"), "--format", "npz")
    assert result.exit_code == 0
    assert (finished / "run/labels.npz").exists()
    (finished / "run/labels.npz").unlink()


def test_file_is_not_overwritten_unasked(pal, finished, tmp_path):
    (tmp_path / "labels.npz").write_text("precious")
    refused = pal("export", str(finished / "run"), "-o", "labels.npz")
    assert refused.exit_code == 1
    assert "labels.npz exists" in refused.stderr
    assert "name another with --output, or overwrite it with --force" in refused.stderr
    assert (tmp_path / "labels.npz").read_text() == "precious"
    assert pal("export", str(finished / "run"), "-o", "labels.npz", "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which format?"),
        (["-o", "labels.xyz"], "no format writes labels.xyz"),
        (["--format", "npy"], "no installed plugin has a format 'npy'"),
    ],
)
def test_unknown_format_lists_the_known_ones(pal, finished, arguments, message):
    result = pal("export", str(finished / "run"), *arguments)
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert "npz" in result.stderr


def test_place_that_cannot_be_written_to_is_named(pal, finished):
    result = pal("export", str(finished / "run"), "-o", "no/such/folder/labels.npz")
    assert result.exit_code == 1
    assert "error: no/such/folder/labels.npz can't be written as npz: " in result.stderr


def test_run_without_labels_is_not_exported(pal, tmp_path):
    store = Store(tmp_path / "run", write=True)
    store.agree(SAMPLE, LABEL)
    store.close()
    result = pal("export", "run", "-o", "labels.npz")
    assert result.exit_code == 1
    assert "run holds no labels yet" in result.stderr
    assert not (tmp_path / "labels.npz").exists()


def test_classes_can_be_chosen(pal, finished, tmp_path):
    result = pal("export", str(finished / "run"), "-o", "some.npz", "--class", "bootstrap")
    assert result.stdout == "12 labelled samples in some.npz\n"
    result = pal("export", str(finished / "run"), "-o", "all.npz", "--class", "bootstrap", "--class", "active")
    assert result.stdout == "30 labelled samples in all.npz\n"
    with np.load(tmp_path / "some.npz") as archive:
        assert {o["origin"] for o in json.loads(str(archive["origin"]))} == {"bootstrap"}


def test_class_without_samples_is_told(pal, finished):
    result = pal("export", str(finished / "run"), "-o", "none.npz", "--class", "audit")
    assert result.exit_code == 1
    assert "holds no labels of class audit" in result.stderr
