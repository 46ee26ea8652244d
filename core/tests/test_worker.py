"""What a rank does before and after its loop; runs over MPI are tested elsewhere."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys

import pytest

from pal_core import worker
from pal_core.runtime.plan import Part
from pal_core.worker import main, thread_variables


class Asked:
    """Stands for the manager."""

    def __init__(self) -> None:
        self.wishes: list[str] = []

    def request_stop(self, reason: str) -> None:
        self.wishes.append(reason)


@pytest.fixture
def signals():
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
    before = {n: signal.getsignal(n) for n in numbers}
    yield worker._Signals(0)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("arguments", [[], ["--accept-changes"]])
def test_without_settings_it_says_how_it_is_called(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err == "usage: python -m pal_core.worker SETTINGS [--accept-changes]\n"


def test_libraries_are_limited_to_the_threads_of_a_rank():
    variables = thread_variables(3)
    assert variables["OMP_NUM_THREADS"] == variables["MKL_NUM_THREADS"] == variables["OPENBLAS_NUM_THREADS"] == "3"


def test_importing_it_starts_no_mpi():
    code = "import sys, pal_core.worker; print('mpi4py' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False False\n"


class TestSignals:
    """Requests to stop."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP])
    def test_signal_asks_the_manager(self, signals, number):
        manager = Asked()
        signals.tell(manager)
        os.kill(os.getpid(), number)
        assert manager.wishes == [f"signal {signal.Signals(number).name}"]

    def test_signal_before_there_is_a_manager_is_kept_for_it(self, signals):
        os.kill(os.getpid(), signal.SIGUSR1)
        manager = Asked()
        signals.tell(manager)
        assert manager.wishes == ["signal SIGUSR1"]

    def test_other_ranks_live_on_and_ask_nobody(self, signals):
        manager = Asked()  # of another rank: these signals were never told of it
        os.kill(os.getpid(), signal.SIGTERM)
        assert manager.wishes == []
        assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, signal.SIG_IGN)


class TestGpus:
    """A rank sees its own devices only."""

    @pytest.mark.parametrize(
        ("before", "gpus", "after"),
        [
            (None, [2], "2"),
            ("4,5,6", [1], "5"),
            ("4,5", [3], "5"),
            ("GPU-aa,GPU-bb", [0, 1], "GPU-aa,GPU-bb"),
            ("4,5", [None], "4,5"),
            (None, [], None),
        ],
    )
    def test_visible_devices(self, monkeypatch, before, gpus, after):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if before is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
        worker._see_own_gpus(tuple(Part(f"training/{k}", "training", 1, (k,), gpu) for k, gpu in enumerate(gpus)))
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == after


def test_log_of_a_rank_stays_short(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "_LONGEST_LOG", 1000)
    logger = logging.getLogger("pal")
    before = list(logger.handlers), logger.level, logger.propagate
    try:
        worker._log_to(tmp_path / "logs" / "rank-0000.log")
        for number in range(100):
            logger.info("message %d", number)
    finally:
        for handler in set(logger.handlers) - set(before[0]):
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(before[1])
        logger.propagate = before[2]
    files = sorted((tmp_path / "logs").iterdir())
    assert [f.name for f in files] == ["rank-0000.log", "rank-0000.log.1"]
    assert all(f.stat().st_size <= 1000 for f in files)
    assert files[0].read_text().endswith("message 99\n")
