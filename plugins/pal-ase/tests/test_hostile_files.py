"""Structures and labelled samples from elsewhere: nothing in them is executed."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
import sqlite3
import sys
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from ase.build import molecule
from ase.io.formats import ioformats
from pal_core.errors import PalError

from pal_ase.formats import ase_db, extxyz
from pal_ase.formats.extxyz import STRUCTURES, read_images
from pal_ase.schema import SAMPLE

pytestmark = pytest.mark.timeout(60)
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


class Harm:
    """Unpickling it creates a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def pickled(tmp_path):
    yield pickle.dumps(Harm(tmp_path / "evidence"))
    assert not (tmp_path / "evidence").exists()


@pytest.mark.parametrize("name", ["x.xyz", "x.extxyz", "x.traj", "x.json", "x.db", "x.cif", "POSCAR", "x.gpw", "x"])
@pytest.mark.parametrize("start", [b"", b"3\n", b"- of UlmASE-Trajectory", b"AFFormatGPAW", b"PickleTrajectory"])
def test_pickle_is_executed_under_no_name(tmp_path, pickled, name, start):
    (tmp_path / name).write_bytes(start + pickled)
    with pytest.raises(PalError, match=re.escape(str(tmp_path / name))):
        read_images(tmp_path / name)


@pytest.mark.parametrize(
    "comment", ["Properties=species:S:1:pos:R:3 x=_JSON " + "[" * 100_000, "Lattice=" + "9" * 10_000]
)
def test_odd_comments_of_extxyz_are_one_clear_error_or_mere_text(tmp_path, comment):
    path = tmp_path / "odd.extxyz"
    path.write_text(f"1\n{comment}\nH 0 0 0\n")
    with contextlib.suppress(PalError):
        assert len(read_images(path)[0]) == 1


def test_absurd_number_of_atoms_is_one_clear_error(tmp_path):
    path = tmp_path / "odd.extxyz"
    for number in (999999999999999, 10**40, 2):
        path.write_text(f"1\n\nH 0 0 0\n{number}\n\nH 0 0 0\n")
        with pytest.raises(PalError, match=re.escape(f"{path} can't be read")):
            extxyz.read(path, SAMPLE)


def test_folder_pipe_and_missing_file_are_none(tmp_path):
    (tmp_path / "states").mkdir()
    if sys.platform == "linux":
        os.mkfifo(tmp_path / "pipe.xyz")
    for name in ("states", "pipe.xyz", "missing.xyz"):
        with pytest.raises(PalError, match="there is no file"):
            read_images(tmp_path / name)


def test_format_that_is_not_read_says_what_to_do(tmp_path):
    (tmp_path / "x.gpw").write_bytes(b"- of UlmGPAW" + bytes(100))
    with pytest.raises(PalError, match="ASE's format 'gpw', which is not read here; make another of it: ase convert"):
        read_images(tmp_path / "x.gpw")


def test_names_that_mean_servers_or_frames_to_ase_are_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("postgres.xyz", "mysql@1.xyz"):
        ase.io.write(tmp_path / "start.extxyz", [molecule("H2"), molecule("H2O")])
        (tmp_path / "start.extxyz").rename(tmp_path / name)
        assert [len(a) for a in read_images(Path(name))] == [2, 3]


def test_formats_are_ase_s_and_the_ones_in_readme():
    assert {name for name, f in ioformats.items() if f.can_read} >= STRUCTURES
    listed = README.split("### Formats of structures\n", 1)[1].partition(". The file tells")[0]
    assert set(re.findall(r"`([^`]+)`", listed)) == STRUCTURES
    assert not STRUCTURES & {"postgresql", "mysql", "bundletrajectory", "gpw", "netcdftrajectory", "eon"}


def test_odd_constraint_in_a_database_is_one_clear_error(tmp_path):
    path = tmp_path / "x.db"
    with ase.db.connect(path, use_lock_file=False) as database:
        database.write(molecule("H2"))
    harm = [{"name": "os.system", "kwargs": {"command": "true"}}]
    with sqlite3.connect(path) as db:
        db.execute("UPDATE systems SET constraints = ?", [json.dumps(harm)])
    db.close()
    for read in (lambda: ase_db.read(path, SAMPLE), lambda: read_images(path)):
        with pytest.raises(PalError, match=re.escape(f"{path} can't be read by ASE")):
            read()


def test_arrays_of_objects_in_a_trajectory_are_none(tmp_path):
    path = tmp_path / "x.traj"
    ase.io.write(path, molecule("H2"))
    content = path.read_bytes()
    assert b'"float64"' in content
    path.write_bytes(content.replace(b'"float64"', b'"object" '))
    with pytest.raises(PalError, match="can't be read by ASE"):
        np.asarray(read_images(path)[0].positions)
