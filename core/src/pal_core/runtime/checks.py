"""The label checks of a run, on the manager's rank."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from pal_core import messages as m
from pal_core.data import Field, Schema
from pal_core.data.committee import as_floats
from pal_core.errors import PalError
from pal_core.kernels import Context, Expected, Label, LabelCheck, Sample, State
from pal_core.runtime.host import Setup, close_all
from pal_core.settings.kernels import ResolvedKernel

__all__ = ["CheckRaised", "Checks", "expected_columns", "expected_from", "expected_schema"]

_log = logging.getLogger("pal.manager")


_STD = ".std"


def expected_schema(predicted: Schema) -> Schema:
    """Columns in which a store keeps what the committee expected: every predicted field, and its deviation."""
    floats = as_floats(predicted)
    return Schema([*floats.values(), *(Field(f.name + _STD, "float64", f.shape, f.unit) for f in floats.values())])


def expected_columns(mean: Mapping[str, Any], std: Mapping[str, Any]) -> dict[str, Any]:
    """One sample's values of `expected_schema`."""
    return {**mean, **{name + _STD: value for name, value in std.items()}}


def expected_from(columns: Mapping[str, Any] | None, version: int) -> Expected | None:
    """Undo `expected_columns`."""
    if columns is None:
        return None
    mean = {name: value for name, value in columns.items() if not name.endswith(_STD)}
    return Expected(mean, {name: columns[name + _STD] for name in mean}, version)


class CheckRaised(Exception):
    """A check has raised instead of judging; `message` tells the manager of it."""

    def __init__(self, message: m.Broken) -> None:
        super().__init__(message.what)
        self.message = message


class Checks:
    """All checks, asked in the order of the settings.

    Parameters
    ----------
    setup : Setup
    note : callable
        Takes the kernels' notes.

    Raises
    ------
    PalError
        If a check can't be built.
    """

    def __init__(self, setup: Setup, note: Callable[[str], None]) -> None:
        self._checks = [(kernel, _build(setup, kernel, i, note)) for i, kernel in enumerate(setup.loaded.checks)]

    def objection(self, sample: Sample, label: Label, expected: Expected | None) -> str | None:
        """What the first check that objects to a label says, None if none does.

        `expected` is what the committee said of the sample, None where there was none.

        Raises
        ------
        CheckRaised
            If a check raises.
        """
        for kernel, check in self._checks:
            try:
                reason = check.check(sample, label, expected)
            except Exception as error:
                raise _raised(kernel, error) from error
            if reason is not None:
                return reason
        self.remember(sample, label)
        return None

    def remember(self, sample: Sample, label: Label) -> None:
        """Tell all checks of a label that is admitted: they judge later ones by it.

        `objection` does so by itself for what it lets pass.

        Raises
        ------
        CheckRaised
            If a check raises.
        """
        for kernel, check in self._checks:
            try:
                check.remember(sample, label)
            except Exception as error:
                raise _raised(kernel, error) from error

    def snapshot(self) -> State:
        """What all checks remember, under ``<number>/<kernel>/<name>``.

        Raises
        ------
        CheckRaised
            If a check raises.
        """
        state = {}
        for i, (kernel, check) in enumerate(self._checks):
            try:
                state.update({f"{_prefix(i, kernel)}{name}": value for name, value in check.snapshot().items()})
            except Exception as error:
                raise _raised(kernel, error) from error
        return state

    def restore(self, state: State) -> None:
        """Give every check back what it remembered; one that is new, or stands elsewhere, begins afresh.

        Raises
        ------
        CheckRaised
            If a check raises.
        """
        for i, (kernel, check) in enumerate(self._checks):
            prefix = _prefix(i, kernel)
            own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            try:
                if own:
                    check.restore(own)
            except Exception as error:
                raise _raised(kernel, error) from error

    def close(self) -> None:
        """Close all checks."""
        close_all([check for _, check in self._checks])


def _prefix(index: int, kernel: ResolvedKernel) -> str:
    return f"{index}/{kernel.spec.name}/"


def _raised(kernel: ResolvedKernel, error: Exception) -> CheckRaised:
    """Only to be called while `error` is handled."""
    what = f"{type(error).__name__}: {error}"
    return CheckRaised(m.Broken(kernel.spec.name, "check", what, traceback.format_exc()))


def _build(setup: Setup, kernel: ResolvedKernel, index: int, note: Callable[[str], None]) -> LabelCheck:
    context = Context("check", index, setup.loaded.settings.run.seed, setup.directory, note=note)
    try:
        check: LabelCheck = setup.build(kernel, context)
    except Exception as error:
        _log.exception("a label check can't be built")
        raise PalError(f"kernel {kernel.spec.name}, settings table [check]: {type(error).__name__}: {error}") from error
    return check
