"""Where Turbomole is, and the environment that its programs want."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pal_core.errors import PalError

__all__ = ["Installation", "Parallel", "find"]

Parallel = Literal["serial", "smp", "mpi"]
_SYSNAME_LIMIT = 20.0
_LICENCE = "license.txt"


@dataclass(frozen=True)
class Installation:
    """An installed Turbomole.

    Parameters
    ----------
    programs : mapping of str to str
        Absolute path of each program by name.
    environment : mapping of str to str
        All variables of its processes.
    """

    programs: Mapping[str, str]
    environment: Mapping[str, str]


def find(
    programs: Sequence[str],
    *,
    turbodir: Path | None = None,
    parallel: Parallel = "serial",
    cores: int = 1,
    licence: bool = True,
) -> Installation:
    """Find Turbomole's programs.

    Parameters
    ----------
    programs : sequence of str
        Names of those that will be run.
    turbodir : Path, optional
        Its folder; the variable TURBODIR if left out.
    parallel : {"serial", "smp", "mpi"}
    cores : int
        Processes or threads of each program.
    licence : bool
        Whether a licence file must be there.

    Raises
    ------
    PalError
        If something is missing, with what to set.
    """
    folder = _folder(turbodir)
    environment = _environment(folder, parallel, cores)
    architecture = _architecture(folder, environment)
    place = folder / "bin" / architecture
    others = os.environ.get("PATH", os.defpath).split(os.pathsep)
    environment["PATH"] = os.pathsep.join([str(place), str(folder / "scripts"), *others])
    # PATH may have the serial programs, which must not stand in for parallel ones.
    path = os.pathsep.join(
        [str(place), str(folder / "scripts"), *(p for p in others if folder / "bin" not in Path(p).parents)]
    )
    found = {name: shutil.which(name, path=path) for name in programs}
    if found.get("define", "") is None:
        # It isn't parallel, and may be among the serial programs only.
        found["define"] = shutil.which("define", path=str(folder / "bin" / architecture.removesuffix(f"_{parallel}")))
    missing = [name for name, where in found.items() if where is None]
    if missing:
        raise PalError(
            f"Turbomole's {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in {place}, "
            f"where {folder / 'scripts' / 'sysname'} says that programs are; {_installed(folder)}",
            "set the option parallel to what is installed, or put the programs into PATH",
        )
    if licence:
        _check_licence(folder)
    # Relative entries of PATH would be looked up in the scratch directory.
    return Installation({name: str(Path(w).absolute()) for name, w in found.items() if w}, environment)


def _folder(turbodir: Path | None) -> Path:
    text = str(turbodir) if turbodir else os.environ.get("TURBODIR", "")
    if not text:
        raise PalError(
            "there is no Turbomole: neither the option turbodir nor the environment variable TURBODIR is set",
            "load Turbomole's module, or set TURBODIR to the folder that holds its bin, scripts and basen",
        )
    folder = Path(text).absolute()
    if not (folder / "scripts" / "sysname").is_file():
        source = "the option turbodir" if turbodir else "TURBODIR"
        raise PalError(
            f"{source} is {text}, which has no scripts/sysname: it is no folder of Turbomole",
            f"set {source} to the folder that holds Turbomole's bin, scripts and basen",
        )
    return folder


def _environment(folder: Path, parallel: Parallel, cores: int) -> dict[str, str]:
    """Variables by which Turbomole's scripts choose serial, SMP or MPI programs."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PARA_ARCH", "PARNODES")}
    environment["TURBODIR"] = str(folder)
    environment["OMP_NUM_THREADS"] = environment["MKL_NUM_THREADS"] = str(cores if parallel == "smp" else 1)
    if parallel != "serial":
        environment |= {"PARA_ARCH": parallel.upper(), "PARNODES": str(cores)}
    return environment


def _architecture(folder: Path, environment: Mapping[str, str]) -> str:
    """What ``sysname`` says: the name of the folder with the programs, by PARA_ARCH."""
    program = folder / "scripts" / "sysname"
    try:
        done = subprocess.run(  # noqa: S603 - a part of the user's Turbomole
            [str(program)], env=environment, capture_output=True, text=True, timeout=_SYSNAME_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise PalError(f"Turbomole's {program} can't be run: {e}", "set TURBODIR to a sound Turbomole") from e
    name = done.stdout.strip()
    if done.returncode or not name or "/" in name:
        said = (done.stdout + done.stderr).strip() or "nothing"
        raise PalError(f"Turbomole's {program} ended with status {done.returncode} and said {said!r}", _SYSNAME_HINT)
    return name


_SYSNAME_HINT = "a name such as x86_64-unknown-linux-gnu is wanted; set TURBODIR to a sound Turbomole"


def _installed(folder: Path) -> str:
    names = sorted(p.name for p in (folder / "bin").glob("*") if p.is_dir())
    return f"installed are: {', '.join(names)}" if names else f"{folder / 'bin'} is empty"


def _check_licence(folder: Path) -> None:
    """Look for the file that Turbomole's programs ask for when it is missing (they switch to a demo mode then)."""
    places = [folder / "LICENSE" / _LICENCE]
    if os.environ.get("TURBOMOLE_LICENSE"):
        given = Path(os.environ["TURBOMOLE_LICENSE"])
        places[:0] = [given, given / _LICENCE]
    if not any(p.is_file() for p in places):
        raise PalError(
            f"Turbomole in {folder} has no licence file; looked for: {', '.join(map(str, places))}",
            f"copy {_LICENCE} to {folder / 'LICENSE'}, or set TURBOMOLE_LICENSE to where it is; for a licence that is "
            "found in another way, or for the demo mode, set the option check_licence = false",
        )
