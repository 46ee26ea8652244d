"""`pal run`."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest

from pal_core.store.store import Store

MPIEXEC = """#!{python}
import json, os, sys, time
from pathlib import Path
if "--version" in sys.argv:
    sys.exit()
settings = Path(next(a for a in sys.argv if a.endswith(".toml")))
Path("arguments.json").write_text(json.dumps(sys.argv[1:]))
outcome = {outcome!r}
if outcome == "asked":
    import signal
    from pal_core.store.store import Store
    from pal_core.builtin.schema import LABEL, SAMPLE
    store = Store(settings.parent / "run", write=True)
    store.agree(SAMPLE, LABEL)
    store.add_sample(0, dict(x=[0.0, 0.0]), origin="bootstrap", walker=0, version=0, score=0.0)
    store.add_label(0, dict(energy=1.0, gradient=[0.0, 0.0]), "pal.toy-oracle", "pal-core 0")
    store.close()
    os.kill(os.getppid(), {number})
    time.sleep(0.5)
    outcome = "interrupted"
if not outcome:
    print("pal: rank 0: kernel x.y, settings table [oracle]: out of luck")
    sys.exit(2)
status = dict(outcome=outcome, reason="as told", phase="ended", updated=time.time(), seconds=61.0, labels=7, steps=99,
    rounds=1, rules={{}}, steps_per_second=1.0, uncertain_share=None, queue=0, progress=1.0, seconds_left=None,
    members={{}}, utilisation={{}}, failed_attempts=0, quarantined=0, dropped=0)
(settings.parent / "run/status.json").write_text(json.dumps(status))
"""


@pytest.fixture
def mpiexec(tmp_path):
    """A program in mpiexec's place that makes a run end as told."""

    def make(outcome: str, number: int = signal.SIGUSR1) -> str:
        path = tmp_path / "mpiexec"
        path.write_text(MPIEXEC.format(python=sys.executable, outcome=outcome, number=int(number)))
        path.chmod(0o755)
        return str(path)

    return make


class TestInProcess:
    """Without MPI."""

    def test_run_goes_to_its_stop_rule_and_says_what_comes_next(self, pal, toy, tmp_path):
        result = pal("run", "--in-process", "toy.toml")
        assert result.exit_code == 0, result.output
        lines = result.stdout.splitlines()
        assert lines[0].startswith("done (30 labels) in ")
        assert ": 30 labels, " in lines[0]
        assert lines[1] == "results in run; next: pal export toy.toml --format npz"
        assert "starting" in result.stderr.splitlines()[0]
        assert "ended" in result.stderr.splitlines()[-1]

    def test_quiet_run_shows_no_progress(self, pal, toy):
        result = pal("run", "--in-process", "--quiet", "toy.toml")
        assert (result.exit_code, result.stderr) == (0, "")

    def test_warnings_come_first_with_their_line(self, pal, toy):
        toy.write_text(toy.read_text().replace("[stop]\nlabels = 30", "[stop]\ngenerators = 'any'").replace(
            'walkers = 4', 'walkers = 4\noptions = { steps = 5 }'
        ))  # fmt: skip
        result = pal("run", "--in-process", "--quiet", "toy.toml")
        assert result.exit_code == 0, result.output
        assert result.stderr.startswith("warning: toy.toml:")
        assert "no stop rule" in result.stderr

    def test_signal_ends_the_run_to_be_resumed_with_exit_code_75(self, pal, toy, monkeypatch):
        toy.write_text(toy.read_text().replace("isolate = false", "isolate = false\noptions = { delay = 0.02 }"))
        before = signal.getsignal(signal.SIGTERM)
        sent = []

        def send(self, status):
            if status["labels"] >= 12 and not sent:
                sent.append(os.kill(os.getpid(), signal.SIGTERM))

        monkeypatch.setattr("pal_core.cli.run.Progress.__call__", send)
        monkeypatch.setattr("pal_core.runtime.telling._EVERY", 0.05)
        result = pal("run", "--in-process", "toy.toml")
        assert result.exit_code == 75, result.output
        first, second = result.stdout.splitlines()
        assert first.startswith("stopped (asked to stop) after ")
        assert second == "go on with: pal run toy.toml"
        assert signal.getsignal(signal.SIGTERM) is before
        assert pal("run", "--in-process", "-q", "toy.toml").exit_code == 0

    def test_second_signal_stops_at_once_to_be_resumed(self, pal, toy, monkeypatch):
        toy.write_text(toy.read_text().replace("labels = 30", "wall_time = 60"))

        def send(self, status):
            os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr("pal_core.cli.run._Shown.progressed", send)
        monkeypatch.setattr("pal_core.runtime.telling._EVERY", 0.0)
        result = pal("run", "--in-process", "-q", "toy.toml")
        assert result.exit_code == 75
        assert result.stdout.startswith("stopped (stopped at once, as asked)")
        assert "go on with: pal run toy.toml" in result.stdout
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_failed_run_says_why_and_where_its_labels_are(self, pal, toy):
        toy.write_text(toy.read_text().replace("isolate = false", "isolate = false\noptions = { fail_share = 1.0 }"))
        result = pal("run", "--in-process", "-q", "toy.toml")
        assert result.exit_code == 1
        error, hint = result.stderr.splitlines()
        assert error.startswith("error: the run failed: none of the bootstrap samples could be labelled; the last: ")
        assert "unconverged: failed on purpose" in error
        assert "pal labels show" in error
        assert hint == "  labels made so far are kept in run"


class TestRanks:
    """With something in mpiexec's place."""

    def test_ranks_are_started_with_settings_and_flags(self, pal, toy, tmp_path, mpiexec):
        result = pal("run", "toy.toml", "--mpiexec", mpiexec("done"), "--accept-changes")
        assert result.exit_code == 0, result.output
        arguments = json.loads((tmp_path / "arguments.json").read_text())
        assert arguments == [
            "-n", "5", sys.executable, "-m", "pal_core.worker", str(tmp_path / "toy.toml"), "--accept-changes"
        ]  # fmt: skip
        assert result.stdout.splitlines() == [
            "done (as told) in 1 min 1 s: 7 labels, 99 steps, 1 round",
            "results in run; next: pal export toy.toml --format npz",
        ]

    @pytest.mark.parametrize(
        ("outcome", "code", "message"),
        [
            ("interrupted", 75, "go on with: pal run toy.toml"),
            ("failed", 1, "the run failed: as told"),
            ("", 1, "kernel x.y, settings table [oracle]: out of luck"),
        ],
    )
    def test_outcome_is_told_by_exit_code_and_message(self, pal, toy, mpiexec, outcome, code, message):
        toy.write_text(toy.read_text().replace("seed = 5", "seed = 5\nmax_restarts = 0"))
        result = pal("run", "-q", "toy.toml", "--mpiexec", mpiexec(outcome))
        assert result.exit_code == code
        assert message in result.output

    def test_missing_mpiexec_is_told_before_anything_is_written(self, pal, toy, tmp_path):
        result = pal("run", "toy.toml", "--mpiexec", "no-such-program")
        assert result.exit_code == 1
        assert "--mpiexec no-such-program: there is no such program" in result.stderr
        assert not (tmp_path / "run").exists()

    def test_run_in_use_is_refused_before_ranks_start(self, pal, toy, tmp_path, mpiexec):
        store = Store(tmp_path / "run", write=True)
        result = pal("run", "toy.toml", "--mpiexec", mpiexec("done"))
        store.close()
        assert result.exit_code == 1
        assert f"in use by pid {os.getpid()}" in result.stderr
        assert not (tmp_path / "arguments.json").exists()

    def test_changed_settings_are_refused_before_ranks_start_unless_accepted(self, pal, toy, tmp_path, mpiexec):
        assert pal("run", "--in-process", "-q", "toy.toml").exit_code == 0
        toy.write_text(toy.read_text().replace("seed = 5", "seed = 6"))
        for way in (["--in-process"], ["--mpiexec", mpiexec("done")]):
            result = pal("run", "-q", "toy.toml", *way)
            assert result.exit_code == 2
            assert "was made with other settings:\n  run.seed: 5 -> 6" in result.stderr
        assert not (tmp_path / "arguments.json").exists()
        assert pal("run", "-q", "toy.toml", "--accept-changes", "--mpiexec", mpiexec("done")).exit_code == 0

    def test_mistakes_in_settings_come_with_lines_and_nothing_starts(self, pal, toy, tmp_path, mpiexec):
        toy.write_text(toy.read_text().replace("walkers = 4", "walkers = 0"))
        result = pal("run", "toy.toml", "--mpiexec", mpiexec("done"))
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1] == "1 problem in toy.toml"
        assert not (tmp_path / "run").exists()


class TestBatchJob:
    """In a job of Slurm, with a program in scontrol's place."""

    @pytest.fixture(autouse=True)
    def job(self, tmp_path, monkeypatch):
        scontrol = tmp_path / "bin" / "scontrol"
        scontrol.parent.mkdir()
        scontrol.write_text(f"#!/bin/sh\necho $* >> {tmp_path}/asked\n")
        scontrol.chmod(0o755)
        monkeypatch.setenv("PATH", os.pathsep.join([str(scontrol.parent), os.environ["PATH"]]))
        for name, value in {"JOB_ID": "77", "JOB_END_TIME": "1900000000", "JOB_CPUS_PER_NODE": "4"}.items():
            monkeypatch.setenv(f"SLURM_{name}", value)
        self.asked = tmp_path / "asked"

    @pytest.mark.parametrize("way", ["option", "settings"])
    def test_it_goes_into_the_queue_again_when_it_ends_before_the_run(self, pal, toy, mpiexec, way):
        if way == "settings":
            toy.write_text(toy.read_text().replace("seed = 5", "seed = 5\nrequeue = true"))
        flags = ["--requeue"] if way == "option" else []
        result = pal("run", "toy.toml", "--mpiexec", mpiexec("asked"), *flags)
        assert result.exit_code == 75, result.output
        assert result.stdout.splitlines()[-1] == "putting Slurm job 77 into the queue again"
        assert self.asked.read_text() == "requeue 77\n"
        assert "in Slurm job 77 (1 node, 4 cores)" in result.stderr

    def test_it_does_not_after_ctrl_c_nor_unasked(self, pal, toy, mpiexec):
        assert pal("run", "toy.toml", "--mpiexec", mpiexec("asked", signal.SIGINT), "--requeue").exit_code == 75
        (toy.parent / "run" / "pal.sqlite").unlink()
        assert pal("run", "toy.toml", "--mpiexec", mpiexec("asked")).exit_code == 75
        assert not self.asked.exists()

    def test_ranks_that_die_for_ever_leave_it_to_the_next_job(self, pal, toy, mpiexec):
        toy.write_text(toy.read_text().replace("seed = 5", "seed = 5\nmax_restarts = 0"))
        program = mpiexec("asked")
        text = (toy.parent / "mpiexec").read_text()
        (toy.parent / "mpiexec").write_text(text.replace("    os.kill(os.getppid()", "    sys.exit(9)\n    os.kill(0"))
        result = pal("run", "toy.toml", "--mpiexec", program, "--requeue")
        assert result.exit_code == 75
        assert "the ranks ended with code 9 before the run did" in result.stderr
        assert self.asked.read_text() == "requeue 77\n"
