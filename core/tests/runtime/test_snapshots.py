"""Snapshot sets on disk: parts, readers, what is kept, and which set a run goes on from."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from worlds import make_setup

from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.errors import PalError
from pal_core.runtime import snapshots
from pal_core.runtime.checkpoint import round_file, save_state, set_directory
from pal_core.runtime.past import newest_set
from pal_core.runtime.snapshots import Saver, SetReader, remove_sets, write_part
from pal_core.runtime.weights import Held, newest_weights
from pal_core.store.store import FILE_NAME, Store


def walkers(*indices: int, count: int = 0):
    return {f"walker/{i}": {"x": np.array([i, count]), "step": np.array(count)} for i in indices}


class TestParts:
    """What hosts write, any rank can read."""

    def test_states_and_notes_of_all_hosts_come_back_under_their_kernels_names(self, tmp_path):
        write_part(tmp_path, 3, "generator/0", walkers(0, 1, count=5), {})
        write_part(tmp_path, 3, "training/1", {"member/2": {"w": np.ones(3)}}, {"member/2": {"epoch": 7}})
        past = SetReader(tmp_path, 3)
        assert past.state("walker/1")["x"].tolist() == [1, 5]
        np.testing.assert_array_equal(past.state("member/2")["w"], np.ones(3), strict=True)
        assert past.notes("member/2") == {"epoch": 7}
        assert past.notes("walker/0") == {}

    def test_other_hosts_find_their_walkers_whoever_wrote_them(self, tmp_path):
        write_part(tmp_path, 1, "generator/0", walkers(0, 1, 2), {})
        write_part(tmp_path, 1, "generator/1", walkers(3, 4, 5), {})
        past = SetReader(tmp_path, 1)
        assert [int(past.state(f"walker/{i}")["x"][0]) for i in (2, 3)] == [2, 3]  # of one host now
        assert past.state("walker/6") is None  # there are more walkers now

    def test_walker_1_is_not_a_part_of_walker_10(self, tmp_path):
        write_part(tmp_path, 1, "generator/0", walkers(1, 10), {})
        assert sorted(SetReader(tmp_path, 1).state("walker/1")) == ["step", "x"]

    def test_names_of_arrays_may_have_slashes(self, tmp_path):
        state = {"layers/0/weight": np.ones(2), "layers/1/weight": np.zeros(2)}
        write_part(tmp_path, 1, "training/0", {"member/0": state}, {})
        found = SetReader(tmp_path, 1).state("member/0")
        assert found.keys() == state.keys()

    def test_no_set_holds_nothing(self, tmp_path):
        past = SetReader(tmp_path, 0)
        assert past.state("walker/0") is None
        assert past.notes("walker/0") == {}

    def test_temporary_files_are_no_parts(self, tmp_path):
        write_part(tmp_path, 1, "generator/0", walkers(0), {})
        (set_directory(tmp_path, 1) / ".generator-1.safetensors.123").write_bytes(b"half")
        assert SetReader(tmp_path, 1).state("walker/0") is not None

    @pytest.mark.parametrize("damage", [b"", b"nothing of the kind", b"\xff" * 64])
    def test_damaged_part_is_named(self, tmp_path, damage):
        write_part(tmp_path, 1, "generator/0", walkers(0), {})
        (set_directory(tmp_path, 1) / "generator-0.safetensors").write_bytes(damage)
        with pytest.raises(PalError, match=r"000001/generator-0.safetensors can't be read: .*; see: pal doctor"):
            SetReader(tmp_path, 1)

    def test_other_sets_are_removed(self, tmp_path):
        for number in (1, 2, 3, 12):
            write_part(tmp_path, number, "generator/0", walkers(0), {})
        (tmp_path / "snapshots" / "notes of mine").mkdir()
        remove_sets(tmp_path, (2, 12))
        assert sorted(p.name for p in (tmp_path / "snapshots").iterdir()) == ["000002", "000012", "notes of mine"]

    def test_nothing_is_removed_where_there_is_nothing(self, tmp_path):
        remove_sets(tmp_path, ())
        assert list(tmp_path.iterdir()) == []


class TestSaver:
    """Parts are written by a thread."""

    def test_news_come_once_after_the_part_is_on_disk(self, tmp_path):
        saver = Saver(tmp_path, "generator/0")
        assert saver.finished() is None
        saver.start(4, walkers(0), {})
        assert saver.finished(wait=True) == (4, "")
        assert SetReader(tmp_path, 4).state("walker/0") is not None
        assert saver.finished() is None

    def test_host_goes_on_while_the_disk_is_slow(self, tmp_path, monkeypatch):
        disk = threading.Event()
        monkeypatch.setattr(snapshots, "save_state", lambda *args: disk.wait(10))
        saver = Saver(tmp_path, "generator/0")
        saver.start(4, walkers(0), {})
        assert saver.finished() is None
        disk.set()
        assert saver.finished(wait=True) == (4, "")

    def test_disk_that_never_answers_is_not_waited_for_without_end(self, tmp_path, monkeypatch):
        disk = threading.Event()
        monkeypatch.setattr(snapshots, "save_state", lambda *args: disk.wait(10))
        monkeypatch.setattr(snapshots, "WAIT_LIMIT", 0.05)
        saver = Saver(tmp_path, "generator/0")
        saver.start(4, walkers(0), {})
        assert saver.finished(wait=True) == (4, "it wasn't written within 0.05 s")
        monkeypatch.undo()
        saver.start(5, walkers(0), {})
        disk.set()
        assert saver.finished(wait=True) == (5, "")

    def test_part_that_cannot_be_written_is_told_with_the_reason(self, tmp_path, monkeypatch):
        def full(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(snapshots, "save_state", full)
        saver = Saver(tmp_path, "generator/0")
        saver.start(4, walkers(0), {})
        assert saver.finished(wait=True) == (4, "OSError: [Errno 28] No space left on device")
        monkeypatch.undo()
        saver.start(5, walkers(0), {})
        assert saver.finished(wait=True) == (5, "")


class TestNewestSet:
    """Only committed sets count, and of those the newest that can be read."""

    @pytest.fixture
    def store(self, tmp_path):
        store = Store(tmp_path, write=True)
        store.agree(SAMPLE, LABEL)
        yield store
        store.close()

    def write(self, store, folder, *numbers: int) -> None:
        for number in numbers:
            write_part(folder, number, "generator/0", walkers(0, count=number), {})
            store.add_set(number, {})
        store.commit()

    def test_no_run_has_no_set(self, tmp_path):
        assert newest_set(tmp_path) == 0
        assert list(tmp_path.iterdir()) == []

    def test_set_that_was_never_committed_does_not_count(self, store, tmp_path):
        assert newest_set(tmp_path) == 0
        self.write(store, tmp_path, 1, 2)
        write_part(tmp_path, 3, "generator/0", walkers(0), {})
        assert newest_set(tmp_path) == 2

    def test_older_set_serves_where_the_newer_is_damaged(self, store, tmp_path, caplog):
        self.write(store, tmp_path, 1, 2)
        (set_directory(tmp_path, 2) / "generator-0.safetensors").write_bytes(b"half")
        assert newest_set(tmp_path) == 1
        assert "000002/generator-0.safetensors can't be read" in caplog.text
        (set_directory(tmp_path, 1) / "generator-0.safetensors").write_bytes(b"half")
        assert newest_set(tmp_path) == 0

    def test_unreadable_store_is_left_to_the_writer(self, tmp_path):
        (tmp_path / FILE_NAME).write_bytes(b"nothing of the kind" * 100)
        assert newest_set(tmp_path) == 0


class TestNewestWeights:
    """Of a round on disk, or of the set, whichever is newer."""

    def setup(self, folder, version: int | None, **run):
        setup = make_setup(folder, run=run)
        if version is None:
            return setup
        states, notes = {"weights/0": {"n": np.array(version)}}, {"weights/0": {"version": version}}
        write_part(setup.directory, 1, "training/0", states, notes)
        return replace(setup, set=1)

    def held(self, found: Held) -> tuple[float | None, int]:
        return None if found.weights is None else float(found.weights["n"]), found.version

    def test_nothing_before_any_training(self, tmp_path):
        assert newest_weights(self.setup(tmp_path, None), 0) == Held(None, 0)

    @pytest.mark.parametrize(("version", "wanted"), [(None, 20), (15, 20), (20, 20), (25, 25)])
    def test_newer_ones_are_taken(self, tmp_path, version, wanted):
        setup = self.setup(tmp_path, version)
        for number in (1, 2):
            state = {"n": np.array(10 * number)}
            save_state(round_file(setup.directory, 0, number), state, {"version": str(10 * number)})
        assert self.held(newest_weights(setup, 0)) == (wanted, wanted)
        assert newest_weights(setup, 1) == Held(None, 0)

    def test_run_that_repeats_itself_takes_those_of_the_set(self, tmp_path):
        setup = replace(self.setup(tmp_path, 15), repeats=True)
        save_state(round_file(setup.directory, 0, 2), {"n": np.array(20)}, {"version": "20"})
        assert self.held(newest_weights(setup, 0)) == (15, 15)
        assert newest_weights(replace(setup, set=0), 0) == Held(None, 0)
