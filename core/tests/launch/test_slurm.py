"""What Slurm's variables and programs say; a real Slurm is used in tests/slurm."""

from __future__ import annotations

import signal
import time

import pytest
from plays import write_program

from pal_core.errors import PalError
from pal_core.launch.requeue import end_of_run, may_requeue
from pal_core.launch.signals import Wishes
from pal_core.launch.slurm import Allocation, allocation, available_cores, requeue

JOB = {"SLURM_JOB_ID": "77", "SLURM_JOB_NUM_NODES": "3", "SLURM_JOB_CPUS_PER_NODE": "8(x2),4", "SLURM_NTASKS": "5"}


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a program of Slurm in front of PATH."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return lambda name, text: write_program(tmp_path, name, text)


class TestAllocation:
    """The job."""

    def test_it_is_read_from_the_environment(self):
        assert allocation(JOB) == Allocation("77", 3, 5, 20)
        assert available_cores(allocation(JOB)) == 20

    def test_tasks_may_be_left_open(self):
        job = allocation({**JOB, "SLURM_NTASKS": ""})
        assert job is not None
        assert job.tasks is None
        assert job.words == "Slurm job 77 (3 nodes, 20 cores)"

    def test_outside_of_a_job_there_is_none(self):
        assert allocation({"PATH": "/bin"}) is None


class TestEnd:
    """The walltime."""

    def test_variable_of_newer_versions_is_taken(self):
        assert end_of_run({**JOB, "SLURM_JOB_END_TIME": "1800000000"}, None) == 1.8e9

    def test_older_versions_are_asked(self, program):
        program("scontrol", '[ "$*" = "show job -o 77" ] && echo "JobId=77 EndTime=2027-01-02T03:04:05 Deadline=N/A"')
        end = end_of_run(JOB, None)
        assert time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(end)) == "2027-01-02 03:04:05"

    @pytest.mark.parametrize("text", ["echo EndTime=Unknown", "exit 1"])
    def test_job_without_a_limit_has_no_end(self, program, text):
        program("scontrol", text)
        assert end_of_run(JOB, None) is None

    def test_earlier_one_of_job_and_own_variable_counts(self):
        job = {**JOB, "SLURM_JOB_END_TIME": "1800000000"}
        assert end_of_run({**job, "PAL_END_TIME": "1700000000"}, None) == 1.7e9
        assert end_of_run({**job, "PAL_END_TIME": "1900000000"}, None) == 1.8e9
        assert end_of_run({"PAL_END_TIME": "1900000000"}, None) == 1.9e9

    def test_variable_that_is_no_time_is_refused(self):
        with pytest.raises(PalError, match="PAL_END_TIME is '12:30': seconds since 1970 are expected"):
            end_of_run({"PAL_END_TIME": "12:30"}, None)


class TestRequeue:
    """Back into the queue."""

    def test_slurm_is_asked_for_it(self, program, tmp_path):
        program("scontrol", f"echo $* > {tmp_path}/asked")
        assert requeue("77") is None
        assert (tmp_path / "asked").read_text() == "requeue 77\n"

    def test_what_goes_wrong_is_told(self, program):
        program("scontrol", "echo 'Requested operation is presently disabled' >&2; exit 1")
        assert requeue("77") == "Requested operation is presently disabled"

    @pytest.mark.parametrize(
        ("outcome", "reason", "heard", "advanced", "expected"),
        [
            ("interrupted", "signal SIGUSR1", signal.SIGUSR1, True, True),
            ("interrupted", "signal SIGTERM", signal.SIGTERM, True, True),
            ("interrupted", "signal SIGINT", signal.SIGINT, True, False),
            ("interrupted", "the job ends in 60 s", None, True, True),
            ("interrupted", "asked to stop", None, True, False),
            ("interrupted", "signal SIGINT", None, True, False),
            ("interrupted", "signal SIGUSR1", signal.SIGUSR1, False, False),
            ("done", "60 labels", signal.SIGUSR1, True, False),
            ("failed", "out of luck", None, True, False),
        ],
    )
    def test_only_what_the_batch_system_has_ended_goes_on(self, outcome, reason, heard, advanced, expected):
        wishes = Wishes()
        if heard is not None:
            wishes.add(heard)
        assert may_requeue({"outcome": outcome, "reason": reason}, wishes, advanced) is expected
