"""Processes, whatever they are called."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from pal_core.proc import PARENT, START, STATE, is_alive, process_fields, started_at

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


def test_name_of_a_process_may_hold_anything(tmp_path):
    name = os.fsencode(tmp_path) + b"/a) Z 1\xff"
    shutil.copy(shutil.which("sleep"), name)
    process = subprocess.Popen([name, b"60"])
    try:
        fields = process_fields(process.pid)
        assert (fields[STATE], int(fields[PARENT])) != ("Z", 1)
        assert int(fields[PARENT]) == os.getpid()
        assert int(fields[START]) >= int(started_at(os.getpid()))
        assert is_alive(process.pid, fields[START])
        assert not is_alive(process.pid, str(int(fields[START]) + 1))
    finally:
        process.kill()
        process.wait()
    assert not is_alive(process.pid)
    assert started_at(process.pid) == ""
