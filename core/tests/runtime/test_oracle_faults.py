"""Real faults of an oracle: each costs one attempt, nothing is left of it, and the next label is made."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from fault_kernels import FAULTS, FaultOracle
from test_oracle import files_open, gone, worker_of
from worlds import labels_of, make_setup, points, started, work_until

from pal_core import messages as m
from pal_core.builtin.schema import SAMPLE
from pal_core.data import Batch
from pal_core.runtime.oracle import OracleHost
from pal_core.runtime.processes import children, descendants
from pal_core.runtime.scratch import kept_path
from pal_core.transport.base import readable

KERNEL = f"{Path(__file__).with_name('fault_kernels.py')}:{FaultOracle.__name__}"


class Asker:
    """A host whose oracle goes wrong as asked."""

    def __init__(self, folder: Path, **table: object) -> None:
        self.setup = make_setup(folder, oracle={"kernel": KERNEL, **table})
        self.directory, self.scratch = folder / "run", folder / "run/scratch/oracle-0"
        self.host, self.out = started(OracleHost, self.setup, "oracle/0")
        work_until(self.host, self.out, m.Ready)
        self.out.clear()
        self.request = 0

    def __call__(self, fault: str, kind=m.LabelFailed):
        """The answer to a label with a fault, of this kind; no other is ever given."""
        self.out.clear()
        self.request += 1
        self.host.receive(
            "manager", m.Label(self.request, 2, Batch(SAMPLE, {"x": [[10.0 + FAULTS.index(fault), 0.0]]}))
        )
        answer = work_until(self.host, self.out, kind)
        self.host.work(time.monotonic())
        answers = [x for _, x in self.out if isinstance(x, (m.Labelled, m.LabelFailed))]
        assert answers == [answer]
        assert (answer.request, answer.attempt) == (self.request, 2)
        return answer

    def next_is_right(self) -> None:
        self.out.clear()
        self.request += 1
        self.host.receive("manager", m.Label(self.request, 1, points(1)))
        answer = work_until(self.host, self.out, m.Labelled)
        np.testing.assert_array_equal(answer.batch.columns["gradient"], labels_of(points(1)).columns["gradient"])
        assert self.out.of(m.LabelFailed) == []

    @property
    def worker(self) -> int:
        """Process id of the oracle, which may have to be built anew first."""
        end = time.monotonic() + 10
        while not self.host._ready:
            assert time.monotonic() < end
            self.host.work(time.monotonic())
        return worker_of(self.host)

    @property
    def other(self) -> int:
        return int((self.scratch.parent / "other").read_text())

    @property
    def kept(self) -> Path:
        return kept_path(self.directory, self.request, 2)


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    asker = Asker(tmp_path_factory.mktemp("faults"), isolate=True, timeout=2.0, memory=0.3, scratch=0.1, keep_scratch=1)
    yield asker
    asker.host.close()
    assert children(os.getpid()) == []


@pytest.mark.parametrize(
    ("fault", "failure", "text"),
    [
        ("segfault", "crashed", "the oracle's process ended with signal 11 (SIGSEGV)"),
        ("memory", "crashed", "the oracle's processes were ended: they used 0.3"),
        ("one large array", "crashed", "MemoryError: Unable to allocate"),
        ("scratch", "crashed", "the oracle's processes were ended: its scratch directory took "),
        ("full disk", "crashed", "OSError: [Errno 28] No space left on device"),
        ("exit", "crashed", "the oracle's process ended with exit code 0"),
        ("nonsense", "crashed", "the oracle's process sent what is no answer: bytes that are no message"),
        ("huge frame", "crashed", "the oracle's process sent what is no answer: bytes that are no message"),
        ("wrong answer", "crashed", "the oracle's process sent what is no answer: an answer to request 77"),
        ("closed pipe", "crashed", "the oracle's process closed its pipe"),
        ("killed guard", "crashed", "the oracle's process ended with the end of its guard (exit code -9)"),
        ("out of files", "crashed", "OSError: [Errno 24] Too many open files"),
        ("system exit", "crashed", "SystemExit: 0"),
        ("interrupt", "crashed", "KeyboardInterrupt"),
    ],
)
def test_fault_costs_one_attempt(ask, fault, failure, text):
    before = files_open()
    worker = ask.worker
    answer = ask(fault)
    assert answer.failure == failure
    assert answer.text.startswith(text)
    ask.next_is_right()
    assert files_open() == before
    assert worker == ask.worker or gone(worker)
    assert len(children(os.getpid())) == 1
    assert list(ask.scratch.iterdir()) == []


@pytest.mark.parametrize("fault", ["fork that returns", "streams", "world", "no scratch", "locked scratch", "threads"])
def test_what_a_label_changes_is_no_harm_to_it_nor_to_the_next(ask, fault):
    worker = ask.worker
    ask(fault, m.Labelled)
    ask.next_is_right()
    assert ask.worker == worker
    assert children(worker) == []


def test_segfault_tells_its_last_words_and_leaves_its_files(ask):
    answer = ask("segfault")
    assert "the last line" in answer.evidence
    assert "in _segfault" in answer.evidence  # Python's own traceback
    assert (ask.kept / "input").read_text() == "what it was made from"


def test_gigabyte_of_output_is_cut_while_it_comes(tmp_path):
    ask = Asker(tmp_path, isolate=True, timeout=60)
    try:
        assert ask("flood").text.startswith("ZeroDivisionError")
        log, end = ask.directory / "logs/oracle-0.log", time.monotonic() + 10
        while b"the last line" not in log.read_bytes():
            assert time.monotonic() < end
            time.sleep(0.05)
        text = log.read_bytes()
        assert b"the first line" in text
        assert b"bytes are left out]" in text
        assert sum(file.stat().st_size for file in log.parent.iterdir()) < 10_000_000
        ask.next_is_right()
    finally:
        ask.host.close()


def test_memory_of_programs_that_the_oracle_starts_counts(ask):
    assert "oracle.memory = 0.3 GB" in ask("memory of a program").text
    assert gone(ask.other)


def test_daemon_that_a_label_leaves_is_killed(ask):
    worker = ask.worker
    ask("orphan", m.Labelled)
    assert gone(ask.other, 0.5)
    assert descendants(ask.host._child.pid) == [worker]
    ask.next_is_right()


def test_daemon_of_an_oracle_that_hangs_is_killed_with_it(ask):
    assert ask("orphan and hang").failure == "timeout"
    assert gone(ask.other, 0.5)


def test_child_that_a_label_leaves_is_killed(ask):
    ask("leaves a child", m.Labelled)
    assert gone(ask.other, 0.5)


def test_programs_may_write_restart_files_at_a_timeout_but_not_refuse_to_end(ask):
    answer = ask("stubborn")
    assert answer.failure == "timeout"
    assert 2.0 <= answer.seconds < 3.0
    assert (ask.scratch.parent / "restart").read_text() == "half done"
    assert gone(ask.other, 0.5)


def test_numbers_that_are_not_finite_are_for_the_checks(ask):
    assert np.isnan(ask("not finite", m.Labelled).batch.columns["energy"]).all()


def test_files_of_a_failed_attempt_are_kept_up_to_a_size(ask):
    ask("leaves traces")
    assert sorted(p.name for p in ask.kept.iterdir()) == ["LEFT-OUT.txt", "small"]
    assert (ask.kept / "LEFT-OUT.txt").read_text() == "fifo: 0 bytes\nlarge: 2000000 bytes\n"
    ask.next_is_right()


def test_dead_process_is_noticed_at_once(ask):
    """Seconds from the kill to the report that nothing is left; the host sleeps meanwhile."""
    worker = ask.worker
    os.kill(worker, signal.SIGKILL)
    begin = time.monotonic()
    while ask.host._ready:
        readable(ask.host.files(), 10.0)
        ask.host.work(time.monotonic())
    assert time.monotonic() - begin < 0.5
    assert gone(worker, 0.1)
    ask.next_is_right()


class TestOfRefusedLabels:
    """What the manager asks to keep."""

    @pytest.fixture
    def host(self, tmp_path):
        asker = Asker(tmp_path, isolate=False)
        asker.host.receive("manager", m.Label(1, 2, points(1)))
        work_until(asker.host, asker.out, m.Labelled)
        (asker.scratch / "output").write_text("of sample 1")
        asker.request = 1
        return asker

    def test_scratch_directory_of_the_last_label_is_kept(self, host):
        host.host.receive("manager", m.KeepScratch(1))
        assert (host.kept / "output").read_text() == "of sample 1"
        host.next_is_right()

    def test_nothing_is_kept_of_an_earlier_label(self, host):
        host.next_is_right()
        host.host.receive("manager", m.KeepScratch(1))
        assert not host.kept.exists()


@pytest.mark.parametrize("fault", ["system exit", "interrupt", "full disk", "leaves traces"])
def test_fault_in_this_process_costs_one_attempt(tmp_path, fault, monkeypatch):
    before = signal.signal(signal.SIGINT, lambda *_: None)  # as in a rank, which heeds it
    try:
        ask = Asker(tmp_path, isolate=False)
        ask(fault)
        ask.next_is_right()
    finally:
        signal.signal(signal.SIGINT, before)


def _state() -> tuple[object, ...]:
    os.umask(umask := os.umask(0o022))
    return Path.cwd(), signal.getsignal(signal.SIGTERM), files_open(), umask, children(os.getpid())


@pytest.mark.parametrize("fault", ["world", "no scratch", "locked scratch", "leaves a child"])
def test_this_process_is_as_before_after_a_label(tmp_path, fault):
    ask = Asker(tmp_path, isolate=False)
    before = _state()
    ask(fault, m.Labelled)
    assert _state() == before
    ask.next_is_right()


def test_ctrl_c_of_the_user_ends_a_label_in_this_process(tmp_path):
    ask = Asker(tmp_path, isolate=False)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        ask("interrupt")
