"""Spare ranks that take over lost ones, on the manager's side."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence

from pal_core import messages as m
from pal_core.control import vocabulary as v
from pal_core.runtime.generator import LIFE
from pal_core.runtime.plan import Plan

__all__ = ["Replacing"]

_log = logging.getLogger("pal.manager")


class Replacing:
    """Knows which hosts live where, and which spares are left.

    Parameters
    ----------
    plan : Plan
    post : callable
        ``post(to, message)`` sends.
    """

    def __init__(self, plan: Plan, post: Callable[[str, m.Message], None]) -> None:
        self._plan = plan
        self._post = post
        self._where = dict(plan.ranks)
        self._spares = deque(plan.addresses("spare"))
        self._gone: set[str] = set()
        self.times: Counter[str] = Counter()

    def lost(self, rank: int) -> v.HostsLost | None:
        """What the machine must know of the loss of a rank."""
        hosts = tuple(a for a, r in self._where.items() if r == rank and a not in self._gone)
        self._gone.update(hosts)
        working = tuple(h for h in hosts if not h.startswith("spare/"))
        self._spares = deque(s for s in self._spares if s not in hosts)
        if not hosts:
            return None
        node = f" on {self._plan.nodes[rank]}" if self._plan.nodes[rank] else ""
        walkers = tuple(i for p in self._plan.role("generator") if p.address in hosts for i in p.indices)
        return v.HostsLost(working, f"rank {rank}{node} is gone ({', '.join(hosts)})", walkers)

    def replace(self, hosts: Sequence[str]) -> str:
        """Let the next spare be these hosts; returns what has been done, in words."""
        spare = self._spares.popleft()
        rank = self._where[spare]
        self.times.update(hosts)
        for host in hosts:
            self._where[host] = rank
        self._post("exchange", m.Lost(tuple(hosts)))
        self._post(spare, m.Take(tuple(hosts), max(self.times[h] for h in hosts)))
        for address in self._where:
            if address not in self._gone:
                self._post(address, m.Moved(tuple(hosts), rank))
        self._gone.difference_update(hosts)
        return f"rank {rank} takes over {', '.join(hosts)}"

    def forgo(self, hosts: Sequence[str]) -> str:
        """Do without these hosts."""
        self._post("exchange", m.Lost(tuple(hosts)))
        return f"the run goes on without {', '.join(hosts)}"

    def back(self, host: str) -> None:
        """Tell the exchange that a host of its own runs again."""
        if host.startswith(("generator/", "prediction/")):
            self._post("exchange", m.Back(host, self.times[host] * LIFE))

    def rank(self, host: str) -> int:
        """Where a host lives now."""
        return self._where[host]

    def present(self) -> list[str]:
        """Addresses that can still be told something, the manager apart."""
        return [a for a in self._where if a not in self._gone and a != "manager"]
