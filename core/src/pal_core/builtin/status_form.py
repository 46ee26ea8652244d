"""The form of a status: commands that show one needn't expect anything else."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["is_status"]

_Number = (int, float)
_NEEDED: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("phase", "host", "reason"), (str,)),
    **dict.fromkeys(("pid", "steps", "labels", "queue", "rounds"), (int,)),
    **dict.fromkeys(("began", "updated", "seconds", "steps_per_second"), _Number),
    **dict.fromkeys(("progress", "uncertain_share", "seconds_left"), (*_Number, type(None))),
    **dict.fromkeys(("members", "utilisation", "rules"), (dict,)),
    "outcome": (str, type(None)),
}


def is_status(status: Any) -> bool:
    """Whether a value read from a file has what a status must have, in the types that it has there."""
    if not isinstance(status, dict) or not status.keys() >= _NEEDED.keys():
        return False
    flat = all(isinstance(status[key], kinds) and _is_finite(status[key]) for key, kinds in _NEEDED.items())
    return flat and _are_numbers(status["utilisation"]) and _are_members(status["members"]) and _is_news(status)


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
