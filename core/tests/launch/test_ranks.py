"""What ranks print, however much it is."""

from __future__ import annotations

import os
import sys
import time

import pytest

from pal_core.launch import ranks as module
from pal_core.launch.names import TOKEN_VARIABLE
from pal_core.launch.ranks import Ranks

PROGRAM = """
import os, sys, time
os.write(1, b"first words\\n" + b"".join(b"%06d\\n" % k for k in range(int(sys.argv[1]))) + b"done\\n")
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
os.write(1, b"more\\n")
"""


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def printed(tmp_path, monkeypatch):
    """Ranks that have printed so many numbered lines, and print one more when a file `go` is there."""
    for name, value in {"LONGEST": 10_000, "HEAD": 500, "TAIL": 700}.items():
        monkeypatch.setattr(module, name, value)
    made = []

    def start(lines: int) -> Ranks:
        command = [sys.executable, "-c", PROGRAM, str(lines), str(tmp_path / "go")]
        made.append(Ranks(command, {**os.environ, TOKEN_VARIABLE: "0" * 24}, tmp_path))
        until(lambda: made[0].output().endswith("done"))
        return made[0]

    yield start
    for ranks in made:
        ranks.end()
        ranks.close()


def test_long_log_keeps_its_beginning_and_its_end_and_goes_on(printed, tmp_path):
    ranks = printed(5000)
    ranks.shorten_log(10.0)
    text = ranks.log.read_text()
    assert len(text) < 1300
    assert text.startswith("first words\n000000\n")
    assert "\n[33817 bytes are left out]\n" in text
    older = ranks.log.with_name("mpiexec.log.1").read_text()
    assert len(older) == 10_000
    assert older.endswith("004999\ndone\n")
    (tmp_path / "go").touch()
    until(lambda: ranks.code == 0)
    assert ranks.log.read_text() == text + "more\n"
    assert ranks.output().endswith("004999\ndone\nmore")


def test_end_of_the_output_holds_nothing_of_an_earlier_start(printed, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/mpiexec.log").write_text(20_000 * "earlier ")
    ranks = printed(20)
    before = ranks.output()
    assert before.startswith("first words")
    ranks.shorten_log(10.0)
    assert ranks.output() == before
    assert ranks.log.stat().st_size < 1300


def test_log_is_measured_once_a_second_and_left_alone_while_it_is_short(printed):
    ranks = printed(1000)
    ranks.shorten_log(10.0)
    assert ranks.log.stat().st_size == 7017
    ranks._output.write(b"x" * 10_000)
    ranks.shorten_log(10.9)
    assert ranks.log.stat().st_size == 17017
    ranks.shorten_log(11.0)
    assert ranks.log.stat().st_size < 1300
    assert "xx" in ranks.output()


def test_full_disk_costs_the_older_file_only(printed, monkeypatch):
    def full(self, text):
        raise OSError("no space")

    monkeypatch.setattr(Ranks, "_keep_older", full)
    ranks = printed(5000)
    ranks.shorten_log(10.0)
    assert ranks.log.stat().st_size < 1300


def test_link_in_place_of_the_older_file_is_not_followed(printed, tmp_path):
    ranks = printed(5000)
    precious = tmp_path / "precious"
    precious.write_text("precious")
    ranks.log.with_name("mpiexec.log.1").symlink_to(precious)
    ranks.shorten_log(10.0)
    assert precious.read_text() == "precious"
