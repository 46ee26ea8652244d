"""The status file."""

from __future__ import annotations

import json
import threading

from pal_core.builtin.observer import STATUS_FILE, StatusFile, read_status


def test_status_is_written_at_every_occasion(tmp_path):
    file = StatusFile()
    file.progressed({"n": 0, "outcome": None})  # before the start there is no place for it
    for tell, n in ((lambda s: file.started(tmp_path, s), 1), (file.progressed, 2), (file.ended, 3)):
        tell({"n": n, "outcome": None})
        assert read_status(tmp_path) == {"n": n, "outcome": None}
    assert [p.name for p in tmp_path.iterdir()] == [STATUS_FILE]


def test_no_status_yet(tmp_path):
    assert read_status(tmp_path) is None


def test_status_that_a_power_cut_has_emptied_is_none(tmp_path):
    (tmp_path / STATUS_FILE).touch()
    assert read_status(tmp_path) is None


def test_reader_never_sees_half_a_status(tmp_path):
    file = StatusFile()
    file.started(tmp_path, {"n": -1, "outcome": None})
    stop = threading.Event()

    def write() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            file.progressed({"n": n, "outcome": None, "long": ["x"] * 5000})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [read_status(tmp_path)["n"] for _ in range(200)]
    finally:
        stop.set()
        writer.join()
    assert seen == sorted(seen)


def test_status_is_readable_text(tmp_path):
    StatusFile().started(tmp_path, {"reason": "größer", "share": 0.5})
    assert json.loads((tmp_path / STATUS_FILE).read_text(encoding="utf-8"))["reason"] == "größer"
