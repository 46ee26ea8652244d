"""In-process runs in child processes, which are killed when they have come somewhere."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIMIT = 60.0
_CODE = """
import json, sys
from worlds import plugins
from pal_core import api
result = api.run(json.loads(sys.argv[1]), base=sys.argv[2], plugins=plugins())
print(result.outcome, result.reason)
"""


def start(folder: Path, settings: dict[str, Any]) -> subprocess.Popen[str]:
    """A run in a child process."""
    folder.mkdir(exist_ok=True)
    here = str(Path(__file__).parent)
    path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-c", _CODE, json.dumps(settings), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What a run says at its end; it must end well."""
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"no end within {LIMIT} s: {process.communicate()}") from None
    assert process.returncode == 0, err
    return out.strip()


def count(folder: Path, sql: str) -> int:
    """A number out of the store of a run that may be going on; 0 before there is one."""
    try:
        db = sqlite3.connect(f"file:{folder / 'run' / 'pal.sqlite'}?mode=ro", uri=True, timeout=5)
        try:
            return int(db.execute(sql).fetchone()[0] or 0)
        finally:
            db.close()
    except sqlite3.OperationalError:
        return 0


def kill_when(there: Callable[[], bool], process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    """Send a signal as soon as the run has come somewhere."""
    end = time.monotonic() + LIMIT
    while not there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"the run did not come there within {LIMIT} s"
        time.sleep(0.001)
    process.send_signal(number)
    process.communicate()
    assert process.returncode != 0
