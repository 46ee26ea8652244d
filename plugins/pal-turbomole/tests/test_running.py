"""Programs that are started, and how they end."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from pal_core.kernels import OracleFailure

from pal_turbomole.running import check_end, evidence, run


@pytest.fixture
def program(tmp_path):
    """Runs shell code as the program dscf, in a folder with a control file."""

    def start(code: str, limit: float | None = None, control: str = "$last step      dscf\n$end\n"):
        path = tmp_path / "dscf"
        path.write_text(f"#!/bin/sh\n{code}\n")
        path.chmod(0o755)
        (tmp_path / "control").write_text(control)
        return run("dscf", str(path), tmp_path, os.environ, limit)

    return start


def is_gone(pid: int) -> bool:
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_program_that_hangs_ends_at_its_limit_with_all_it_has_started(program, tmp_path):
    # The parallel programs are scripts that start others.
    with pytest.raises(OracleFailure, match="dscf took longer than program_limit = 3 s") as caught:
        program("sleep 600 & echo $! > child; echo working; wait", 3.0)
    assert caught.value.kind == "timeout"
    assert caught.value.evidence == "working"
    assert is_gone(int((tmp_path / "child").read_text()))


def test_program_that_cannot_be_started(tmp_path):
    with pytest.raises(OracleFailure, match=r"dscf can't be started: .*No such file") as caught:
        run("dscf", str(tmp_path / "nowhere"), tmp_path, os.environ)
    assert caught.value.kind == "crashed"


@pytest.mark.parametrize("words", ["dscf ended normally", "dscf_smp ended normally"])
def test_normal_end(program, tmp_path, words):
    ended = program(f"echo output; echo ' {words}' >&2")
    check_end(ended, tmp_path)
    assert (ended.log, ended.status) == ("output\n", 0)


@pytest.mark.parametrize(
    ("code", "control", "message"),
    [
        ("true", "$end\n", "dscf does not report a normal end"),
        ("echo ridft ended normally", "$end\n", "dscf does not report a normal end"),
        ("echo dscf ended abnormally >&2", "$end\n", "dscf ended abnormally"),
        ("echo dscf ended normally; echo dscf_mpi ended abnormally", "$end\n", "dscf ended abnormally"),
        ("echo dscf ended normally; exit 7", "$end\n", "dscf ended with status 7"),
        ("kill -SEGV $$", "$end\n", "dscf was killed by signal 11"),
        ("echo dscf ended normally", "$actual step      dscf\n$end\n", "left '.actual step dscf' in control"),
        ("echo dscf ended normally", "$title\n", "dscf left no control file that can be read"),
        ("echo 'write: No space left on device'; exit 1", "$end\n", "status 1: write: No space left on device"),
        ("echo 'Your license has expired'; exit 1", "$end\n", "dscf ended with status 1: Your license has expired"),
    ],
)
def test_end_that_is_not_normal(program, tmp_path, code, control, message):
    ended = program(code, control=control)
    with pytest.raises(OracleFailure, match=message) as caught:
        check_end(ended, tmp_path)
    assert caught.value.kind == "crashed"


def test_evidence_is_what_was_said_last():
    assert evidence("a\n\n b \n", "", "c") == "a\n b\nc"
    assert evidence("\n".join(map(str, range(100)))).splitlines()[0] == "60"
