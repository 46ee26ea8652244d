"""What a transport does, and the one that stays within a process."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from pal_core.messages import Message
from pal_core.transport.wire import Wire

__all__ = ["Delivery", "LocalTransport", "Transport", "sleep_until_readable"]

Delivery = tuple[str, str, Message]
"""Receiver's address, sender's address, message."""


class Transport(Protocol):
    """Carries messages between addresses. Nothing here ever waits, but `wait`."""

    def send(self, to: str, sender: str, message: Message) -> None:
        """Take a message for delivery. Messages of one sender to one receiver arrive in order."""

    def receive(self) -> list[Delivery]:
        """Messages that have arrived for the hosts of this process."""

    def wait(self, seconds: float, files: Iterable[int] = ()) -> None:
        """Sleep until a message may have arrived, one of the file descriptors is readable, or time is up."""

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
        self._buffers: deque[bytearray] = deque()

    def send(self, to: str, sender: str, message: Message) -> None:
        """Encode the message and keep it for the next `receive`."""
        self._buffers.append(self._wire.encode(to, sender, message))

    def receive(self) -> list[Delivery]:
        """Everything sent since the last call, in order."""
        buffers, self._buffers = self._buffers, deque()
        return [self._wire.decode(b) for b in buffers]

    def wait(self, seconds: float, files: Iterable[int] = ()) -> None:
        """Sleep, unless something is there already."""
        if not self._buffers:
            sleep_until_readable(seconds, files)

    def flush(self, limit: float) -> bool:
        """Nothing is ever under way."""
        return True

    def close(self) -> None:
        """Drop undelivered messages."""
        self._buffers.clear()


def sleep_until_readable(seconds: float, files: Iterable[int]) -> None:
    """Sleep for `seconds`, less if one of the file descriptors becomes readable."""
    files = list(files)
    if files:
        select.select(files, [], [], seconds)
    else:
        time.sleep(seconds)
