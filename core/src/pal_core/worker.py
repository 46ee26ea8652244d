"""A rank of a run: ``python -m pal_core.worker SETTINGS [--accept-changes]`` under mpiexec or srun.

`pal run` starts it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from pal_core.launch.names import (
    CORES_VARIABLE,
    END_VARIABLE,
    LAUNCHED_VARIABLE,
    RANKS_VARIABLE,
    RESTART_VARIABLE,
    LastWords,
    leave_last_words,
)

if TYPE_CHECKING:
    from pal_core.errors import PalError
    from pal_core.plugins.host import PluginHost
    from pal_core.runtime.host import Setup
    from pal_core.runtime.loop import Loop
    from pal_core.runtime.manager import ManagerHost
    from pal_core.runtime.plan import Part
    from pal_core.settings.load import Loaded
    from pal_core.transport.base import Transport
    from pal_core.transport.mpi import World

__all__ = ["EXIT_CODES", "keep_freed_memory", "main", "thread_variables"]

EXIT_CODES = {"done": 0, "failed": 1, "interrupted": 75}
_FLUSH_LIMIT = 10.0
_LONGEST_LOG = 5_000_000
"""Bytes of a rank's log and of the older one beside it."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def thread_variables(threads: int) -> dict[str, str]:
    """Environment that limits numerical libraries to so many threads."""
    return dict.fromkeys(_THREADS, str(threads))


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for the next large message, instead of fetching it anew page by page.

    Freeing one large block raises glibc's limits for that (mallopt(3), M_MMAP_THRESHOLD); elsewhere nothing happens.
    """
    block = bytearray(31 << 20)
    del block


def main(arguments: list[str] | None = None) -> int:
    """Run this rank to the end; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0].startswith("-"):
        print("usage: python -m pal_core.worker SETTINGS [--accept-changes]", file=sys.stderr)
        return 2
    path, *flags = arguments
    for name, value in thread_variables(1).items():
        os.environ.setdefault(name, value)
    keep_freed_memory()
    from pal_core.errors import PalError
    from pal_core.transport.mpi import RankLostError, World, abort

    expected = os.environ.get(RANKS_VARIABLE)
    try:
        world = World(int(expected) if expected else None)
    except RankLostError as error:
        _leave_words(0, error)
        abort(error.exit_code)
        return error.exit_code
    except PalError as error:
        _leave_words(0, error)
        return 1
    try:
        return _run(world, Path(path), "--accept-changes" in flags)
    except PalError as error:
        _leave_words(world.rank, error)
        code = error.exit_code
    except BaseException as error:
        print(f"pal: rank {world.rank} failed:\n{traceback.format_exc()}", file=sys.stderr, flush=True)
        leave_last_words(LastWords(world.rank, "exception", f"{type(error).__name__}: {error}"))
        code = 1
    world.abort(code)
    return code


def _leave_words(rank: int, error: PalError) -> None:
    """Say why this rank ends, to people and to the launcher."""
    print(f"pal: rank {rank}: {error}", file=sys.stderr, flush=True)
    words = error.message if error.passes else str(error)
    leave_last_words(LastWords(rank, "abandoned" if error.passes else "error", words))


def _run(world: World, path: Path, accept_changes: bool) -> int:
    from pal_core.launch.watching import watch_launcher
    from pal_core.runtime.build import build_hosts, poster
    from pal_core.runtime.host import Setup
    from pal_core.runtime.loop import Loop, Worker
    from pal_core.runtime.manager import ManagerHost
    from pal_core.runtime.plan import SPARE, Processes, make_plan
    from pal_core.runtime.spare import SpareHost
    from pal_core.settings.load import Loaded
    from pal_core.transport.doorbell import Doorbell
    from pal_core.transport.mpi import MpiTransport

    began = time.time()
    signals = _Signals(world.rank)
    nodes = world.nodes()
    plugins, shared = _prepare(path, world) if world.rank == 0 else (None, None)
    news = json.loads(world.share(shared))
    loaded = Loaded.from_json(news["loaded"])
    plan = make_plan(loaded.settings, Processes(**news["processes"]), nodes)
    parts = plan.on(world.rank)
    _log_to(loaded.directory / "logs" / f"rank-{world.rank:04d}.log")
    _see_own_gpus(parts)
    if LAUNCHED_VARIABLE not in os.environ:
        # Started by srun or the like: libraries that kernels will import still heed this.
        os.environ.update(thread_variables(loaded.settings.run.threads))
    setup = Setup(
        loaded, plan, loaded.directory, accept_changes=accept_changes, **news["past"], end=_end_time(loaded, began)
    )
    neighbours = [r for r, node in enumerate(nodes) if node == nodes[world.rank]]
    bell = Doorbell(news["token"], world.rank, neighbours)
    transport = MpiTransport(world, setup.wire(), plan.ranks, bell)
    hosts: list[Worker] = []
    manager: ManagerHost | None = None
    if plugins is not None:
        launched = LAUNCHED_VARIABLE in os.environ
        manager = ManagerHost(plan.parts[0], setup, poster(transport, "manager"), plugins, launched=launched)
        hosts.append(manager)
        if RESTART_VARIABLE in os.environ:
            manager.note("launcher", f"the ranks were started again: {os.environ[RESTART_VARIABLE]}")
        signals.tell(manager)
    watch_launcher(loaded.settings.run.stop_limit, signals.ask)
    try:
        hosts += build_hosts(parts, setup, transport)
        loop = Loop(hosts, transport)
        for part in parts:
            if part.role == SPARE:
                loop.add(SpareHost(part.address, _take_over(loop, part.rank, setup, transport)))
        loop.run()
        transport.flush(_FLUSH_LIMIT)
    finally:
        transport.close()
        if manager is not None:
            manager.close()
    return world.leave(0 if manager is None else _farewell(manager, world))


def _prepare(path: Path, world: World) -> tuple[PluginHost, str]:
    """Rank 0 alone discovers plugins, checks the settings and looks at the store; the others get the result as text."""
    from pal_core.launch.slurm import allocation, available_cores
    from pal_core.plugins.host import PluginHost
    from pal_core.runtime.past import find_past
    from pal_core.runtime.plan import count_processes
    from pal_core.settings.load import load

    plugins = PluginHost.discover()
    loaded: Loaded = load(path, plugins)
    cores = int(os.environ.get(CORES_VARIABLE) or available_cores(allocation(os.environ)))
    processes = count_processes(loaded.settings, cores, world.size, world.survives)
    news = {
        "loaded": loaded.to_json(),
        "processes": asdict(processes),
        "token": secrets.token_hex(6),
        "past": asdict(find_past(loaded)),
    }
    return plugins, json.dumps(news)


def _end_time(loaded: Loaded, began: float) -> float | None:
    """When the run must have ended, in seconds since 1970: by its launcher's or its batch job's limit, or its own."""
    given = os.environ.get(END_VARIABLE)
    own = loaded.settings.stop.wall_time
    limits = [float(given)] if given else []
    if own is not None and LAUNCHED_VARIABLE not in os.environ:
        limits.append(began + own)
    return min(limits, default=None)


def _take_over(loop: Loop, rank: int, setup: Setup, transport: Transport) -> Callable[[Sequence[str], int], None]:
    """How a spare rank becomes the hosts of a lost one."""
    from dataclasses import replace

    from pal_core.runtime.build import build_hosts
    from pal_core.runtime.past import newest_set

    def take_over(addresses: Sequence[str], times: int) -> None:
        parts = tuple(replace(p, rank=rank) for p in setup.plan.parts if p.address in addresses)
        _see_own_gpus(parts)
        plan = replace(setup.plan, parts=tuple(p for p in setup.plan.parts if p.address not in addresses) + parts)
        newest = replace(setup, plan=plan, set=newest_set(setup.directory))
        for host in build_hosts(parts, newest, transport, times):
            loop.add(host)

    return take_over


def _log_to(path: Path) -> None:
    from logging.handlers import RotatingFileHandler

    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=_LONGEST_LOG, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("pal")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _see_own_gpus(parts: tuple[Part, ...]) -> None:
    """Show this rank its own GPUs only, before any library looks."""
    gpus = {p.gpu for p in parts if p.gpu is not None}
    if gpus:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        known = visible.split(",") if visible else None
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(known[g % len(known)] if known else str(g) for g in sorted(gpus))


class _Signals:
    """SIGTERM and friends ask the manager to stop, also while it is still being made; other ranks leave it to it."""

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self._manager: ManagerHost | None = None
        self._early = ""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            with contextlib.suppress(ValueError):
                signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        wish = f"signal {signal.Signals(number).name}"
        leave_last_words(LastWords(self._rank, "asked", wish))
        self.ask(wish)

    def ask(self, wish: str) -> None:
        """Ask the manager to stop, if it is this rank's."""
        if self._manager is None:
            self._early = wish
        else:
            self._manager.request_stop(wish)

    def tell(self, manager: ManagerHost) -> None:
        """From now on the manager hears of signals at once, and now of an earlier one."""
        self._manager = manager
        if self._early:
            manager.request_stop(self._early)


def _farewell(manager: ManagerHost, world: World) -> int:
    if manager.abandoned:
        print(f"pal: {manager.reason}", file=sys.stderr, flush=True)
        leave_last_words(LastWords(world.rank, "abandoned", manager.reason))
        world.abort(1)
    code = EXIT_CODES[str(manager.outcome)]
    return 0 if LAUNCHED_VARIABLE in os.environ else code


if __name__ == "__main__":
    sys.exit(main())
