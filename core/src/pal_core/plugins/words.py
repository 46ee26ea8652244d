"""Phrases that messages share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pal_core.spec import Role

__all__ = ["a_role", "did_you_mean", "listed"]

_ROLES = {
    Role.GENERATOR: "a generator",
    Role.MODEL: "a model",
    Role.ORACLE: "an oracle",
    Role.SELECTION: "a selection",
    Role.CHECK: "a label check",
}


def a_role(role: Role) -> str:
    """The role with its article."""
    return _ROLES[role]


def listed(names: Iterable[str], last: str = "or") -> str:
    """``'a', 'b' or 'c'``."""
    quoted = [repr(n) for n in names]
    return " ".join(([", ".join(quoted[:-1]), last] if len(quoted) > 1 else []) + quoted[-1:])


def did_you_mean(name: str, known: Iterable[str], heading: str) -> str:
    """Near matches, or, where nothing is near, all that is known under `heading`."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3)
    if near:
        return f"did you mean {listed(near)}?"
    return f"{heading}: {', '.join(known)}" if known else ""
