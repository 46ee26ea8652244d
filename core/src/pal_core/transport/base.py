"""What a transport does, and the one that stays within a process."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from pal_core.messages import Message
from pal_core.transport.wire import Wire

__all__ = ["LONGEST_PAUSE", "Delivery", "LocalTransport", "Transport", "readable", "sleep_until_readable"]

LONGEST_PAUSE = 0.02
"""Seconds after which a sleeping process looks for messages although nothing woke it."""

_SELECTABLE = 1024
"""FD_SETSIZE: `select` refuses file descriptors from here on."""

Delivery = tuple[str, str, Message]
"""Receiver's address, sender's address, message."""


class Transport(Protocol):
    """Carries messages between addresses. Nothing here ever waits, but `wait`."""

    def send(self, to: str, sender: str, message: Message) -> None:
        """Take a message for delivery. Messages of one sender to one receiver arrive in order."""

    def receive(self) -> list[Delivery]:
        """Messages that have arrived for the hosts of this process."""

    def wait(self, seconds: float, files: Iterable[int] = ()) -> bool:
        """Sleep until a message may have arrived, a file is readable, or time is up; False if it was time."""

    @property
    def patience(self) -> float:
        """Longest pause, in seconds, that can't make a message late: short where nobody would wake the sleeper."""

    def lost(self) -> list[int]:
        """Ranks found dead or hung since the last call; nothing from them is delivered, or sent to them, any more."""

    def move(self, address: str, rank: int) -> None:
        """From now on another rank speaks as, and hears for, this address."""

    def flush(self, limit: float) -> bool:
        """Go on until every message sent has left this process; False if `limit` seconds weren't enough."""

    def close(self) -> None:
        """Cancel what has not left and release what the transport holds."""


class LocalTransport:
    """In-memory transport for hosts that share a process.

    Messages are encoded and decoded as on any transport, so that a receiver owns what it gets.

    Parameters
    ----------
    wire : Wire
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._buffers: deque[memoryview] = deque()

    def send(self, to: str, sender: str, message: Message) -> None:
        """Encode the message and keep it for the next `receive`."""
        self._buffers.append(self._wire.encode(to, sender, message))

    def receive(self) -> list[Delivery]:
        """Everything sent since the last call, in order."""
        buffers, self._buffers = self._buffers, deque()
        return [self._wire.decode(b) for b in buffers]

    def wait(self, seconds: float, files: Iterable[int] = ()) -> bool:
        """Sleep, unless something is there already."""
        return bool(self._buffers) or sleep_until_readable(seconds, files)

    @property
    def patience(self) -> float:
        """Only this process sends, so that only files can wake it."""
        return LONGEST_PAUSE

    def lost(self) -> list[int]:
        """None: who could tell is gone as well."""
        return []

    def move(self, address: str, rank: int) -> None:
        """Refuse: there is no other process.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(f"{address} can't move to rank {rank}: all hosts share this process")

    def flush(self, limit: float) -> bool:
        """Nothing is ever under way."""
        return True

    def close(self) -> None:
        """Drop undelivered messages."""
        self._buffers.clear()


def sleep_until_readable(seconds: float, files: Iterable[int]) -> bool:
    """Sleep for `seconds`, less if one of the file descriptors becomes readable; True if one has."""
    files = list(files)
    if files:
        return bool(readable(files, seconds))
    time.sleep(seconds)
    return False


def readable(files: Sequence[int], seconds: float) -> list[int]:
    """File descriptors of `files` that can be read from, after at most `seconds`."""
    if max(files) < _SELECTABLE:
        return select.select(files, [], [], seconds)[0]
    # A process with a thousand open connections: `poll` takes any number, but counts in milliseconds.
    poll = select.poll()
    for file in files:
        poll.register(file, select.POLLIN)
    return [file for file, _ in poll.poll(1000 * seconds)]
