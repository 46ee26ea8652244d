"""Errors that PAL reports to its user in one message, without a traceback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = ["KernelNotFound", "PalError", "PluginError", "Problem", "SettingsError"]


class PalError(Exception):
    """Something the user can act on.

    Parameters
    ----------
    message : str
        What was wanted, what was found and who is at fault.
    hint : str
        What to do next; empty where the message says it.
    """

    exit_code: ClassVar[int] = 1
    """Exit code of a command that ends with this error; see `pal_core.cli.exit_codes`."""
    passes: ClassVar[bool] = False
    """Whether it is over once the ranks are started again."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class PluginError(PalError):
    """A plugin can't be used: it is broken, needs another pal-core, or clashes with another."""

    exit_code = 2


class KernelNotFound(PalError):
    """No kernel, or no kernel of the wanted role, has this name.

    Parameters
    ----------
    found, expected, hint : str
        As in `Problem`.
    """

    exit_code = 2

    def __init__(self, found: str, expected: str, hint: str = "") -> None:
        super().__init__(f"found {found}, expected {expected}", hint)
        self.found = found
        self.expected = expected


@dataclass(frozen=True)
class Problem:
    """One mistake in a settings file.

    Parameters
    ----------
    key : str
        Dotted key, e.g. ``"generator.options.temperature"``; empty for the file as a whole.
    found : str
        What is there.
    expected : str
        What should be there; empty where `found` says it ("unknown key").
    hint : str
        What to do next.
    line : int or None
        Line in the file, from 1; None for settings that come from no file.
    """

    key: str
    found: str
    expected: str = ""
    hint: str = ""
    line: int | None = None

    def __str__(self) -> str:
        text = f"found {self.found}, expected {self.expected}" if self.expected else self.found
        return ": ".join(t for t in (self.key, text) if t) + (f"; {self.hint}" if self.hint else "")

    def to_json(self) -> dict[str, Any]:
        """Plain values, as ``pal check --json`` prints them."""
        return {
            "line": self.line,
            "key": self.key,
            "found": self.found,
            "expected": self.expected,
            "hint": self.hint,
            "message": str(self),
        }


class SettingsError(PalError):
    """Every problem of a settings file.

    Parameters
    ----------
    problems : sequence of Problem
    source : str
        Name of the file, or what the settings come from.
    """

    exit_code = 2

    def __init__(self, problems: Sequence[Problem], source: str = "settings") -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__("\n".join(self.located(p) for p in self.problems))

    def located(self, problem: Problem) -> str:
        """``file:line: key: ...``, as editors understand it."""
        place = self.source if problem.line is None else f"{self.source}:{problem.line}"
        return f"{place}: {problem}"
