"""One start of a run's ranks: mpiexec, what it prints, and what is left of it afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pal_core.launch.names import LAST_WORDS_VARIABLE, TOKEN_VARIABLE, LastWords, read_last_words
from pal_core.launch.processes import end_descendants, living_ranks

__all__ = ["Ranks"]

_TAIL = 4000
PATIENCE = 3.0
"""Seconds that mpiexec has to end its ranks, those of other nodes too, before it and they are killed."""
_LOOK_EVERY = 1.0
_GROWTH_LIMIT = 10.0
"""Seconds in which mpiexec starts one rank more, if there are more to come."""
LONGEST, HEAD, TAIL = 5_000_000, 1 << 20, 1 << 16
"""Bytes of the log at which its middle is cut out, and those of beginning and end that stay in it."""
_KILLED = frozenset({-signal.SIGTERM, -signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGINT})
_COMPLAINTS = ("exited on signal", "non-zero", "aborted", "MPI_ABORT")


class Ranks:
    """Ranks from their start until nothing of them lives on this machine.

    Parameters
    ----------
    command : list of str
    environment : mapping
        Holds the token by which descendants are known.
    directory : Path
        The run directory; the output goes to ``logs/mpiexec.log`` there, see `shorten_log`.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str], directory: Path) -> None:
        self.log = directory / "logs" / "mpiexec.log"
        self._words = directory / "logs" / "last-words.jsonl"
        self._ended_here = False
        self._token = environment[TOKEN_VARIABLE]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._words.unlink(missing_ok=True)
        self._looked, self._grown, self._most = 0.0, 0.0, 0
        self._measured = 0.0
        # Unbuffered, and for appending: what mpiexec has inherited may be cut short under it.
        self._output = self.log.open("a+b", buffering=0)
        try:
            self._begin = self._output.seek(0, os.SEEK_END)
            self._process = subprocess.Popen(  # noqa: S603 - our own worker, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                env={**environment, LAST_WORDS_VARIABLE: str(self._words.absolute())},
                start_new_session=True,
            )
        except BaseException:
            self._output.close()
            raise

    @property
    def code(self) -> int | None:
        """Exit code of mpiexec; None while it runs."""
        return self._process.poll()

    def given_up(self, now: float, begun: bool, expected: int) -> bool:
        """Whether mpiexec waits for ranks that will never end, where ranks outlive each other.

        So it does when none lives any more, or when one has died while all were still getting to know each other
        (`begun` is False then): the others wait for it.

        Parameters
        ----------
        now : float
        begun : bool
        expected : int
            Ranks on this machine; 0 if that isn't known.
        """
        if now - self._looked < _LOOK_EVERY:
            return False
        self._looked = now
        alive = len(living_ranks(self._token))
        if alive > self._most:
            self._most, self._grown = alive, now
        if alive < self._most and (alive == 0 or not begun):
            return True
        return not begun and 0 < alive < expected and now - self._grown > _GROWTH_LIMIT

    def end(self) -> None:
        """End mpiexec and all that it has started: politely, then by force, then whatever is left."""
        if self.code is None:
            self._ended_here = True
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(PATIENCE)
                    break
        end_descendants(self._token)

    def close(self) -> None:
        """Close the log."""
        self._output.close()

    def shorten_log(self, now: float) -> None:
        """Cut the middle out of a log that has grown long; looks once a second however often it is called.

        The file stays the same, since mpiexec writes to it all the time. Its last `LONGEST` bytes go to a file with
        ``.1`` after its name first.
        """
        if now - self._measured < _LOOK_EVERY:
            return
        self._measured = now
        size = os.fstat(self._output.fileno()).st_size
        if size > LONGEST:
            with contextlib.suppress(OSError):  # a full disk, a directory that somebody has removed
                self._keep_older(self._last(size, LONGEST))
            tail = self._last(size, TAIL)
            self._output.truncate(HEAD)
            note = b"\n[%d bytes are left out]\n" % (size - HEAD - len(tail))
            if self._begin > HEAD:
                self._begin = HEAD + len(note) + max(0, self._begin - (size - len(tail)))
            with contextlib.suppress(OSError):
                self._output.write(note + tail)

    def _last(self, size: int, count: int) -> bytes:
        self._output.seek(max(0, size - count))
        return self._output.read(count)

    def _keep_older(self, text: bytes) -> None:
        older = self.log.with_name(f"{self.log.name}.1")
        older.unlink(missing_ok=True)
        with older.open("xb") as file:  # through no link
            file.write(text)

    def output(self) -> str:
        """The end of what was printed; also if somebody has removed the file."""
        end = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(end - _TAIL, min(self._begin, end)))
        return self._output.read().decode(errors="replace").strip()

    def last_words(self) -> list[LastWords]:
        """Why ranks have ended the run by force, if they did."""
        return [w for w in self._all_words() if w.kind != "asked"]

    def _all_words(self) -> list[LastWords]:
        return read_last_words(self._words)

    def was_asked(self) -> bool:
        """Whether mpiexec was told to end, by SIGTERM or SIGINT from outside.

        Open MPI's mpiexec hands that on to the ranks, ends them 0.3 s later, and ends with code 1, without a word; of
        ranks that died it complains. MPICH's leaves the signal to the ranks.
        """
        if self._ended_here:
            return False
        heard = {w.kind for w in self._all_words()} == {"asked"}
        silent = not any(c in self.output() for c in _COMPLAINTS)
        return self.code in _KILLED or (self.code == 1 and heard and silent)
