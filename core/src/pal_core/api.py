"""PAL from Python: a whole run in this process, for notebooks, tests and debuggers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pal_core.data import Batch
from pal_core.errors import PalError
from pal_core.plugins.host import PluginHost
from pal_core.runtime.build import build_hosts, poster
from pal_core.runtime.checkpoint import load_state, round_file, rounds_on_disk
from pal_core.runtime.host import Host, Setup
from pal_core.runtime.loop import Loop, Worker
from pal_core.runtime.manager import ManagerHost
from pal_core.runtime.past import find_past
from pal_core.runtime.plan import Processes, make_plan
from pal_core.settings.load import Loaded, from_dict, load
from pal_core.store.store import Store
from pal_core.transport.base import LocalTransport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pal_core.kernels import Context, Model
    from pal_core.observe import Observer

__all__ = ["Result", "RunError", "open_run", "run"]


class RunError(PalError):
    """A run has failed; what it has labelled is stored. `trace` is the traceback of the kernel that raised, if any."""

    def __init__(self, message: str, hint: str = "", trace: str = "") -> None:
        super().__init__(message, hint)
        self.trace = trace


@dataclass(frozen=True)
class Result:
    """What a run has left behind; reads from the run directory when asked.

    Parameters
    ----------
    loaded : Loaded
        Settings and kernels.
    outcome : str
        ``"done"``, ``"interrupted"`` or ``"failed"``.
    reason : str
        The stop rule that was met, or what failed.
    """

    loaded: Loaded
    outcome: str
    reason: str

    @property
    def directory(self) -> Path:
        """The run directory."""
        return self.loaded.directory

    def dataset(self) -> Batch:
        """All admitted labels with their samples, in order of labelling; those of an audit among them."""
        store = Store(self.directory)
        try:
            numbers = store.labelled()
            return store.samples(numbers).join(store.labels(numbers))
        finally:
            store.close()

    def history(self) -> NDArray[Any]:
        """Columns time, session, steps, selected, labels, waiting; shape (n, 6)."""
        store = Store(self.directory)
        try:
            return store.history()
        finally:
            store.close()

    def rounds(self) -> list[dict[str, Any]]:
        """Every member's state after every training round."""
        store = Store(self.directory)
        try:
            return store.rounds()
        finally:
            store.close()

    def stored_rounds(self) -> list[int]:
        """Rounds whose weights of all members are on disk, ascending."""
        members = range(self.loaded.settings.model.members)
        return sorted(set.intersection(*(set(rounds_on_disk(self.directory, k)) for k in members)))

    def models(self, number: int | None = None) -> list[Model]:
        """The committee with its weights after a round.

        Parameters
        ----------
        number : int, optional
            A round whose weights are on disk; default: the last one of all members.

        Raises
        ------
        RunError
            If there are no such weights.
        """
        stored = self.stored_rounds()
        if not stored or (number is not None and number not in stored):
            which = "any round" if number is None else f"round {number}"
            raise RunError(f"{self.directory} has no weights of {which}", f"rounds on disk: {stored or 'none'}")
        number = stored[-1] if number is None else number
        models = []
        for k in range(self.loaded.settings.model.members):
            model: Model = self.loaded.model.load()(self.loaded.model.options, self._context(k))  # type: ignore[assignment]
            model.load(load_state(round_file(self.directory, k, number))[0])
            models.append(model)
        return models

    def _context(self, member: int) -> Context:
        from pal_core.kernels import Context

        return Context("prediction", member, self.loaded.settings.run.seed, self.directory)


def run(
    settings: Path | str | Mapping[str, Any],
    *,
    base: Path | str | None = None,
    plugins: PluginHost | None = None,
    observers: Iterable[Observer] = (),
    should_stop: Callable[[], bool] = lambda: False,
    accept_changes: bool = False,
) -> Result:
    """Run to the stop rule in this process: the same controller, hosts and store, without MPI.

    Parameters
    ----------
    settings : path or mapping
        A settings file, or its tables as a dict.
    base : path, optional
        Folder that relative paths in a dict start from; default: the working directory.
    plugins : PluginHost, optional
        Default: the installed ones.
    observers : iterable of Observer
        Told about the run once a second.
    should_stop : callable
        Asked between turns; True ends the run as an interruption.
    accept_changes : bool
        Go on with a run although settings that its data depend on have changed.

    Returns
    -------
    Result

    Raises
    ------
    SettingsError
        With every problem of the settings.
    RunError
        If a kernel raises; the message names it, `RunError.trace` and the run's journal say where.

    Examples
    --------
    >>> result = pal_core.run("toy.toml")  # doctest: +SKIP
    >>> len(result.dataset())  # doctest: +SKIP
    100
    """
    plugins = plugins or PluginHost.discover()
    if isinstance(settings, Mapping):
        loaded = from_dict(settings, Path(base or "."), plugins)
    else:
        loaded = load(settings, plugins)
    plan = make_plan(loaded.settings, _one_process(loaded))
    limit = loaded.settings.stop.wall_time
    past = find_past(loaded)
    setup = Setup(
        loaded,
        plan,
        loaded.directory,
        devices=False,
        accept_changes=accept_changes,
        set=past.set,
        repeats=past.repeats,
        end=None if limit is None else time.time() + limit,
    )
    transport = LocalTransport(setup.wire())
    with ExitStack() as stack:
        manager = ManagerHost(plan.parts[0], setup, poster(transport, "manager"), plugins, observers)
        stack.callback(manager.close)
        hosts = build_hosts(plan.parts, setup, transport)
        for host in hosts:
            stack.callback(_close, host)
        _StoppableLoop([manager, *hosts], transport, manager, should_stop).run()
    if manager.outcome == "failed":
        raise RunError(manager.reason, f"what was labelled is kept in {setup.directory}", manager.trace)
    return Result(loaded, str(manager.outcome), manager.reason)


def _close(host: Host) -> None:
    if not host.halted:
        host.close()


def open_run(settings: Path | str, plugins: PluginHost | None = None) -> Result:
    """The result of a run that was made elsewhere, for example by ``pal run``.

    Its `outcome` is "None" while the run goes on, or if it was killed.

    Raises
    ------
    StoreError, RunError
        If there is no run.
    """
    loaded = load(settings, plugins or PluginHost.discover())
    store = Store(loaded.directory)
    try:
        sessions = store.sessions()
    finally:
        store.close()
    if not sessions:
        raise RunError(f"the run in {loaded.directory} has never begun", f"start it: pal run {settings}")
    return Result(loaded, str(sessions[-1]["outcome"]), str(sessions[-1]["reason"]))


class _StoppableLoop(Loop):
    """A loop that asks between turns whether it should stop."""

    def __init__(
        self, hosts: Sequence[Worker], transport: LocalTransport, manager: ManagerHost, should_stop: Callable[[], bool]
    ) -> None:
        super().__init__(hosts, transport)
        self._manager = manager
        self._should_stop = should_stop
        self._asked = False

    def turn(self) -> bool:
        if not self._asked and self._should_stop():
            self._asked = True
            self._manager.request_stop("asked to stop")
        return super().turn()


def _one_process(loaded: Loaded) -> Processes:
    """Everything on one rank, with one oracle worker."""
    settings = loaded.settings
    return Processes(
        controllers=1,
        prediction=0,
        generator=0,
        oracle=None if settings.oracle is None else 0,
        training=None if settings.training is None else 0,
    )
