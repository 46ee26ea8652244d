"""Labelled samples in npz archives."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pal_core.builtin import npz
from pal_core.data import Batch, Field, Schema, SchemaError

SCHEMA = Schema(
    [
        Field("numbers", "int32", ("atoms",)),
        Field("positions", "float64", ("atoms", 3), "Å"),
        Field("periodic", "bool", (3,)),
        Field("energy", "float32", (), "eV"),
    ]
)


@pytest.fixture
def batch():
    columns = {
        "numbers": [8, 1, 1],
        "positions": np.arange(9.0).reshape(3, 3),
        "periodic": [[True, False, True], [False] * 3, [True] * 3],
        "energy": np.array([1.5, np.nan, -np.inf], np.float32),
    }
    return Batch(SCHEMA, columns, [0, 3, 3, 3])


def test_what_is_written_is_read(batch, tmp_path):
    path = tmp_path / "labels.npz"
    npz.write(path, batch, [{"label": i} for i in range(3)])
    assert list(tmp_path.iterdir()) == [path]
    found = npz.read(path, SCHEMA)
    assert found.schema == SCHEMA
    np.testing.assert_array_equal(found.offsets, batch.offsets)
    for name, column in batch.columns.items():
        assert found.columns[name].dtype == column.dtype
        np.testing.assert_array_equal(found.columns[name], column)


@pytest.mark.parametrize("schema", [SCHEMA, SCHEMA.pick(["energy"]), Schema()])
def test_no_samples_and_no_fields_come_back_as_such(schema, tmp_path):
    npz.write(tmp_path / "a.npz", Batch.empty(schema), [])
    found = npz.read(tmp_path / "a.npz", schema)
    assert (found.schema, len(found)) == (schema, 0)


def test_some_columns_can_be_read_in_another_order_and_type(batch, tmp_path):
    npz.write(tmp_path / "a.npz", batch, [{}] * 3)
    wanted = Schema([Field("energy", "float64", (), "eV"), Field("numbers", "int64", ("atoms",))])
    found = npz.read(tmp_path / "a.npz", wanted)
    assert list(found.columns) == ["energy", "numbers"]
    assert found.columns["energy"].dtype == np.float64
    assert npz.read(tmp_path / "a.npz", SCHEMA.pick(["energy"])).offsets is None


def test_archive_needs_no_pickle_and_keeps_origin(batch, tmp_path):
    origin = [{"walker": 3, "oracle": "xtb.gfn2"}, {"file": "Å.xyz"}, {}]
    npz.write(tmp_path / "a.npz", batch, iter(origin))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert json.loads(str(archive["origin"])) == origin
        assert Schema.from_json(json.loads(str(archive["schema"]))) == SCHEMA
        assert all(archive[name].dtype.kind in "biufU" for name in archive.files)


def test_origin_must_match_the_samples(batch, tmp_path):
    with pytest.raises(SchemaError, match="2 records of origin for 3 samples"):
        npz.write(tmp_path / "a.npz", batch, [{}, {}])
    assert list(tmp_path.iterdir()) == []


def test_interrupted_write_leaves_the_old_file(batch, tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    npz.write(path, batch, [{}] * 3)

    def interrupt(file, **entries):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", interrupt)
    with pytest.raises(OSError, match="disk full"):
        npz.write(path, batch.slice(0, 1), [{}])
    assert len(npz.read(path, SCHEMA)) == 3


@pytest.mark.parametrize(
    ("field", "complaint"),
    [
        (Field("forces", "float64", ("atoms", 3), "eV/Å"), r"has no field forces .*there are: numbers, positions, "),
        (Field("energy", "float64", (), "Ha"), r"energy float64\(\) \[Ha\] is wanted, energy float32\(\) \[eV\] is"),
        (Field("periodic", "bool", ()), r"periodic bool\(\) is wanted, periodic bool\(3\) is there"),
    ],
)
def test_field_that_does_not_fit_is_named(field, complaint, batch, tmp_path):
    npz.write(tmp_path / "a.npz", batch, [{}] * 3)
    with pytest.raises(SchemaError, match=complaint) as caught:
        npz.read(tmp_path / "a.npz", Schema([field]))
    assert "a.npz" in str(caught.value)


def foreign(path):
    np.savez(path, energy=np.zeros(3))


def pickled(path):
    np.savez(path, schema=np.array([{}], object), allow_pickle=True)


def text(path):
    path.write_text("3\nwater\nO 0 0 0")


def truncated(path):
    npz.write(path, Batch(SCHEMA.pick(["energy"]), {"energy": np.zeros(1000)}), [{}] * 1000)
    path.write_bytes(path.read_bytes()[:500])


@pytest.mark.parametrize("make", [foreign, pickled, text, truncated])
def test_other_files_are_refused_by_name(make, tmp_path):
    make(tmp_path / "a.npz")
    with pytest.raises(SchemaError, match=r"a\.npz is not an npz file written by PAL: ."):
        npz.read(tmp_path / "a.npz", SCHEMA)


def test_missing_file_is_reported_as_such(tmp_path):
    with pytest.raises(FileNotFoundError):
        npz.read(tmp_path / "none.npz", SCHEMA)
