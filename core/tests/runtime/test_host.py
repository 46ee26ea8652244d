"""What all hosts have in common, seen on a host of one kernel."""

from __future__ import annotations

import time

import numpy as np
import pytest
from worlds import make_host, make_setup, odd

from pal_core import messages as m
from pal_core.runtime.host import Host, close_all
from pal_core.runtime.snapshots import SetReader


class Plain(Host):
    """Holds the toy model and does what a test asks for."""

    table = "model"

    def build(self):
        self.taken, self.log = [], []
        self.act("build")

    def take(self, sender, message):
        self.taken.append((sender, message))

    def step(self, now):
        with self.guarded():
            self.act("step")
        return True

    def states(self):
        self.act("save")
        return {"member/0": {"n": np.ones(2)}}, {"member/0": {"epoch": 3}}

    def close(self):
        self.act("close")

    def act(self, what):
        self.log.append(what)
        if what == self.fails:
            raise ValueError(f"no {what} today")

    fails = ""


@pytest.fixture
def plain(tmp_path):
    def make(fails: str = "", address: str = "training/0"):
        host, out = make_host(Plain, make_setup(tmp_path), address)
        host.fails = fails
        host.start()
        return host, out

    return make


def test_host_votes_when_it_is_built(plain):
    _, out = plain()
    assert out == [("manager", m.Ready(None))]


def test_failed_constructor_is_told_with_kernel_key_error_and_traceback(plain):
    host, out = plain("build")
    broken = out.one(m.Broken)
    assert broken.kernel.startswith("pal.toy-model (pal")
    assert (broken.key, broken.what) == ("model", "ValueError: no build today")
    assert "in build" in broken.trace
    assert len(out) == 1
    assert host.work(0.0) is False


def test_broken_host_takes_and_does_nothing_but_halts_and_leaves(plain):
    host, out = plain("step")
    host.work(0.0)
    out.clear()
    host.receive("manager", m.Go())
    assert host.taken == []
    assert host.work(0.0) is False
    host.tick(time.monotonic() + 5.0)
    assert out == []
    host.receive("manager", m.Halt(set=4))
    assert host.log == ["build", "step", "close"]  # nothing is saved of a state that may be wrong
    assert out == [("manager", m.Halted())]
    host.receive("manager", m.Leave())
    assert host.left


def test_halt_is_obeyed_once_and_writes_the_last_part(plain, tmp_path):
    host, out = plain()
    out.clear()
    for _ in range(2):
        host.receive("manager", m.Halt(set=4))
    assert host.log == ["build", "save", "close"]
    assert out == [("manager", m.Halted(4))]
    past = SetReader(tmp_path / "run", 4)
    assert past.state("member/0")["n"].tolist() == [1, 1]
    assert past.notes("member/0") == {"epoch": 3}
    assert host.work(0.0) is False
    host.receive("manager", m.Go())
    assert host.taken == []


@pytest.mark.parametrize(("address", "told"), [("generator/0", True), ("prediction/0", True), ("oracle/0", False)])
def test_exchange_hears_of_halted_walkers_and_predictors(plain, address, told):
    host, out = plain(address=address)
    host.receive("manager", m.Halt())
    assert (("exchange", m.Halted()) in out) is told


def test_halt_without_a_set_writes_nothing(plain, tmp_path):
    host, out = plain()
    host.receive("manager", m.Halt())
    assert host.log == ["build", "close"]
    assert out[-1] == ("manager", m.Halted())
    assert not (tmp_path / "run").exists()


def test_kernel_that_cannot_be_closed_is_told_of_and_the_host_still_halts(plain):
    host, out = plain("close")
    host.receive("manager", m.Halt(set=4))
    assert host.log == ["build", "save", "close"]
    assert out.one(m.Broken).what == "ValueError: no close today"
    assert out[-1] == ("manager", m.Halted(4))


def test_state_that_cannot_be_had_at_the_end_is_reported_and_the_host_still_halts(plain, tmp_path):
    host, out = plain("save")
    host.receive("manager", m.Halt(set=4))
    fault = out.one(m.Fault)
    assert (fault.what, fault.remedy) == ("ValueError: no save today", "the last snapshot is not written")
    assert host.log == ["build", "save", "close"]
    assert out[-1] == ("manager", m.Halted())
    assert not (tmp_path / "run").exists()


def test_pulse_tells_share_of_busy_time_and_counts_about_once_a_second(plain):
    host, out = plain()
    out.clear()
    begin = host._last_pulse
    host._busy = 1.0
    host.count(cats=2)
    host.count(cats=1, dogs=1)
    host.tick(begin + 0.5)
    assert out == []
    host.tick(begin + 4.0)
    assert out == [("manager", m.Pulse(0.25, {"cats": 3, "dogs": 1}))]
    host.tick(begin + 5.0)
    assert out.of(m.Pulse)[-1].busy == 0.0


def test_busy_share_is_never_more_than_one(plain):
    host, out = plain()
    host._busy = 100.0
    host.tick(host._last_pulse + 1.5)
    assert out.one(m.Pulse).busy == 1.0


def test_notes_of_a_kernel_go_to_the_manager_under_its_name(plain):
    host, out = plain()
    host.context(1).note("hello")
    assert out[-1] == ("manager", m.Note("training 1", "hello"))


@pytest.mark.parametrize("end", ["tick", "halt"])
def test_notes_of_a_talkative_kernel_are_summed_up(plain, end):
    host, out = plain()
    note = host.context(0).note
    for k in range(5000):
        note(f"note {k}")
    assert len(out.of(m.Note)) == 20
    host.tick(host._last_pulse + 1.5) if end == "tick" else host.receive("manager", m.Halt())
    assert out.of(m.Note)[-1] == m.Note("training/0", "4980 further notes are left out")


def test_talkative_kernel_may_say_something_again_after_a_while(plain):
    host, out = plain()
    note = host.context(0).note
    for _ in range(4):
        for k in range(100):
            note(f"note {k}")
        host.tick(host._last_pulse + 1.5)
    assert [len([n for n in out.of(m.Note) if n.text == f"note {k}"]) for k in (0, 1, 2, 19)] == [4, 4, 1, 1]
    for _ in range(20):
        host.tick(host._last_pulse + 1.5)
    out.clear()
    for k in range(30):
        note(f"note {k}")
    assert len(out) == 20


def test_context_says_who_and_where_a_kernel_is(plain, tmp_path):
    context = plain()[0].context(3)
    assert (context.role, context.index, context.seed) == ("training", 3, 5)
    assert (context.directory, context.device) == (tmp_path / "run", "cpu")


@pytest.mark.parametrize(("alone", "device"), [(True, "cuda:0"), (False, "cuda:2")])
def test_device_is_the_only_one_or_one_of_all(tmp_path, alone, device):
    from dataclasses import replace

    setup = replace(make_setup(tmp_path, training={"gpus": [2, 3]}), devices=alone)
    host, _ = make_host(Plain, setup, "training/0")
    assert host.context(0).device == device


def test_all_kernels_are_closed_even_if_one_raises():
    closed = []

    class Kernel:
        def __init__(self, name):
            self.name = name

        def close(self):
            closed.append(self.name)
            if self.name != "c":
                raise ValueError(self.name)

    with pytest.raises(ValueError, match="a"):
        close_all([Kernel("a"), Kernel("b"), Kernel("c")])
    assert closed == ["a", "b", "c"]


def test_kernel_of_a_file_is_named_with_its_path(tmp_path):
    setup = make_setup(tmp_path, model={"kernel": odd("Script"), "options": {}})
    host, out = make_host(Plain, setup, "training/0")
    host.fails = "build"
    host.start()
    assert odd("Script") in out.one(m.Broken).kernel
