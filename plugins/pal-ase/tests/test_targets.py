from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pal_ase.targets import load, spelled


def test_module_keeps_its_name_when_settings_made_it_a_path():
    assert spelled(Path("/settings/ase.calculators.emt:EMT")) == ("ase.calculators.emt", "EMT")
    assert spelled(Path("/settings/my.py:f")) == ("/settings/my.py", "f")


def test_file_is_loaded_once_and_finds_its_neighbours(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "neighbour_of_pal_ase.py").write_text("number = 3\n")
    (tmp_path / "mine.py").write_text(
        "from neighbour_of_pal_ase import number\nseen = []\ndef f():\n    return number\n"
    )
    assert load(tmp_path / "mine.py:f")() == 3
    assert load(tmp_path / "mine.py:seen") is load(tmp_path / "mine.py:seen")


def test_file_that_raises_is_not_half_remembered(tmp_path):
    path = tmp_path / "half.py"
    path.write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        load(Path(f"{path}:f"))
    path.write_text("f = 7  # longer than before: Python recognises a changed file by time and size\n")
    assert load(Path(f"{path}:f")) == 7
