"""Output of a long run, which must not end because nobody listens any more."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO, cast

import click

from pal_core.reading import plain

__all__ = ["Saying", "say"]


def say(text: str, *, err: bool = False, file: TextIO | None = None) -> None:
    """Print lines that may hold words of kernels, names of files or output of programs: see `plain`."""
    click.echo(plain(text), err=err, file=file)


class _Stream:
    """A text stream that turns to nowhere when its reader has gone: ``pal run | head``, a terminal that was closed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return self._stream.isatty()

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._drop()
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def _drop(self) -> None:
        """Let the file lead nowhere, so that Python's own last flush, at exit, doesn't fail either."""
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


class Saying:
    """Lines for stdout and stderr.

    Parameters
    ----------
    quiet : bool
        Leave out what only tells of progress.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._out = _Stream(sys.stdout)
        self._error = _Stream(sys.stderr)

    @property
    def stream(self) -> TextIO:
        """What stands in for stderr."""
        return cast("TextIO", self._error)

    def out(self, text: str) -> None:
        """A result."""
        self._out.write(f"{plain(text)}\n")

    def error(self, text: str) -> None:
        """A warning, or something that went wrong."""
        self._error.write(f"{plain(text)}\n")

    def progress(self, text: str) -> None:
        """What is going on."""
        if not self._quiet:
            self.error(text)
