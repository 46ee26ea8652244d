"""The transport within a process, and sleeping until something can be read."""

from __future__ import annotations

import os
import resource
import threading
import time

import numpy as np
import pytest

from pal_core import messages as m
from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.data import Batch
from pal_core.transport.base import LocalTransport, readable, sleep_until_readable
from pal_core.transport.wire import Wire, WireError


@pytest.fixture
def transport():
    return LocalTransport(Wire([SAMPLE]))


@pytest.fixture
def pipe():
    ends = list(os.pipe())
    yield ends
    for end in ends:
        os.close(end)


class TestLocalTransport:
    """Messages in a process."""

    def test_no_rank_is_ever_lost(self, transport):
        assert transport.lost() == []

    def test_nothing_can_move_to_another_rank(self, transport):
        with pytest.raises(ValueError, match="oracle/0 can't move to rank 3: all hosts share this process"):
            transport.move("oracle/0", 3)

    def test_messages_arrive_in_order_with_both_addresses(self, transport):
        transport.send("exchange", "generator/0", m.Halted())
        transport.send("manager", "exchange", m.Progress(3, 1, 1))
        assert transport.receive() == [
            ("exchange", "generator/0", m.Halted()),
            ("manager", "exchange", m.Progress(3, 1, 1)),
        ]
        assert transport.receive() == []

    def test_receiver_owns_its_arrays(self, transport):
        batch = Batch(SAMPLE, {"x": np.zeros((2, 2))})
        transport.send("exchange", "generator/0", m.Inspect(batch))
        batch.columns["x"][:] = 1.0
        ((_, _, received),) = transport.receive()
        np.testing.assert_array_equal(received.batch.columns["x"], np.zeros((2, 2)))
        received.batch.columns["x"][:] = 2.0

    def test_what_is_sent_while_messages_are_read_waits_for_the_next_time(self, transport):
        transport.send("a", "b", m.Go())
        for _ in transport.receive():
            transport.send("a", "b", m.Leave())
        assert [x for *_, x in transport.receive()] == [m.Leave()]

    def test_message_that_cannot_be_sent_is_refused_at_once(self, transport):
        with pytest.raises(WireError, match="not agreed on"):
            transport.send("a", "b", m.Inspect(Batch.empty(LABEL)))
        assert transport.receive() == []

    def test_waiting_ends_at_once_if_a_message_is_there(self, transport):
        transport.send("a", "b", m.Go())
        begin = time.monotonic()
        assert transport.wait(10.0) is True
        assert time.monotonic() - begin < 5

    def test_waiting_takes_its_time_otherwise(self, transport):
        begin = time.monotonic()
        assert transport.wait(0.05) is False
        assert time.monotonic() - begin >= 0.05

    def test_files_wake(self, transport, pipe):
        os.write(pipe[1], b"x")
        assert transport.wait(10.0, [pipe[0]]) is True

    def test_nothing_is_under_way_and_closing_drops_the_rest(self, transport):
        transport.send("a", "b", m.Go())
        assert transport.flush(0.0) is True
        transport.close()
        assert transport.receive() == []


def test_sleep_ends_when_a_file_becomes_readable(pipe):
    threading.Timer(0.05, os.write, [pipe[1], b"x"]).start()
    begin = time.monotonic()
    assert sleep_until_readable(10.0, iter([pipe[0]])) is True
    assert time.monotonic() - begin < 5


def test_sleep_without_files_is_a_sleep():
    begin = time.monotonic()
    assert sleep_until_readable(0.02, []) is False
    assert time.monotonic() - begin >= 0.02


@pytest.mark.parametrize("number", [None, 1500])
def test_readable_files_whatever_their_numbers(pipe, number):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if number and hard < number + 1 != resource.RLIM_INFINITY:
        pytest.skip(f"a process may open {hard} files only")
    other = os.pipe()
    try:
        if number:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, number + 1), hard))
            os.dup2(pipe[0], number)
            os.close(pipe[0])
            pipe[0] = number
        assert readable([*other[:1], pipe[0]], 0.0) == []
        os.write(pipe[1], b"x")
        assert readable([*other[:1], pipe[0]], 10.0) == [pipe[0]]
    finally:
        for end in other:
            os.close(end)


def test_end_of_a_pipe_can_be_read(pipe):
    os.close(pipe[1])
    pipe[1] = os.dup(pipe[0])
    assert readable([pipe[0]], 10.0) == [pipe[0]]
