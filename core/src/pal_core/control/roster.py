"""Who of the hosts is ready, runs, has been told to halt, has halted, or is being replaced."""

from __future__ import annotations

from collections.abc import Collection, Iterable

__all__ = ["Roster"]


class Roster:
    """Book-keeping of hosts.

    Parameters
    ----------
    hosts : iterable of str
        Every host but the manager itself.
    spares : int
        Idle ranks that can take a lost host over.
    """

    def __init__(self, hosts: Iterable[str], spares: int = 0) -> None:
        self.unready = set(hosts)
        self.running = set(self.unready)
        self.told: set[str] = set()
        self.saved: set[str] = set()
        self.away: dict[str, float] = {}
        self.spares = spares

    def ready(self, host: str) -> bool:
        """A host has voted; True if it was waited for."""
        if host not in self.unready:
            return False
        self.unready.remove(host)
        return True

    def lost(self, hosts: Iterable[str], now: float) -> bool:
        """These hosts, of one rank, are lost; True if a spare rank takes them over."""
        if not self.spares:
            return False
        self.spares -= 1
        self.away |= dict.fromkeys(hosts, now)
        return True

    def back(self, host: str) -> bool:
        """A host that was lost runs again; False if it wasn't away."""
        return self.away.pop(host, None) is not None

    def overdue(self, before: float) -> tuple[str, ...]:
        """Hosts that were lost before that time and aren't back."""
        return tuple(h for h, since in self.away.items() if since < before)

    def tell(self, hosts: Iterable[str]) -> list[str]:
        """Those of the hosts that haven't been told to halt; from now on they have."""
        fresh = [h for h in hosts if h not in self.told]
        self.told.update(fresh)
        return fresh

    def gone(self, hosts: Collection[str]) -> None:
        """These hosts have halted or are done without; who was not told by the manager was told by the exchange."""
        self.running.difference_update(hosts)
        self.told.update(hosts)
        for host in hosts:
            self.away.pop(host, None)
