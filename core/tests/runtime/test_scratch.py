"""Scratch directories: emptied, measured, kept."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pal_core.runtime import scratch as module
from pal_core.runtime.scratch import empty, keep_scratch, kept_path, usage


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch/oracle-0"
    empty(folder)
    return folder


def test_empty_makes_the_directory(tmp_path):
    empty(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_empty_follows_no_link(scratch, tmp_path):
    (tmp_path / "precious").touch()
    scratch.rmdir()
    scratch.symlink_to(tmp_path)
    empty(scratch)
    assert (tmp_path / "precious").exists()
    assert not scratch.is_symlink()
    assert scratch.is_dir()


def test_empty_replaces_a_file(scratch):
    scratch.rmdir()
    scratch.touch()
    empty(scratch)
    assert scratch.is_dir()


def test_usage_is_what_the_disk_gives(scratch):
    (scratch / "folder").mkdir()
    (scratch / "folder/file").write_bytes(bytes(100_000))
    with (scratch / "sparse").open("wb") as file:
        file.truncate(10**12)
    assert 100_000 <= usage(scratch) < 200_000
    assert usage(scratch / "nowhere") == 0


def test_directory_is_kept_under_sample_and_attempt(scratch, tmp_path):
    (scratch / "folder").mkdir()
    (scratch / "folder/file").write_text("how it came about")
    kept = kept_path(tmp_path, 12, 3)
    assert kept == tmp_path / "quarantine/12-3"
    assert keep_scratch(scratch, kept, 10_000)
    assert (kept / "folder/file").read_text() == "how it came about"
    assert not scratch.exists()


def test_nothing_is_kept_of_an_empty_directory_nor_with_a_limit_of_zero(scratch, tmp_path):
    assert not keep_scratch(scratch, kept_path(tmp_path, 1, 1), 10_000)
    (scratch / "file").touch()
    assert not keep_scratch(scratch, kept_path(tmp_path, 1, 1), 0)
    assert not (tmp_path / "quarantine").exists()


def test_largest_files_are_left_out_and_named(scratch, tmp_path):
    for size in (1_000, 20_000, 40_000, 80_000):
        (scratch / f"of-{size}").write_bytes(bytes(size))
    os.mkfifo(scratch / "fifo")
    kept = kept_path(tmp_path, 1, 1)
    assert keep_scratch(scratch, kept, 70_000)
    assert sorted(p.name for p in kept.iterdir()) == ["LEFT-OUT.txt", "of-1000", "of-20000", "of-40000"]
    assert (kept / "LEFT-OUT.txt").read_text() == "fifo: 0 bytes\nof-80000: 80000 bytes\n"


@pytest.mark.parametrize(("limit", "directories"), [(8_000, 3), (10**6, 2)])
def test_oldest_directories_go_when_there_are_too_many_or_too_large(scratch, tmp_path, monkeypatch, limit, directories):
    monkeypatch.setattr(module, "KEPT_SAMPLES", 1.6)  # of 4096 or 8192 bytes each
    monkeypatch.setattr(module, "KEPT_DIRECTORIES", directories)
    for number in range(6):
        empty(scratch)
        (scratch / "file").write_bytes(bytes(4_000))
        os.utime(scratch, (number, number))
        keep_scratch(scratch, kept_path(tmp_path, number, 1), limit)
    left = sorted(p.name for p in (tmp_path / "quarantine").iterdir())
    assert left == [f"{n}-1" for n in range(6 - min(directories, int(1.6 * limit) // 4096), 6)]


def test_name_of_the_list_of_files_left_out_may_not_lead_elsewhere(tmp_path):
    scratch, precious = tmp_path / "scratch", tmp_path / "precious"
    scratch.mkdir()
    precious.write_text("thesis")
    (scratch / "large").write_bytes(bytes(100_000))
    (scratch / "LEFT-OUT.txt").symlink_to(precious)
    assert keep_scratch(scratch, kept_path(tmp_path, 1, 1), 10_000)
    assert precious.read_text() == "thesis"
    assert "large" in (kept_path(tmp_path, 1, 1) / "LEFT-OUT.txt").read_text()


def test_scratch_that_was_made_a_link_is_neither_measured_nor_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "large").write_bytes(bytes(100_000))
    (tmp_path / "scratch").symlink_to(outside)
    assert usage(tmp_path / "scratch") == 0


def test_links_are_kept_as_they_are(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "pseudo").symlink_to("/")
    (scratch / "passwd").symlink_to("/etc/passwd")
    kept = kept_path(tmp_path, 1, 1)
    assert keep_scratch(scratch, kept, 10_000)
    assert (kept / "pseudo").is_symlink()
    assert (kept / "passwd").is_symlink()


def test_folders_in_folders_in_folders_are_emptied(tmp_path):
    scratch, depth = tmp_path / "scratch", 1700
    scratch.mkdir()
    code = (
        "import os, sys\nos.chdir(sys.argv[1])\nfor _ in range(int(sys.argv[2])):\n    os.mkdir('d')\n    os.chdir('d')"
    )
    subprocess.run([sys.executable, "-c", code, str(scratch), str(depth)], check=True)
    usage(scratch)
    empty(scratch)
    assert list(scratch.iterdir()) == []
