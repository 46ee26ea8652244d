"""States on disk."""

from __future__ import annotations

import numpy as np
import pytest

from pal_core.errors import PalError
from pal_core.runtime import checkpoint
from pal_core.runtime.checkpoint import (
    load_state,
    prune_rounds,
    round_file,
    rounds_on_disk,
    save_state,
)


def test_arrays_and_notes_come_back_as_they_were(tmp_path):
    state = {
        "scalar": np.array(2.5),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "strided": np.arange(10, dtype=np.int32)[::3],
        "flags": np.array([True, False]),
        "empty": np.empty((0, 3)),
        "words": np.array([2**63], np.uint64),
    }
    save_state(tmp_path / "a" / "state", state, {"version": "3"})
    found, notes = load_state(tmp_path / "a" / "state")
    assert notes == {"version": "3"}
    assert found.keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(found[name], value, strict=True)


def test_new_state_replaces_the_old_one_and_leaves_nothing_else(tmp_path):
    for number in (1, 2):
        save_state(tmp_path / "state", {"n": np.array(number)})
    assert load_state(tmp_path / "state")[0]["n"] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_failed_write_keeps_the_old_state_and_leaves_nothing_else(tmp_path, monkeypatch):
    save_state(tmp_path / "state", {"n": np.array(1)})

    def full(arrays, path, metadata):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        save_state(tmp_path / "state", {"n": np.array(2)})
    assert load_state(tmp_path / "state")[0]["n"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("damage", [b"", b"nothing of the kind", None])
def test_damaged_file_is_named_with_what_to_do(tmp_path, damage):
    path = tmp_path / "state"
    save_state(path, {"n": np.arange(1000.0)})
    path.write_bytes(path.read_bytes()[:500] if damage is None else damage)
    with pytest.raises(PalError, match=r"state can't be read: .*; remove it: the run then starts this part anew"):
        load_state(path)


def test_missing_file_is_not_called_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_state(tmp_path / "state")


def fill(folder, numbers):
    for number in numbers:
        save_state(round_file(folder, 0, number), {"n": np.array(number)}, {"version": str(10 * number)})


def test_rounds_on_disk_are_those_of_the_member_in_order_without_temporary_files(tmp_path):
    fill(tmp_path, [10, 2, 1])
    folder = round_file(tmp_path, 0, 1).parent
    (folder / ".round-00011.safetensors.123").touch()
    assert rounds_on_disk(tmp_path, 0) == [1, 2, 10]
    assert rounds_on_disk(tmp_path, 1) == []


@pytest.mark.parametrize(
    ("keep", "left"),
    [(1, [9]), (2, [1, 9]), (3, [1, 8, 9]), *((n, [1, 2, 3, 8, 9]) for n in (5, 6, 7, 8, 9, 20))],
)
def test_first_and_newest_rounds_are_kept(tmp_path, keep, left):
    fill(tmp_path, [1, 2, 3, 8, 9])
    prune_rounds(tmp_path, 0, keep)
    assert rounds_on_disk(tmp_path, 0) == left


def test_single_round_is_kept(tmp_path):
    fill(tmp_path, [4])
    for keep in (1, 2):
        prune_rounds(tmp_path, 0, keep)
        assert rounds_on_disk(tmp_path, 0) == [4]
