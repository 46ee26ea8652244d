"""What ``pal status`` and observers are told: one dictionary of plain values, made about once a second."""

from __future__ import annotations

import math
import os
import socket
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from pal_core.control.manager import Manager
from pal_core.runtime.plan import Plan
from pal_core.runtime.traces import Traces

__all__ = ["StatusBoard"]

_RATE_WINDOW = 10
_NEWS = 10
"""Announcements that the status holds: the newest."""


class StatusBoard:
    """Collects pulses and epochs, and reads the manager machine.

    Parameters
    ----------
    machine : Manager
    plan : Plan
    """

    def __init__(self, machine: Manager, plan: Plan) -> None:
        self._machine = machine
        self._plan = plan
        self._began = time.time()
        self._busy: dict[str, float] = {}
        self._counts: dict[str, Mapping[str, float]] = {}
        self._members: dict[int, dict[str, Any]] = {}
        self._points: deque[tuple[float, int, int]] = deque(maxlen=_RATE_WINDOW)
        self.failed_attempts = 0
        self.dropped = 0
        self.faults = 0
        self._announced = 0
        self._news: deque[tuple[int, str]] = deque(maxlen=_NEWS)
        self.traces = Traces()

    def announce(self, text: str) -> None:
        """Something that whoever watches should read; announcements are numbered."""
        self._announced += 1
        self._news.append((self._announced, text))

    def pulse(self, host: str, busy: float, counts: Mapping[str, float]) -> None:
        """A host's share of busy time and its counters."""
        self._busy[host] = busy
        self._counts[host] = counts

    def epoch(self, member: int, version: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """How a member's training goes."""
        # JSON knows no NaN, and other programs read the status.
        finite = {k: v if math.isfinite(v) else None for k, v in metrics.items()}
        self._members[member] = {"version": version, "epoch": epoch, "metrics": finite}

    def make(self, now: float) -> dict[str, Any]:
        """The status at `now` seconds after the start of the session."""
        machine, tally = self._machine, self._machine.tally
        self._points.append((now, tally.steps, tally.labels))
        first = self._points[0]
        span = max(now - first[0], 1e-9)
        steps_rate = (tally.steps - first[1]) / span if len(self._points) > 1 else 0.0
        labels_rate = (tally.labels - first[2]) / span if len(self._points) > 1 else 0.0
        return {
            "phase": machine.phase,
            "outcome": None,
            "reason": machine.reason,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "ranks": self._plan.size,
            "began": self._began,
            "updated": time.time(),
            "seconds": round(now, 1),
            "steps": tally.steps,
            "steps_per_second": round(steps_rate, 1),
            "uncertain_share": tally.uncertain_share,
            "labels": tally.labels,
            "labels_per_second": round(labels_rate, 2),
            "queue": len(machine.queue),
            "labelling": len(machine.queue.flying),
            "rounds": tally.rounds,
            "waiting_labels": machine.rounds.waiting_labels,
            "members": {str(k): v for k, v in sorted(self._members.items())},
            "quarantined": machine.quarantined,
            "faults": self.faults,
            "news": [list(item) for item in self._news],
            "spares": machine.spares,
            "failed_attempts": self.failed_attempts,
            "dropped": self.dropped,
            "walkers_ended": len(tally.ended),
            "utilisation": self._utilisation(),
            "rules": {k: v for k, v in vars_of(tally.rules).items() if v is not None},
            "progress": self._progress(now),
            "seconds_left": self._left(now, labels_rate, steps_rate),
        }

    def _utilisation(self) -> dict[str, float]:
        """Mean busy share of each role's hosts."""
        roles: dict[str, list[float]] = {}
        for host, busy in self._busy.items():
            roles.setdefault(host.split("/")[0], []).append(busy)
        return {role: round(sum(values) / len(values), 3) for role, values in sorted(roles.items())}

    def _shares(self, now: float) -> dict[str, float]:
        tally = self._machine.tally
        done = {"labels": tally.labels, "steps": tally.steps, "rounds": tally.rounds, "wall_time": now}
        limits = {k: getattr(tally.rules, k, self._machine.plan.end) for k in done}
        return {k: done[k] / limit for k, limit in limits.items() if limit}

    def _progress(self, now: float) -> float | None:
        shares = self._shares(now)
        return round(min(max(shares.values()), 1.0), 4) if shares else None

    def _left(self, now: float, labels_rate: float, steps_rate: float) -> float | None:
        """Seconds until the first of the countable stop rules is met, at the present rates."""
        rules, tally = self._machine.tally.rules, self._machine.tally
        guesses = []
        if self._machine.plan.end is not None:
            guesses.append(self._machine.plan.end - now)
        if rules.labels is not None and labels_rate > 0:
            guesses.append((rules.labels - tally.labels) / labels_rate)
        if rules.steps is not None and steps_rate > 0:
            guesses.append((rules.steps - tally.steps) / steps_rate)
        return round(max(min(guesses), 0.0), 1) if guesses else None


def vars_of(record: Any) -> dict[str, Any]:
    """Fields of a dataclass with or without slots."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
