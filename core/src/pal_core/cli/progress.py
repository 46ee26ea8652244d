"""How a run's status is shown: a few lines that are redrawn on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any, TextIO

from pal_core.cli.saying import say
from pal_core.reading import plain

__all__ = ["Progress", "describe", "one_line"]

_LINE_EVERY = 10.0
_BAR = 30


def duration(seconds: float | None) -> str:
    """Seconds in words, e.g. ``"3 min 20 s"``."""
    if seconds is None:
        return "unknown"
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def one_line(status: dict[str, Any]) -> str:
    """What the run is doing, in a line."""
    share = status["uncertain_share"]
    parts = [
        f"{status['phase']:<13}",
        f"{duration(status['seconds']):>12}",
        f"labels {status['labels']}{_of(status, 'labels')}",
        f"steps {status['steps']}{_of(status, 'steps')} ({status['steps_per_second']:g}/s)",
        f"uncertain {'-' if share is None else format(share, '.1%')}",
        f"queue {status['queue']}",
        f"rounds {status['rounds']}{_of(status, 'rounds')}",
    ]
    return "  ".join(parts)


def _of(status: dict[str, Any], rule: str) -> str:
    limit = status["rules"].get(rule)
    return f"/{limit}" if limit else ""


def describe(status: dict[str, Any]) -> list[str]:
    """The status in a few lines."""
    progress = status["progress"]
    done = int(_BAR * (progress or 0.0))
    bar = f"[{'#' * done}{'.' * (_BAR - done)}] {'' if progress is None else format(progress, '4.0%')}"
    lines = [one_line(status)]
    if status["outcome"] is None:
        lines.append(f"{bar}  time left to the stop rule: {duration(status['seconds_left'])}")
    if status["members"]:
        versions = " ".join(f"{k}:{v['version']}" for k, v in status["members"].items())
        lines.append(f"model versions {versions}   {_errors(status)}")
    busy = "  ".join(f"{role} {share:.0%}" for role, share in status["utilisation"].items())
    troubles = [
        f"{status[k]} {k.replace('_', ' ')}"
        for k in ("failed_attempts", "quarantined", "dropped", "faults")
        if status.get(k)
    ]
    lines.append(f"busy: {busy or '-'}" + (f"   {', '.join(troubles)}" if troubles else ""))
    return lines


def _errors(status: dict[str, Any]) -> str:
    """Mean over members of the errors on held-out samples."""
    found: dict[str, list[float]] = {}
    for member in status["members"].values():
        for name, value in member["metrics"].items():
            if name.startswith("validation_") and value is not None:
                found.setdefault(name.removeprefix("validation_"), []).append(value)
    if not found:
        return ""
    return "validation: " + "  ".join(f"{name} {sum(v) / len(v):.4g}" for name, v in sorted(found.items()))


class Progress:
    """Shows statuses as they come.

    Parameters
    ----------
    stream : TextIO
    quiet : bool
        Show nothing.
    clock : callable
        Seconds, for the pace of plain lines.
    """

    def __init__(self, stream: TextIO, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._quiet = quiet
        self._live = stream.isatty()
        self._clock = clock
        self._drawn = 0
        self._last = -_LINE_EVERY
        self._phase = ""
        self._read: tuple[float | None, int] = (None, 0)

    def __call__(self, status: dict[str, Any]) -> None:
        """Show a status, and what has been announced since the last one."""
        if self._quiet:
            return
        self._announce(status)
        if self._live:
            self._redraw(describe(status))
        elif status["phase"] != self._phase or self._clock() - self._last >= _LINE_EVERY:
            self._phase, self._last = status["phase"], self._clock()
            say(one_line(status), file=self._stream)

    def _announce(self, status: dict[str, Any]) -> None:
        """Print announcements above what is redrawn; each start of the ranks counts anew."""
        began, read = self._read
        read = read if began == status.get("began") else 0
        fresh = [text for number, text in status.get("news", ()) if number > read]
        if fresh and self._live:
            self._redraw([])
        for text in fresh:
            say(text, file=self._stream)
        self._read = (status.get("began"), max([read, *(number for number, _ in status.get("news", ()))]))

    def _redraw(self, lines: list[str]) -> None:
        width = shutil.get_terminal_size().columns
        text = f"\x1b[{self._drawn}F" if self._drawn else ""
        text += "".join(f"\x1b[2K{plain(line)[:width]}\n" for line in lines)
        text += "\x1b[J"
        self._stream.write(text)
        self._stream.flush()
        self._drawn = len(lines)
