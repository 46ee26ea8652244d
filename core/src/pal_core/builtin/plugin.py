"""The plugin `pal`: toy kernels, selections and label checks for every model, and a file format."""

from __future__ import annotations

from pal_core.builtin.observer import StatusFile
from pal_core.hookspecs import hookimpl
from pal_core.spec import FormatSpec, KernelSpec, Role

__all__ = ["pal_formats", "pal_kernels", "pal_observers"]

_TOYS = (
    KernelSpec(
        "pal.toy-walker",
        Role.GENERATOR,
        "pal_core.builtin.walker:ToyWalker",
        "pal_core.builtin.options:ToyWalkerOptions",
        "Brownian walker in the plane, for tests and first steps",
        frozenset({"bootstrap", "snapshot"}),
    ),
    KernelSpec(
        "pal.toy-model",
        Role.MODEL,
        "pal_core.builtin.model:ToyModel",
        "pal_core.builtin.options:ToyModelOptions",
        "Ridge regression on random Fourier features, learns in milliseconds",
        frozenset({"snapshot", "use"}),
    ),
    KernelSpec(
        "pal.toy-oracle",
        Role.ORACLE,
        "pal_core.builtin.oracle:ToyOracle",
        "pal_core.builtin.options:ToyOracleOptions",
        "The Müller-Brown surface, as slow and as unreliable as you like",
    ),
)
_SELECTIONS = (
    KernelSpec(
        "pal.threshold",
        Role.SELECTION,
        "pal_core.builtin.selection:Threshold",
        "pal_core.builtin.selection_options:ThresholdOptions",
        "Labels samples whose committee standard deviation is above a limit",
    ),
    KernelSpec(
        "pal.random",
        Role.SELECTION,
        "pal_core.builtin.selection:Random",
        "pal_core.builtin.selection_options:RandomOptions",
        "Labels a random share of samples",
    ),
    KernelSpec(
        "pal.all",
        Role.SELECTION,
        "pal_core.builtin.selection:All",
        "pal_core.options:KernelOptions",
        "Labels every sample",
    ),
)
_CHECKS = (
    KernelSpec(
        "pal.finite",
        Role.CHECK,
        "pal_core.builtin.check:Finite",
        "pal_core.options:KernelOptions",
        "Quarantines labels that are not finite",
    ),
    KernelSpec(
        "pal.residual",
        Role.CHECK,
        "pal_core.builtin.residual:Residual",
        "pal_core.builtin.check_options:ResidualOptions",
        "Quarantines labels much further from the committee's mean than others have been",
    ),
)


@hookimpl
def pal_kernels() -> tuple[KernelSpec, ...]:
    """Toy kernels, selections and checks."""
    return _TOYS + _SELECTIONS + _CHECKS


@hookimpl
def pal_formats() -> tuple[FormatSpec, ...]:
    """NumPy archives."""
    return (
        FormatSpec(
            "npz",
            (".npz",),
            "pal_core.builtin.npz:read",
            "pal_core.builtin.npz:write",
            "NumPy archive of columns, with units and origin",
        ),
    )


@hookimpl
def pal_observers() -> tuple[StatusFile, ...]:
    """The status file."""
    return (StatusFile(),)
