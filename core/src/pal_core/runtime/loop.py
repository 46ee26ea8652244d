"""The loop of a process: takes messages in, lets its hosts work, sleeps when there is nothing to do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from pal_core import messages as m
from pal_core.errors import PalError
from pal_core.runtime.plan import SPARE
from pal_core.transport.base import Transport

__all__ = ["ControllerLostError", "Loop", "Worker"]

SHORTEST_PAUSE = 2e-5
"""Seconds. Pauses grow from here to the transport's patience, and begin anew whenever something happens."""


class ControllerLostError(PalError):
    """The rank that holds the run together is gone."""

    passes = True


class Worker(Protocol):
    """What the loop knows of a host."""

    address: str
    left: bool

    def start(self) -> None:
        """Build kernels and vote."""

    def receive(self, sender: str, message: m.Message) -> None:
        """Take a message."""

    def tick(self, now: float) -> None:
        """Look at the clock."""

    def work(self, now: float) -> bool:
        """Do a piece of work; True if there was any."""

    def files(self) -> list[int]:
        """File descriptors that wake the host."""

    def lost(self, ranks: Sequence[int]) -> None:
        """Hear that the processes of these ranks are gone."""


class Loop:
    """Runs the hosts of one process until every one has been told to leave.

    Parameters
    ----------
    hosts : sequence of Worker
    transport : Transport
    """

    def __init__(self, hosts: Sequence[Worker], transport: Transport) -> None:
        self._hosts = {h.address: h for h in hosts}
        self._transport = transport
        self._early: dict[str, list[tuple[str, m.Message]]] = {}

    def add(self, host: Worker) -> None:
        """Take a host in that was lost elsewhere, start it, and give it what has come for it already."""
        self._hosts[host.address] = host
        host.start()
        for sender, message in self._early.pop(host.address, ()):
            host.receive(sender, message)

    def run(self) -> None:
        """Start the hosts and go on until all have left.

        Raises
        ------
        ControllerLostError
            If rank 0 is lost.
        """
        for host in self._hosts.values():
            host.start()
        pause = SHORTEST_PAUSE
        while not all(h.left for h in self._hosts.values()):
            if self.turn():
                pause = SHORTEST_PAUSE
            else:
                files = [f for h in self._hosts.values() for f in h.files()]
                woken = self._transport.wait(pause, files)
                pause = SHORTEST_PAUSE if woken else min(2 * pause, self._transport.patience)
        self.turn()

    def turn(self) -> bool:
        """One turn; True if anything happened."""
        deliveries = self._transport.receive()
        for to, sender, message in deliveries:
            if isinstance(message, m.Moved):
                for address in message.hosts:
                    self._transport.move(address, message.rank)
            if to in self._hosts:
                self._hosts[to].receive(sender, message)
            elif any(h.startswith(f"{SPARE}/") for h in self._hosts):  # this rank is about to take the host over
                self._early.setdefault(to, []).append((sender, message))
            else:
                raise KeyError(f"{to} is not on this rank: {message} of {sender}")
        lost = self._transport.lost()
        if lost:
            self._tell_lost(lost)
        now = time.monotonic()
        worked = False
        for host in list(self._hosts.values()):
            host.tick(now)
            worked = host.work(now) or worked
        return bool(deliveries) or worked

    def _tell_lost(self, ranks: Sequence[int]) -> None:
        if 0 in ranks:
            raise ControllerLostError(
                "the controller's rank is gone: this one ends too", "pal run goes on from the store"
            )
        for host in self._hosts.values():
            host.lost(ranks)
