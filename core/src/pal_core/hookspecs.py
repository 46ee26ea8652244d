"""Every hook that PAL calls in plugins. A plugin is a light module under the entry-point group ``pal``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from pal_core.observe import Observer
    from pal_core.spec import FormatSpec, KernelSpec

__all__ = ["hookimpl", "hookspec", "pal_commands", "pal_formats", "pal_kernels", "pal_observers"]

hookspec = pluggy.HookspecMarker("pal")
hookimpl = pluggy.HookimplMarker("pal")


@hookspec
def pal_kernels() -> Iterable[KernelSpec]:
    """Kernels of this plugin.

    Called by every command that names kernels, and on rank 0 of a run. Must not import anything heavy: targets are
    strings. A name that another package has already given is an error that names both packages. If it raises, the
    plugin is listed as broken, and a settings file that names one of its kernels is refused with the cause.
    """
    raise NotImplementedError


@hookspec
def pal_formats() -> Iterable[FormatSpec]:
    """File formats for initial data (``[data] initial``) and for ``pal export --format``.

    Called when a file is read or written, on rank 0 or in the command. Same rules as `pal_kernels`.
    """
    raise NotImplementedError


@hookspec
def pal_commands() -> Iterable[click.Command]:
    """Commands to add to ``pal``.

    Called when the command line is built, in the user's process. Heavy imports belong inside the command. A command
    whose name is taken is refused by a warning that names both packages; if the hook raises, ``pal`` warns and goes on.
    """
    raise NotImplementedError


@hookspec
def pal_observers() -> Iterable[Observer]:
    """Objects that are told about the run.

    Called once on the manager's rank when the run starts. An observer that raises is dropped with a line in
    the log; the run goes on.
    """
    raise NotImplementedError
