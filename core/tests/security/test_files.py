"""Files of a run directory from elsewhere: nothing in them is executed, waited for, or written outside."""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from harm import Harm
from safetensors.numpy import save_file

from pal_core import messages as m
from pal_core.builtin import npz
from pal_core.builtin.observer import read_status
from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.data import Batch, SchemaError
from pal_core.errors import PalError
from pal_core.launch.directory import clear_orphans
from pal_core.launch.names import TOKEN_VARIABLE, read_last_words
from pal_core.launch.processes import LAUNCHER_FILE, Owner
from pal_core.runtime.checkpoint import load_state, round_file, rounds_on_disk, set_directories, set_directory
from pal_core.runtime.snapshots import SetReader, remove_sets
from pal_core.runtime.spool import FOLDER, Spool
from pal_core.transport.wire import MAGIC, Wire, WireError

BOMB = b"[" * 200_000
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="pipes in place of files, and /proc")
pytestmark = pytest.mark.timeout(30)


def test_harm_is_harmful(tmp_path):
    pickle.loads(pickle.dumps(Harm(tmp_path / "done")))  # noqa: S301 - that is what it is for
    assert (tmp_path / "done").exists()


def header(text: bytes, length: int | None = None) -> bytes:
    """A safetensors file of a header only."""
    return struct.pack("<Q", len(text) if length is None else length) + text


@pytest.fixture(params=["pickle", "zip with a pickle", "absurd header", "bomb", "object", "beyond the end", "folder"])
def state(request, pickled) -> bytes | None:
    """Content that is no state; None stands for a folder."""
    if request.param == "zip with a pickle":  # what torch.save writes
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", pickled)
        return file.getvalue()
    tensor = {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}
    return {
        "pickle": pickled,
        "absurd header": header(b"{}", 2**62),
        "bomb": header(b'{"x":' + BOMB),
        "object": header(json.dumps({"x": {**tensor, "dtype": "O"}}).encode()),
        "beyond the end": header(json.dumps({"x": tensor}).encode()),
        "folder": None,
    }[request.param]


def put(path: Path, content: bytes | None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    return path


class TestStates:
    """Weights of rounds, and parts of snapshot sets."""

    def test_weights_that_are_none_are_one_clear_error(self, tmp_path, state):
        path = put(round_file(tmp_path, 0, 1), state)
        with pytest.raises(PalError, match="can't be read: ") as error:
            load_state(path)
        assert str(path) in error.value.message
        assert error.value.hint == "remove it: the run then starts this part anew"

    def test_part_of_a_set_that_is_none_is_one_clear_error(self, tmp_path, state):
        path = put(set_directory(tmp_path, 1) / "generator-0.safetensors", state)
        with pytest.raises(PalError, match="can't be read: ") as error:
            SetReader(tmp_path, 1)
        assert str(path) in error.value.message
        assert error.value.hint == f"see: pal doctor {tmp_path}"

    @pytest.mark.parametrize("notes", [BOMB.decode(), "[]", '{"walker/0": 3}', "null", "\x80\x04."])
    def test_odd_notes_are_one_clear_error(self, tmp_path, notes):
        path = put(set_directory(tmp_path, 1) / "generator-0.safetensors", b"")
        save_file({"walker/0/x": np.zeros(2)}, path, metadata={"notes": notes})
        with pytest.raises(PalError, match="can't be read: "):
            SetReader(tmp_path, 1)

    @LINUX
    def test_pipe_is_not_waited_for(self, tmp_path):
        path = round_file(tmp_path, 0, 1)
        path.parent.mkdir(parents=True)
        os.mkfifo(path)
        with pytest.raises(PalError, match="is no file"):
            load_state(path)

    def test_names_that_are_no_numbers_are_passed_over(self, tmp_path):
        put(round_file(tmp_path, 0, 7), b"")
        for name in ("round-..%2f.safetensors", "round-٣.safetensors", "round--1.safetensors"):
            put(round_file(tmp_path, 0, 7).with_name(name), b"")
        assert rounds_on_disk(tmp_path, 0) == [7]

    def test_old_sets_are_removed_without_following_links(self, tmp_path):
        precious = put(tmp_path / "precious" / "thesis.tex", b"")
        run = tmp_path / "run"
        put(set_directory(run, 1) / "a.safetensors", b"")
        (set_directory(run, 1) / "link").symlink_to(precious.parent)
        set_directory(run, 2).symlink_to(precious.parent)
        assert list(set_directories(run)) == [1]
        remove_sets(run, ())
        assert not set_directory(run, 1).exists()
        assert precious.exists()


@pytest.fixture
def wire() -> Wire:
    return Wire([SAMPLE, LABEL])


def labelled(request=3, attempt=1) -> m.Labelled:
    batch = Batch.from_samples(LABEL, [{"energy": 1.0, "gradient": np.zeros(2)}])
    return m.Labelled(request, attempt, batch, 5.0)


class TestSpool:
    """Labels on their way."""

    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        folder = tmp_path / FOLDER / "level"
        folder.mkdir(parents=True)
        return folder

    def test_what_is_no_label_is_removed(self, tmp_path, folder, wire, pickled):
        contents = [
            pickled,
            BOMB,
            MAGIC + b"\xff\xff\xff\xff",
            bytes(wire.encode("manager", "o", labelled()))[:-8],
            b"",
        ]
        for number, content in enumerate(contents):
            put(folder / f"{number}-1.label", content)
        put(folder / "9-1.label", None)
        assert list(Spool(tmp_path, "level", wire).labels()) == []
        assert [p.name for p in folder.iterdir()] == ["9-1.label"]

    @LINUX
    def test_pipe_is_not_waited_for(self, tmp_path, folder, wire):
        os.mkfifo(folder / "1-1.label")
        assert list(Spool(tmp_path, "level", wire).labels()) == []

    def test_number_that_is_a_path_is_no_label(self, tmp_path, folder, wire):
        precious = put(tmp_path / FOLDER / "precious-1.label", b"")
        put(folder / "1-1.label", bytes(wire.encode("manager", "o", labelled("../precious"))))
        assert list(Spool(tmp_path, "level", wire).labels()) == []
        assert precious.exists()

    def test_label_of_another_sample_than_its_name_says_is_passed_over(self, tmp_path, folder, wire):
        put(folder / "4-1.label", bytes(wire.encode("manager", "o", labelled(3, 1))))
        put(folder / "3-2.label", bytes(wire.encode("manager", "o", labelled(3, 2))))
        assert [(x.request, x.attempt) for _, x in Spool(tmp_path, "level", wire).labels()] == [(3, 2)]


class TestMessages:
    """Bytes from a pipe or a file."""

    @pytest.mark.parametrize(
        "head",
        [
            BOMB,
            b'["Halt","a","b",' + b'{"m":{"x":' * 100_000,
            b'["Saved","a","b",["1",""]]',
            b'["Saved","a","b",[1,{"a":["|O8",[1]]}]]',
            b'["Weights","a","b",[0,1,{"m":{"w":{"a":["<f8",[4611686018427387904]]}}}]]',
            b'["Weights","a","b",[0,1,{"m":{"w":{"a":["<f8",[NaN]]}}}]]',
            b'["Weights","a","b",[0,1,{"m":{"w":{"a":["<f8",[-1]]}}}]]',
            b'["Weights","a","b",[0,1,{"m":{"w":"text"}}]]',
            b'["WalkersEnded","a","b",[["../x"],["r"],false]]',
            b'["Broken","a","b",["k",7,"w","t"]]',
            b'["Finish","a","b",["soon"]]',
            b'["Halt","a","b",[{"m":{"0":true}},0]]',
            b'["__class__","a","b",[]]',
            b'["Saved","a","b",[' + b"9" * 100_000 + b',""]]',
        ],
        ids=range(14),
    )
    def test_odd_ones_are_refused(self, wire, head):
        buffer = MAGIC + struct.pack("<I", len(head)) + head
        with pytest.raises(WireError):
            wire.decode(buffer + bytes(-len(buffer) % 8))

    def test_pickle_is_none(self, wire, pickled):
        with pytest.raises(WireError, match="not a PAL message"):
            wire.decode(pickled)

    def test_field_of_another_type_is_named(self, wire):
        with pytest.raises(WireError, match=r"Labelled with request = '\.\./x', which has another type"):
            wire.decode(wire.encode("a", "b", labelled("../x")))


STATUS = {"phase": "running", "outcome": None, "reason": "", "updated": 1.0, "seconds": 1.0, "members": {}}


@pytest.mark.parametrize(
    "content",
    [
        BOMB,
        b"[]",
        b"\xff\xfe",
        *(
            json.dumps({**STATUS, **wrong}).encode()
            for wrong in (
                {"updated": "now"},
                {"seconds": 1e999},
                {"outcome": 3},
                {"members": {"0": {"version": "1", "metrics": {}}}},
                {"members": {"0": {"version": 1, "metrics": {"loss": "x"}}}},
                {"utilisation": {"oracle": []}},
                {"news": [["x", "y"]]},
                {"rules": []},
            )
        ),
    ],
)
def test_status_of_another_form_is_none(tmp_path, content):
    put(tmp_path / "status.json", content)
    assert read_status(tmp_path) is None


def test_status_that_is_too_large_a_pipe_or_a_folder_is_none(tmp_path):
    with put(tmp_path / "status.json", b"").open("r+b") as file:
        file.truncate(1 << 40)  # takes no room on the disk
    assert read_status(tmp_path) is None
    (tmp_path / "status.json").unlink()
    put(tmp_path / "status.json", None)
    assert read_status(tmp_path) is None


@LINUX
class TestLauncherRecord:
    """Whose processes `pal run` ends is read from a file."""

    MARK = "0123456789abcdef01234567"

    @pytest.fixture
    def foreign(self):
        """A process that has nothing to do with PAL."""
        with subprocess.Popen(["sleep", "60"]) as process:
            yield process
            assert process.poll() is None
            process.kill()

    def record(self, **wrong) -> str:
        sound = {"host": socket.gethostname(), "pid": 2**22 + 1, "started": "1", "token": self.MARK}
        return json.dumps(sound | wrong)

    def test_process_without_the_token_is_left_alone(self, tmp_path, foreign):
        put(tmp_path / LAUNCHER_FILE, self.record(pid=foreign.pid, started="1").encode())
        said = []
        clear_orphans(tmp_path, said.append)
        assert said == []

    @pytest.mark.parametrize(
        "wrong",
        [
            *({"token": t} for t in ("", "x", 7, "a\0PATH=/bin", "0123456789abcdef0123456")),
            *({"pid": p} for p in (-1, 0, 1, "../../etc", True, None)),
            *({"started": 3}, {"host": []}, {"more": 1}),
        ],
    )
    def test_record_of_another_form_is_nobody_s(self, tmp_path, wrong):
        put(tmp_path / LAUNCHER_FILE, self.record(**wrong).encode())
        assert Owner.of(tmp_path) is None

    def test_empty_token_would_have_found_a_process(self, tmp_path):
        """The one whose variable is empty."""
        with subprocess.Popen(["sleep", "60"], env={**os.environ, TOKEN_VARIABLE: ""}) as process:
            put(tmp_path / LAUNCHER_FILE, self.record(token="").encode())
            clear_orphans(tmp_path, print)
            assert process.poll() is None
            process.kill()

    def test_bomb_is_nobody_s_and_no_last_words(self, tmp_path):
        path = put(tmp_path / LAUNCHER_FILE, BOMB)
        assert Owner.of(tmp_path) is None
        assert read_last_words(path) == []


class TestArchive:
    """npz files of `data.initial`."""

    def entries(self, tmp_path) -> dict[str, np.ndarray]:
        batch = Batch.from_samples(SAMPLE, [{"x": np.zeros(2)}])
        npz.write(tmp_path / "sound.npz", batch, [{}])
        with np.load(tmp_path / "sound.npz", allow_pickle=False) as archive:
            return dict(archive)

    def test_pickles_in_every_place_are_refused(self, tmp_path, evidence, pickled):
        harm = np.array([Harm(evidence)], dtype=object)
        for name in (sound := self.entries(tmp_path)):
            np.savez(tmp_path / "bad.npz", **{**sound, name: harm})
            with pytest.raises(SchemaError, match=r"bad\.npz is not an npz file written by PAL"):
                npz.read(tmp_path / "bad.npz", SAMPLE)
        for content in (pickled, BOMB, b""):
            with pytest.raises(SchemaError, match="is not an npz file written by PAL"):
                npz.read(put(tmp_path / "bad.npz", content), SAMPLE)

    @pytest.mark.parametrize("name", ["schema", "origin"])
    def test_json_bomb_is_refused(self, tmp_path, name):
        np.savez(tmp_path / "bad.npz", **{**self.entries(tmp_path), name: np.array(BOMB.decode())})
        with pytest.raises(SchemaError, match="JSON nested too deeply"):
            npz.read(tmp_path / "bad.npz", SAMPLE)

    def test_zip_bomb_is_refused_before_it_is_unpacked(self, tmp_path):
        path = tmp_path / "bomb.npz"
        np.savez(path, **self.entries(tmp_path))
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("columns/y.npy", "w") as entry:
            for _ in range(300):
                entry.write(bytes(1 << 20))
        with pytest.raises(SchemaError, match=r"would unpack to \d{9} bytes, from \d{6}"):
            npz.read(path, SAMPLE)

    def test_column_longer_than_its_bytes_is_refused(self, tmp_path):
        path = tmp_path / "long.npz"
        sound = self.entries(tmp_path)
        del sound["columns/x"]
        np.savez(path, **sound)
        with zipfile.ZipFile(path, "a") as archive, archive.open("columns/x.npy", "w") as entry:
            np.lib.format.write_array_header_1_0(entry, {"descr": "<f8", "fortran_order": False, "shape": (2**50, 2)})
        with pytest.raises(SchemaError, match="is not an npz file written by PAL"):
            npz.read(path, SAMPLE)
