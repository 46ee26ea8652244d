"""The oracle's host: labels in this process and in a child, and what can happen to a child."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from odd_kernels import WAYS
from worlds import labels_of, make_host, make_setup, odd, points, started, work_until

from pal_core import messages as m
from pal_core.builtin.schema import SAMPLE
from pal_core.data import Batch
from pal_core.runtime import oracle as module
from pal_core.runtime.guard import Report
from pal_core.runtime.oracle import OracleHost
from pal_core.runtime.processes import children
from pal_core.transport.base import readable


@pytest.fixture
def odd_oracle(tmp_path):
    """A host whose oracle, in a child, does something odd; what it has posted."""
    hosts = []

    def make(how: str, isolate: bool = True, **run: float):
        table = {"kernel": odd("OddOracle"), "isolate": isolate, "options": {"how": how}}
        setup = make_setup(tmp_path, oracle=table, run=run)
        host, out = make_host(OracleHost, setup, "oracle/0")
        hosts.append(host)
        host.start()
        return host, out

    yield make
    for host in hosts:
        host.close()


def files_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def worker_of(host: OracleHost) -> int:
    """Process id of the oracle."""
    (worker,) = children(host._child.pid)
    return worker


def gone(pid: int, limit: float = 10.0) -> bool:
    """Whether a process ends; a zombie that nobody has waited for doesn't count as ended."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        # Orphans are for init to wait for.
        if state == "Z" and int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) != os.getpid():
            return True
        time.sleep(0.02)
    return False


def test_label_made_in_this_process(tmp_path):
    host, out = started(OracleHost, make_setup(tmp_path), "oracle/0")
    assert out == [("manager", m.Ready(None))]
    batch = points(1)
    host.receive("manager", m.Label(3, 1, batch))
    answer = work_until(host, out, m.Labelled)
    assert (answer.request, answer.attempt) == (3, 1)
    np.testing.assert_array_equal(answer.batch.columns["energy"], labels_of(batch).columns["energy"])
    assert host.work(0.0) is False
    assert host.files() == []


def test_inspection_that_raises_in_this_process_names_the_kernel(odd_oracle):
    host, out = odd_oracle("inspect raises", isolate=False)
    host.receive("manager", m.Inspect(points(2)))
    broken = work_until(host, out, m.Broken)
    assert (broken.key, broken.what) == ("oracle", "ValueError: no inspection today")


@pytest.fixture(scope="module")
def child(tmp_path_factory):
    """A host with a child that lives on from test to test: ``child(way)`` asks for a label that goes wrong so."""
    folder = tmp_path_factory.mktemp("child")
    mp = pytest.MonkeyPatch()
    for name in ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "PAL_LAUNCHED", "SLURM_JOB_ID"):
        mp.setenv(name, "7")
    table = {"kernel": odd("OddOracle"), "isolate": True, "timeout": 2.0}
    host, out = started(OracleHost, make_setup(folder, oracle=table), "oracle/0")
    work_until(host, out, m.Ready)

    def ask(way: str, number: int = 5, kind=m.Labelled):
        out.clear()
        host.receive("manager", m.Label(number, 2, Batch(SAMPLE, {"x": [[10.0 + WAYS.index(way), 0.0]]})))
        return work_until(host, out, kind)

    ask.host, ask.out, ask.scratch = host, out, folder / "run/scratch"
    yield ask
    host.close()
    mp.undo()


class TestChild:
    """With isolation."""

    def test_child_votes_labels_and_closes_its_oracle(self, odd_oracle, tmp_path):
        before = files_open()
        host, out = odd_oracle("close tells")
        assert out == []
        work_until(host, out, m.Ready)
        assert len(host.files()) == 2
        for number in (1, 2, 3):
            host.receive("manager", m.Label(number, 1, points(1, seed=number)))
        while len(out.of(m.Labelled)) < 3:
            work_until(host, out, m.Labelled)
            host.work(time.monotonic())
        assert [x.request for x in out.of(m.Labelled)] == [1, 2, 3]
        for answer in out.of(m.Labelled):
            right = labels_of(points(1, seed=answer.request))
            np.testing.assert_array_equal(answer.batch.columns["gradient"], right.columns["gradient"])
        host.receive("manager", m.Halt())
        assert out[-1] == ("manager", m.Halted())
        assert (tmp_path / "run/scratch/closed").exists()
        assert files_open() == before

    def test_messages_larger_than_a_pipe_go_through_both_ways(self, tmp_path):
        # Two million points in a sample: the child's input and output are both far beyond 64 KiB.
        kernels = tmp_path / "large.py"
        kernels.write_text(LARGE)
        setup = make_setup(
            tmp_path,
            generator={"kernel": "large.py:Walker", "walkers": 1},
            model={"kernel": "large.py:Model"},
            oracle={"kernel": "large.py:Oracle", "isolate": True},
            selection={"kernel": "pal.all", "options": {}},
        )
        host, out = started(OracleHost, setup, "oracle/0")
        try:
            work_until(host, out, m.Ready)
            image = np.arange(500_000, dtype=float)
            host.receive("manager", m.Label(1, 1, Batch(setup.loaded.sample_schema, {"image": image[None]})))
            answer = work_until(host, out, m.Labelled)
            np.testing.assert_array_equal(answer.batch.columns["twice"][0], 2 * image)
        finally:
            host.close()

    @pytest.mark.parametrize(
        ("way", "failure", "text"),
        [
            ("raises", "crashed", "ZeroDivisionError: one over nothing"),
            ("fails", "unconverged", "no convergence in 100 steps"),
            ("refuses", "invalid_input", "an unknown element"),
            ("exits", "crashed", "SystemExit: 3"),
            ("dies", "crashed", "the oracle's process ended with signal 11 (SIGSEGV)"),
            ("hangs", "timeout", "no label within oracle.timeout = 2 s"),
        ],
    )
    def test_failure_costs_one_attempt_and_the_next_label_is_made(self, child, way, failure, text):
        before = files_open()
        answer = child(way, kind=m.LabelFailed)
        assert (answer.request, answer.attempt, answer.failure, answer.text) == (5, 2, failure, text)
        if way in ("dies", "hangs"):
            assert ("the last line" if way == "dies" else "still at it") in answer.evidence
        assert child("prints a lot", number=6).request == 6
        assert child.out.of(m.Ready) == []  # it has voted already
        assert files_open() == before

    def test_processes_that_the_oracle_has_started_are_killed_with_it(self, child):
        assert child("starts others and hangs", kind=m.LabelFailed).failure == "timeout"
        assert gone(int((child.scratch / "other").read_text()))

    def test_answer_of_a_child_that_ends_after_it_is_not_lost(self, child):
        child("answers and dies")
        time.sleep(0.5)
        assert child("prints a lot").request == 5
        assert child.out.of(m.LabelFailed) == []

    def test_answer_between_two_looks_at_a_dying_child_is_not_lost(self, tmp_path, monkeypatch):
        class Racing:
            """Answers and ends just after its pipe has been read."""

            hung_up = leaving = False

            def __init__(self, *args) -> None:
                self.dead = False
                self.answers = [m.Ready()]

            def send(self, message) -> None:
                self.request = message

            def messages(self):
                out, self.answers = self.answers, []
                if hasattr(self, "request") and not self.dead:
                    self.dead = True
                    self.answers = [m.Labelled(1, 1, labels_of(points(1)), 0.0)]
                return out

            def report(self):
                return Report("exit code 0", "") if self.dead else None

            def kill(self) -> None:
                pass

        monkeypatch.setattr(module, "Child", Racing)
        host, out = started(OracleHost, make_setup(tmp_path, oracle={"isolate": True}), "oracle/0")
        host.work(0.0)
        host.receive("manager", m.Label(1, 1, points(1)))
        work_until(host, out, m.Labelled, limit=1.0)
        host.work(0.0)
        assert out.of(m.LabelFailed) == []

    def test_many_notes_are_summed_up(self, child):
        for k in range(1, 12):
            child.host.tick(time.monotonic() + 2.0 * k)
        child("notes a lot")
        notes = child.out.of(m.Note)
        assert [n.text for n in notes] == [f"note {i}" for i in range(20)]
        assert {n.source for n in notes} == {"oracle 0"}
        child.host.tick(time.monotonic() + 30.0)
        assert child.out.of(m.Note)[-1] == m.Note("oracle/0", "80 further notes are left out")

    def test_child_has_its_own_world_and_an_empty_scratch(self, child):
        for _ in range(2):  # the first label leaves files behind
            child("tells its world")
        world = json.loads((child.scratch / "world.json").read_text())
        assert world["cwd"] == str(child.scratch / "oracle-0")
        assert world["files"] == []
        assert world["inheritable"] == [0, 1, 2]
        assert world["pgid"] == world["pid"] != os.getpgrp()
        environment = world["environment"]
        assert not {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "PAL_LAUNCHED"} & set(environment)
        assert environment["SLURM_JOB_ID"] == "7"

    def test_time_in_the_child_is_busy_time_while_it_passes(self, child):
        # It answers nothing in between, since the host doesn't work.
        now = time.monotonic() + 100.0
        child.host.tick(now)
        child.out.clear()
        child.host.receive("manager", m.Label(9, 1, points(1)))
        child.host.work(now)
        child.host.tick(now + 2.0)
        child.host.tick(now + 4.0)
        assert [p.busy for p in child.out.of(m.Pulse)] == pytest.approx([1.0, 1.0])
        work_until(child.host, child.out, m.Labelled)

    def test_end_of_the_child_wakes_the_host(self, child):
        child("prints a lot")
        assert readable(child.host.files(), 0.0) == []
        os.kill(worker_of(child.host), 9)
        assert set(readable(child.host.files(), 10.0)) <= set(child.host.files())
        assert readable(child.host.files(), 0.0)
        assert child("prints a lot").request == 5

    def test_child_at_work_is_killed_when_the_host_halts(self, odd_oracle):
        host, out = odd_oracle("")
        work_until(host, out, m.Ready)
        host.receive("manager", m.Label(1, 1, Batch(SAMPLE, {"x": [[10.0 + WAYS.index("hangs"), 0.0]]})))
        host.work(time.monotonic())
        begin = time.monotonic()
        host.receive("manager", m.Halt())
        assert time.monotonic() - begin < 1.0
        assert out[-1] == ("manager", m.Halted())
        assert out.of(m.LabelFailed) == []


HOST = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from odd_kernels import WAYS
from worlds import *
from pal_core.runtime.oracle import OracleHost
from pal_core.builtin.schema import SAMPLE

setup = make_setup(Path({folder!r}), oracle=dict(kernel=odd("OddOracle"), isolate=True))
host, out = started(OracleHost, setup, "oracle/0")
work_until(host, out, m.Ready)
host.receive("manager", m.Label(1, 1, Batch(SAMPLE, dict(x=[[10.0 + WAYS.index("starts others and hangs"), 0.0]]))))
while True:
    host.work(time.monotonic())
    time.sleep(0.01)
"""


def test_nothing_is_left_when_the_host_is_killed(tmp_path):
    code = HOST.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    host = subprocess.Popen([sys.executable, "-c", code])
    other = tmp_path / "run/scratch/other"
    end = time.monotonic() + 30
    while not other.exists() or not other.read_text():
        assert time.monotonic() < end
        assert host.poll() is None
        time.sleep(0.02)
    host.kill()
    host.wait()
    assert gone(int(other.read_text()), limit=20)


class TestBuilding:
    """A child that doesn't get as far as to vote."""

    def test_constructor_that_raises_names_kernel_key_and_error_once(self, odd_oracle):
        host, out = odd_oracle("build raises")
        host._child._process.wait(30)  # the message and the end are seen in one turn
        broken = work_until(host, out, m.Broken)
        assert broken.kernel.startswith(odd("OddOracle"))
        assert (broken.key, broken.what) == ("oracle", "ValueError: out of luck")
        assert "Traceback" in broken.trace
        assert host.work(time.monotonic()) is False
        assert len(out) == 1

    def test_constructor_that_kills_its_process(self, odd_oracle):
        host, out = odd_oracle("build dies")
        broken = work_until(host, out, m.Broken)
        assert broken.what == "the oracle's process ended with signal 9 (SIGKILL) while it was being built"
        assert "last words" in broken.trace

    def test_constructor_that_never_returns(self, odd_oracle):
        host, out = odd_oracle("build hangs", startup_limit=1.5)
        broken = work_until(host, out, m.Broken)
        assert broken.what == "no answer within run.startup_limit = 1.5 s while it was being built"
        assert host.files() == []

    def test_inspection_that_raises(self, odd_oracle):
        host, out = odd_oracle("inspect raises")
        work_until(host, out, m.Ready)
        host.receive("manager", m.Inspect(points(2)))
        broken = work_until(host, out, m.Broken)
        assert (broken.key, broken.what) == ("oracle", "ValueError: no inspection today")

    def test_inspection_that_kills_the_process_is_a_problem(self, odd_oracle):
        host, out = odd_oracle("inspect dies")
        work_until(host, out, m.Ready)
        host.receive("manager", m.Inspect(points(2)))
        (problem,) = work_until(host, out, m.Inspected).problems
        assert (
            problem
            == "the oracle's process ended with signal 9 (SIGKILL) while it looked at the walkers' first samples"
        )

    def test_child_that_cannot_be_built_again_ends_the_run(self, tmp_path):
        table = {"kernel": odd("OddOracle"), "isolate": True, "options": {"how": "dies when built again"}}
        host, out = started(OracleHost, make_setup(tmp_path, oracle=table), "oracle/0")
        work_until(host, out, m.Ready)
        os.kill(worker_of(host), 9)
        assert work_until(host, out, m.Broken).what == "ValueError: not twice"
        host.close()


def test_closing_before_the_start_is_harmless(tmp_path):
    host, out = make_host(OracleHost, make_setup(tmp_path, oracle={"isolate": True}), "oracle/0")
    host.close()
    assert out == []
    assert host.files() == []


LARGE = """
import numpy as np
from pal_core import kernels
from pal_core.data import Field, Schema
from pal_core.options import Interface, KernelOptions

IMAGE = Schema([Field("image", shape=(500_000,))])
TWICE = Schema([Field("twice", shape=(500_000,))])

class WalkerOptions(KernelOptions):
    def interface(self): return Interface(produces=IMAGE)

class OtherOptions(KernelOptions):
    def interface(self): return Interface(IMAGE, TWICE)

class Walker(kernels.Generator):
    Options = WalkerOptions
    def propose(self, feedback): return {"image": np.zeros(500_000)}
    def bootstrap(self): return self.propose(None)

class Model(kernels.Model):
    Options = OtherOptions
    def predict(self, batch): raise NotImplementedError
    def weights(self): return {}
    def load(self, weights): pass

class Oracle(kernels.Oracle):
    Options = OtherOptions
    def label(self, sample): return {"twice": 2 * sample["image"]}
"""
