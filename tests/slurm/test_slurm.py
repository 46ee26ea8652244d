"""`pal run` in jobs of a real Slurm of two nodes."""

from __future__ import annotations

import time
from importlib.metadata import distributions

import pytest
from cluster import until
from outcomes import journal, made_and_stored

ORACLES = 4
MPICH = any(d.name == "mpich" for d in distributions())


def ended(slurm, job):
    return slurm.job(job)["JobState"] in ("COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "CANCELLED")


def test_ranks_are_spread_over_the_nodes_as_placed(slurm, toy):
    case = toy(labels=60, delay=0.02)
    job = slurm.submit(case.script)
    until("the job's end", lambda: ended(slurm, job), 60)
    assert slurm.job(job)["ExitCode"] == "0:0", case.output
    assert f"in Slurm job {job} (2 nodes, 8 tasks, 8 cores)" in case.output
    assert {line["host"] for line in journal(case.folder)} == {"n2"}
    assert case.labels() == 60


@pytest.mark.timeout(500)
def test_job_goes_through_its_time_limit_and_the_loss_of_a_node_without_losing_a_label(slurm, toy):
    case = toy(labels=800, delay=0.5, run="requeue = true")
    job = slurm.submit(case.script)
    until("requeued at the time limit", lambda: slurm.job(job)["Restarts"] == "1", 150)
    assert "stopped (signal SIGUSR1)" in case.output
    assert f"putting Slurm job {job} into the queue again" in case.output
    assert case.sessions() == [("interrupted", "signal SIGUSR1")]
    assert case.labels() < 800
    until("both nodes free", lambda: slurm.states() == ["idle", "idle"], 30)
    slurm.hasten(job)
    before = case.labels()
    until("new labels", lambda: case.labels() >= before + 20, 60)
    slurm.kill_node("n2")
    until("Slurm misses the node", lambda: slurm.states()[1].startswith("down"), 60)
    until("requeued after the node's loss", lambda: slurm.job(job)["JobState"] == "PENDING", 60)
    slurm.start_node("n2")
    end = time.monotonic() + 150
    while not ended(slurm, job):
        assert time.monotonic() < end, case.output
        slurm.hasten(job)
        time.sleep(1)
    assert slurm.job(job)["JobState"] == "COMPLETED", case.output
    assert case.sessions()[-1] == ("done", "800 labels")
    compare(case)


def compare(case):
    """What the oracles say they have labelled, and what is stored."""
    made, stored = made_and_stored(case.folder, case.folder / "run")
    assert sum(stored.values()) == 800
    # Those on the way to the manager when the node died are made again, or still wait at the end.
    assert sum((made - stored).values()) <= 2 * ORACLES


@pytest.mark.skipif(not MPICH, reason="Open MPI's wheel has no PMI that Debian's Slurm speaks")
def test_srun_starts_the_ranks_where_it_is_asked_to(slurm, toy):
    case = toy(labels=40, delay=0.02, options="--mpiexec srun")
    job = slurm.submit(case.script)
    until("the job's end", lambda: ended(slurm, job), 60)
    assert slurm.job(job)["ExitCode"] == "0:0", case.output
    assert "srun --mpi=pmi2" in case.output
    assert case.labels() == 40
