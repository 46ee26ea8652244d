"""Talking to an interactive program over pipes: wait for a prompt that is known, then answer."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from pal_core.kernels import FailureKind, OracleFailure

from pal_turbomole.running import evidence, kill

__all__ = ["Conversation", "Heard"]

_BLOCK = 65536


class Heard:
    """What a program said when it was expected to.

    Parameters
    ----------
    name : str
        Which of the prompts it was.
    match : re.Match
    before : str
        What it said since the last answer, with the prompt.
    """

    def __init__(self, name: str, match: re.Match[str], before: str) -> None:
        self.name, self.match, self.before = name, match, before


class Conversation:
    """A running program.

    Parameters
    ----------
    name, program : str
        Its name and path.
    folder : Path
        Where it runs.
    environment : mapping of str to str
    limit : float
        Time that the whole conversation may take [s].
    refusals : mapping of str to (str, str)
        What may be said at any time, as regular expressions, and what it means: the kind of an `OracleFailure` and
        its message, which may have ``{}`` for the expression's first group.
    """

    def __init__(
        self,
        name: str,
        program: str,
        folder: Path,
        environment: Mapping[str, str],
        *,
        limit: float,
        refusals: Mapping[str, tuple[FailureKind, str]],
    ) -> None:
        self._name, self._limit, self._refusals = name, limit, refusals
        self._until = time.monotonic() + limit
        self._said, self._since = "", 0
        self._ended = False
        try:
            # Its last words come on standard error.
            self._process = subprocess.Popen(  # noqa: S603 - a part of the user's Turbomole, without arguments
                [program],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
            )
        except OSError as e:
            raise OracleFailure("crashed", f"{name} can't be started: {e}") from e

    def __enter__(self) -> Conversation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        kill(self._process)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def expect(self, **prompts: str) -> Heard:
        """Wait for one of several prompts.

        Parameters
        ----------
        **prompts : str
            Regular expressions by name. The one that is said first counts.

        Raises
        ------
        OracleFailure
            If the program says one of `refusals`, ends, or says nothing that is expected in time.
        """
        while True:
            text = self._said[self._since :]
            self._refuse(text)
            found = [(m.end(), n, m) for n, p in prompts.items() if (m := re.search(p, text))]
            if found:
                end, name, match = min(found, key=lambda f: f[0])
                self._since += end
                return Heard(name, match, text[:end])
            if self._ended:
                wanted = " or ".join(prompts)
                raise self._failure("crashed", f"{self._name} ended where {wanted} was expected")
            self._listen(" or ".join(prompts))

    def answer(self, text: str) -> None:
        """Say one line."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.write(f"{text}\n".encode())
        except BrokenPipeError:
            raise self._failure("crashed", f"{self._name} ended before the answer {text!r}") from None

    def _listen(self, wanted: str) -> None:
        left = self._until - time.monotonic()
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        stream = self._process.stdout.fileno()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            text = f"{self._name} did not come to {wanted} within define_limit = {self._limit:g} s"
            raise self._failure("timeout", text)
        block = os.read(stream, _BLOCK)
        self._ended = not block
        self._said += block.decode(errors="replace").replace("\r", "")

    def _refuse(self, text: str) -> None:
        for pattern, (kind, message) in self._refusals.items():
            if found := re.search(pattern, text):
                first = found[1].strip() if found.re.groups else ""
                raise self._failure(kind, message.format(first))

    def _failure(self, kind: FailureKind, message: str) -> OracleFailure:
        return OracleFailure(kind, message, evidence(self._said))
