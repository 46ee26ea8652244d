"""One Turbomole program at a time: start it, wait, and look at how it ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pal_core.kernels import OracleFailure

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.files import read_groups

__all__ = ["Ended", "check_end", "evidence", "kill", "run"]

_TAIL = 40
_FULL = ("No space left on device", "Disk quota exceeded", "disk full")
_UNLICENSED = ("license has expired", "license expired", "license is not valid", "invalid license", "no valid license")


@dataclass(frozen=True)
class Ended:
    """What a program left.

    Parameters
    ----------
    name : str
    log : str
        Its output.
    words : str
        What it said on standard error: ``dscf ended normally``.
    status : int
        Its exit status, negative for a signal.
    """

    name: str
    log: str
    words: str
    status: int


def run(name: str, program: str, folder: Path, environment: Mapping[str, str], limit: float | None = None) -> Ended:
    """Run a program in a folder that holds its input.

    It stays in the process group of its oracle, which the engine kills at the end of a label's time.

    Parameters
    ----------
    name, program : str
        Its name and path.
    folder : Path
    environment : mapping of str to str
    limit : float, optional
        Time that it may take [s].

    Raises
    ------
    OracleFailure
        Of kind ``timeout``, or ``crashed`` if it can't be started.
    """
    out, err = folder / f"{name}.out", folder / f"{name}.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        try:
            process = subprocess.Popen(  # noqa: S603 - the program is the user's choice, it has no arguments
                [program], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
            )
        except OSError as e:
            raise OracleFailure("crashed", f"{name} can't be started: {e}") from e
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            kill(process)
            text = f"{name} took longer than program_limit = {limit:g} s"
            raise OracleFailure("timeout", text, evidence(_text(out), _text(err))) from None
        except BaseException:
            kill(process)
            raise
    return Ended(name, _text(out), _text(err), status)


def check_end(ended: Ended, folder: Path) -> None:
    """Refuse a program that did not end normally.

    Evidence of a normal end is its exit status, its last words, and a control file without ``$actual step``, which a
    program sets and removes when it succeeds. None of these says that anything converged.

    Raises
    ------
    OracleFailure
        Of kind ``crashed``.
    """
    how = _how(ended) or _step(folder)
    if how is None:
        return
    cause = next((line for line in _lines(ended) if any(w.lower() in line.lower() for w in _FULL)), None)
    cause = cause or next((line for line in _lines(ended) if any(w in line.lower() for w in _UNLICENSED)), None)
    text = f"{ended.name} {how}" + (f": {cause.strip()}" if cause else "")
    raise OracleFailure("crashed", text, evidence(ended.log, ended.words))


def _how(ended: Ended) -> str | None:
    if ended.status:
        return f"was killed by signal {-ended.status}" if ended.status < 0 else f"ended with status {ended.status}"
    # Programs for shared memory or MPI may have a suffix.
    said = re.findall(rf"\b{ended.name}(?:_\w+)? ended (\w+)", ended.words + ended.log)
    if "abnormally" in said:
        return "ended abnormally"
    return None if "normally" in said else "does not report a normal end"


def _step(folder: Path) -> str | None:
    try:
        step = read_groups((folder / "control").read_text(errors="replace")).unfinished_step
    except (OSError, Unreadable) as e:
        return f"left no control file that can be read: {e}"
    return None if step is None else f"left '$actual step {step}' in control, so it did not succeed"


def _lines(ended: Ended) -> list[str]:
    return [*ended.words.splitlines(), *ended.log.splitlines()[::-1]]


def evidence(*texts: str) -> str:
    """The last lines that aren't empty of each text."""
    out: list[str] = []
    for text in texts:
        out += [line.rstrip() for line in text.splitlines() if line.strip()][-_TAIL:]
    return "\n".join(out)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it has started: the parallel ones are scripts."""
    below = _descendants(process.pid)
    process.kill()
    process.wait()
    for pid in below:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    out = []
    for children in Path("/proc").glob(f"{pid}/task/*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                out += [child, *_descendants(child)]
    return out


def _text(path: Path) -> str:
    return path.read_text(errors="replace")
