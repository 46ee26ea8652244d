"""The form of a status: commands that show one needn't expect anything else."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["is_status", "is_whole"]

_Number = (int, float)
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("phase", "host", "reason"), (str,)),
    **dict.fromkeys(("pid", "steps", "labels", "queue", "rounds"), (int,)),
    **dict.fromkeys(("began", "updated", "seconds", "steps_per_second"), _Number),
    **dict.fromkeys(("progress", "uncertain_share", "seconds_left"), (*_Number, type(None))),
    **dict.fromkeys(("members", "utilisation", "rules"), (dict,)),
    "outcome": (str, type(None)),
}


def is_status(status: Any) -> bool:
    """Whether a value read from a file is a table with an outcome, and what is known of a status has its type."""
    if not isinstance(status, dict) or "outcome" not in status:
        return False
    known = ((status[key], kinds) for key, kinds in _KINDS.items() if key in status)
    flat = all(isinstance(value, kinds) and _is_finite(value) for value, kinds in known)
    parts = _are_numbers(status.get("utilisation", {})) and _are_members(status.get("members", {}))
    return flat and parts and _is_news(status)


def is_whole(status: dict[str, Any]) -> bool:
    """Whether a status can be shown in full."""
    return status.keys() >= _KINDS.keys()


def _is_finite(value: Any) -> bool:
    return not isinstance(value, _Number) or (math.isfinite(value) and abs(value) < 1e15)


def _are_numbers(values: Any) -> bool:
    return isinstance(values, dict) and all(isinstance(v, _Number) and _is_finite(v) for v in values.values())


def _are_members(members: dict[str, Any]) -> bool:
    return all(
        isinstance(m, dict)
        and isinstance(m.get("version"), int)
        and isinstance(m.get("metrics"), dict)
        and _are_numbers({k: v for k, v in m["metrics"].items() if v is not None})
        for m in members.values()
    )


def _is_news(status: dict[str, Any]) -> bool:
    news = status.get("news", [])
    return isinstance(news, list) and all(
        isinstance(n, list) and len(n) == 2 and isinstance(n[0], int) and isinstance(n[1], str) for n in news
    )
