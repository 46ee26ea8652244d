"""What a launcher and its ranks tell each other: environment variables, and a file of last words.

This is a light module: a rank reads it before it has imported anything else.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pal_core.reading import parse_json, read_plain

__all__ = [
    "CORES_VARIABLE",
    "END_VARIABLE",
    "LAST_WORDS_VARIABLE",
    "LAUNCHED_VARIABLE",
    "RANKS_VARIABLE",
    "RESTART_VARIABLE",
    "TOKEN_VARIABLE",
    "LastWords",
    "leave_last_words",
    "read_last_words",
]

RANKS_VARIABLE = "PAL_RANKS"
"""Number of ranks that the launcher started, so that a world of another size is noticed."""
LAUNCHED_VARIABLE = "PAL_LAUNCHED"
"""``host:pid`` of `pal run`, which learns of the outcome from the status file: ranks then exit with 0."""
CORES_VARIABLE = "PAL_CORES"
"""Cores that the launcher has made its plan for; ranks may be bound to fewer."""
END_VARIABLE = "PAL_END_TIME"
"""Seconds since 1970 at which the batch job is ended: the run has to have ended before."""
RESTART_VARIABLE = "PAL_RESTART"
"""Why these ranks were started again; the manager writes it into the journal."""
LAST_WORDS_VARIABLE = "PAL_LAST_WORDS"
"""File to which a rank appends why it ends the run by force, or that it was asked to end it."""
TOKEN_VARIABLE = "LAUNCHED_BY_PAL"  # noqa: S105 - it keeps nothing secret
"""By this variable all descendants of a launcher are found, whatever group or session they have put themselves in.

Its name doesn't begin with ``PAL_``: oracles' programs don't get such variables, and must be found too.
"""


@dataclass(frozen=True)
class LastWords:
    """Why a rank ends the run by force.

    Parameters
    ----------
    rank : int
    kind : "error", "exception", "abandoned" or "asked"
        Something that the user can act on and that would come again; an exception of the program itself; hosts that
        gave no answer; no end, but a signal that asked for one.
    text : str
    """

    rank: int
    kind: Literal["error", "exception", "abandoned", "asked"]
    text: str


def leave_last_words(words: LastWords) -> None:
    """Append to the launcher's file, if there is a launcher; what can't be written is printed by the caller anyway."""
    path = os.environ.get(LAST_WORDS_VARIABLE)
    if path:
        with contextlib.suppress(OSError), Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(words)) + "\n")


def read_last_words(path: Path) -> list[LastWords]:
    """What ranks have written, oldest first; half a line, of a rank that was killed over it, is passed over."""
    found = []
    with contextlib.suppress(OSError):
        for line in read_plain(path).decode(errors="replace").splitlines():
            with contextlib.suppress(ValueError, TypeError):
                found.append(LastWords(**parse_json(line)))
    return found
