"""The log of what an oracle prints."""

from __future__ import annotations

from pal_core.runtime import output
from pal_core.runtime.output import BURST, TAIL, BoundedLog


def test_little_output_is_written_as_it_comes(tmp_path):
    log = BoundedLog(tmp_path / "logs/log")
    log.write(b"one\n", 0.0)
    log.write(b"two\n", 0.5)
    assert log.path.read_bytes() == b"one\ntwo\n"
    assert log.last(100) == "one\ntwo\n"
    assert log.patience(0.5) == 1.0
    log.settle()
    assert log.patience(0.5) is None
    assert log.path.read_bytes() == b"one\ntwo\n"


def test_of_a_flood_beginning_and_end_are_written(tmp_path):
    log = BoundedLog(tmp_path / "log")
    pieces = [b"%09d\n" % i for i in range(300_000)]
    for i in range(0, len(pieces), 1000):
        log.write(b"".join(pieces[i : i + 1000]), 0.0)
    assert log.path.stat().st_size == BURST
    log.settle()
    text = log.path.read_bytes()
    everything = b"".join(pieces)
    head, tail = everything[:BURST], everything[-TAIL:]
    assert text == head + b"\n[%d bytes are left out]\n" % (3_000_000 - BURST - TAIL) + tail


def test_long_flood_is_cut_into_bursts(tmp_path):
    log = BoundedLog(tmp_path / "log")
    for second in range(0, 30, 2):
        log.write(bytes(2 * BURST), float(second))
    text = log.path.read_bytes()
    assert text.count(b"bytes are left out]") == 2
    assert len(text) < 3 * BURST + 3 * TAIL


def test_log_begins_anew_when_it_has_grown_long(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "_LONGEST", 100)
    log = BoundedLog(tmp_path / "log")
    for i in range(10):
        log.write(b"%d" % i * 40, 0.0)
    assert log.path.read_bytes() == b"8" * 40 + b"9" * 40
    assert (tmp_path / "log.1").read_bytes() == b"6" * 40 + b"7" * 40


def test_last_lines_are_known_though_nothing_can_be_written(tmp_path):
    log = BoundedLog(tmp_path / "log")
    log.path.mkdir()
    log.write(b"the last line\n", 0.0)
    log.settle()
    assert log.last(9) == "ast line\n"
