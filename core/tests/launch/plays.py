"""A program in mpiexec's place that plays what may happen to ranks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pal_core

FAKE = """#!{python}
import json, os, signal, subprocess, sys, time
sys.path.insert(0, {source!r})
from pathlib import Path
version, directory = {version!r}, Path({directory!r})
if sys.argv[1:] == ["--version"]:
    print(version)
    sys.exit()
play = sys.argv[-1]
starts = directory.parent / "starts"
starts.open("a").write(os.environ.get("PAL_RESTART", "first") + "\\n")
start = len(starts.read_text().splitlines())

def tell(**more):
    status = dict(updated=time.time(), outcome=None, reason="", phase="running") | more
    (directory / "status.part").write_text(json.dumps(status))
    (directory / "status.part").replace(directory / "status.json")

def until_stopped():
    while not (directory / "stop").exists():
        time.sleep(0.01)
    return (directory / "stop").read_text()

def label():
    from pal_core.builtin.schema import LABEL, SAMPLE
    from pal_core.store.store import Store
    store = Store(directory, write=True)
    store.agree(SAMPLE, LABEL)
    number = store.next_sample
    store.add_sample(number, dict(x=[0.0, 0.0]), origin="bootstrap", walker=0, version=0, score=0.0)
    store.add_label(number, dict(energy=1.0, gradient=[0.0, 0.0]), "pal.toy-oracle", "pal-core 0")
    store.commit()
    store.close()

def commit_set():
    from pal_core.builtin.schema import LABEL, SAMPLE
    from pal_core.store.store import Store
    store = Store(directory, write=True)
    store.agree(SAMPLE, LABEL)
    store.add_set(start, dict(sample=1, session=1, files=[]))
    store.commit()
    store.close()

def last_words(kind):
    from pal_core.launch.names import LastWords, leave_last_words
    leave_last_words(LastWords(3, kind, "out of luck"))

print("first words of", play, os.environ["PAL_RANKS"], os.environ["OMP_NUM_THREADS"], flush=True)
if play == "done":
    tell()
    time.sleep(0.3)
    tell(outcome="done", reason="60 labels")
elif play == "dies":
    tell()
    print("last words", file=sys.stderr)
    sys.exit(7)
elif play == "dies after a label":
    label()
    tell()
    if start == 5:
        tell(outcome="done", reason="60 labels")
    sys.exit(7)
elif play == "dies after a set":
    commit_set()
    tell()
    sys.exit(7)
elif play == "dies once":
    tell()
    if start == 2:
        tell(outcome="done", reason="60 labels")
    sys.exit(7)
elif play in ("error", "exception", "early exception"):
    tell(phase="starting" if play.startswith("early") else "running")
    last_words(play.split()[-1])
    sys.exit(1)
elif play == "abandoned":
    tell(outcome="done" if start == 2 else "failed", reason="as told")
    if start == 1:
        last_words("abandoned")
    sys.exit(1)
elif play == "fails":
    tell(outcome="failed", reason="as told")
    sys.exit(1)
elif play == "leaves a child":
    tell()
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    (directory / "child").write_text(str(child.pid))
    sys.exit(7)
elif play == "mpiexec is told to end":
    tell()
    last_words("asked")
    sys.exit(1)
elif play == "removes everything":
    import shutil
    shutil.rmtree(directory)
    print("still heard")
    sys.exit(1)
elif play == "stops when asked":
    tell()
    tell(outcome="interrupted", reason=until_stopped())
elif play == "dies when asked":
    tell()
    until_stopped()
    sys.exit(137)
elif play == "dies asked by pal stop":
    (directory / "stop").touch()
    tell()
    sys.exit(137)
elif play == "hears nothing":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell()
    for _ in range(2):
        time.sleep(0.3)
        os.kill(os.getppid(), signal.SIGINT)
    time.sleep(1000)
elif play == "never begins":
    time.sleep(1000)
elif play == "never leaves":
    tell(outcome="done", reason="60 labels")
    time.sleep(1000)
elif play == "is asked before it begins":
    os.kill(os.getppid(), signal.SIGTERM)
    until_stopped()
    time.sleep(0.2)
    tell(outcome="interrupted", reason="asked to stop")
"""


def write_mpiexec(folder: Path, directory: Path, version: str = "HYDRA build details") -> Path:
    """Put the program into a folder; it plays what its last argument says, in a run directory."""
    path = folder / "mpiexec"
    source = str(Path(pal_core.__file__).parents[1])
    names = {"python": sys.executable, "version": version, "directory": str(directory), "source": source}
    path.write_text(FAKE.format(**names))
    path.chmod(0o755)
    return path


def write_program(folder: Path, name: str, text: str) -> Path:
    """A shell script that stands for a program of the batch system; `folder` comes first in PATH."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    os.environ["PATH"] = os.pathsep.join([str(folder), os.environ["PATH"]])
    return path
