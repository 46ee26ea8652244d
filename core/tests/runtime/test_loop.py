"""The loop of a process."""

from __future__ import annotations

import pytest

from pal_core import messages as m
from pal_core.runtime import loop as module
from pal_core.runtime.loop import SHORTEST_PAUSE, Loop
from pal_core.transport.base import LocalTransport
from pal_core.transport.wire import Wire


class Guest:
    """A host that keeps a diary; works for the first `work_for` turns."""

    def __init__(self, address: str, diary: list, work_for: int = 0, files: tuple[int, ...] = ()) -> None:
        self.address, self.diary, self.work_for, self._files = address, diary, work_for, list(files)
        self.left = False

    def start(self):
        self.diary.append((self.address, "start"))

    def receive(self, sender, message):
        self.diary.append((self.address, type(message).__name__, sender))
        self.left = self.left or isinstance(message, m.Leave)

    def tick(self, now):
        self.diary.append((self.address, "tick"))

    def work(self, now):
        self.work_for -= 1
        return self.work_for >= 0

    def files(self):
        return self._files


class Sleepless(LocalTransport):
    """Notes how long it was asked to wait, and never does; says goodbye after so many waits."""

    patience = 1e-3

    def __init__(self, leave_after: int, woken_at: tuple[int, ...] = ()) -> None:
        super().__init__(Wire([]))
        self.waits: list[float] = []
        self.files: list[list[int]] = []
        self.leave_after, self.woken_at = leave_after, woken_at

    def wait(self, seconds, files=()):
        self.waits.append(seconds)
        self.files.append(list(files))
        if len(self.waits) == self.leave_after:
            self.send("a", "manager", m.Leave())
        return len(self.waits) in self.woken_at


def test_hosts_start_take_messages_and_leave():
    diary = []
    transport = LocalTransport(Wire([]))
    for message in (m.Go(), m.Leave()):
        transport.send("b", "a", message)
    transport.send("a", "manager", m.Leave())
    Loop([Guest("a", diary), Guest("b", diary)], transport).run()
    assert diary[:5] == [
        ("a", "start"),
        ("b", "start"),
        ("b", "Go", "a"),
        ("b", "Leave", "a"),
        ("a", "Leave", "manager"),
    ]


def test_what_the_last_to_leave_still_sends_is_sent():
    diary = []
    transport = LocalTransport(Wire([]))

    class Late(Guest):
        def work(self, now):
            if self.left:
                transport.send("a", "a", m.Halted())
            return False

    transport.send("a", "manager", m.Leave())
    Loop([Late("a", diary)], transport).run()
    assert ("a", "Halted", "a") in diary


def test_pauses_grow_to_the_transports_patience():
    transport = Sleepless(leave_after=8)
    Loop([Guest("a", [])], transport).run()
    assert transport.waits[:6] == pytest.approx([SHORTEST_PAUSE * 2**k for k in range(6)])
    assert transport.waits[6:] == [transport.patience] * 2


def test_pauses_begin_anew_after_work():
    transport = Sleepless(leave_after=6)

    class Sometimes(Guest):
        def work(self, now):
            return len(transport.waits) == 3 and self.once()

        def once(self):
            self.work_for -= 1
            return self.work_for == 0

    Loop([Sometimes("a", [], work_for=1)], transport).run()
    assert transport.waits[3] == SHORTEST_PAUSE


def test_pauses_begin_anew_when_woken():
    transport = Sleepless(leave_after=6, woken_at=(3,))
    Loop([Guest("a", [])], transport).run()
    assert transport.waits[:5] == pytest.approx([SHORTEST_PAUSE * k for k in (1, 2, 4, 1, 2)])


def test_nobody_sleeps_while_there_is_work():
    transport = Sleepless(leave_after=1)
    guest = Guest("a", [], work_for=50)
    Loop([guest], transport).run()
    assert len(transport.waits) == 1
    assert guest.work_for < 0


def test_files_of_all_hosts_wake():
    transport = Sleepless(leave_after=1)
    gone = Guest("b", [], files=(8, 9))
    gone.left = True
    Loop([Guest("a", [], files=(7,)), gone], transport).run()
    assert transport.files == [[7, 8, 9]]


def test_message_for_a_stranger_is_a_bug_that_shows():
    transport = LocalTransport(Wire([]))
    transport.send("nobody", "a", m.Go())
    with pytest.raises(KeyError, match="nobody"):
        Loop([Guest("a", [])], transport).turn()


def test_message_for_a_host_that_a_spare_is_about_to_be_is_kept_until_it_has_started():
    diary = []
    transport = LocalTransport(Wire([]))
    loop = Loop([Guest("spare/0", diary)], transport)
    transport.send("b", "manager", m.Go())
    transport.send("b", "exchange", m.Explore())
    loop.turn()
    assert [entry for entry in diary if entry[0] == "b"] == []
    loop.add(Guest("b", diary))
    told = [("b", "Go", "manager"), ("b", "Explore", "exchange")]
    assert [entry for entry in diary if entry[0] == "b"] == [("b", "start"), *told]
    transport.send("b", "manager", m.Go())
    loop.turn()
    assert [entry[1] for entry in diary if entry[0] == "b"] == ["start", "Go", "Explore", "Go", "tick"]


def test_turn_tells_whether_anything_happened(monkeypatch):
    transport = LocalTransport(Wire([]))
    monkeypatch.setattr(module.time, "monotonic", lambda: 5.0)
    assert Loop([Guest("a", [])], transport).turn() is False
    assert Loop([Guest("a", [], work_for=1), Guest("b", [])], transport).turn() is True
    transport.send("a", "b", m.Go())
    assert Loop([Guest("a", [])], transport).turn() is True
