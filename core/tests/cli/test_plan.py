"""`pal plan`."""

from __future__ import annotations

import json
import os
import re
import sys

import pytest


@pytest.fixture(autouse=True)
def mpiexec(tmp_path, monkeypatch):
    """A program in PATH that says it is MPICH's mpiexec, in an environment without its own."""
    path = tmp_path / "bin" / "mpiexec"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\necho HYDRA build details\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    return path


def test_table_shows_every_rank(pal, toy):
    result = pal("plan", "toy.toml")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["rank", "node", "role", "kernel", "what", "gpu"]
    assert rows[1:-1] == [
        ["0", "-", "manager", "-", "controller", "-"],
        ["0", "-", "exchange", "pal.threshold", "controller", "-"],
        ["1", "-", "prediction", "pal.toy-model", "members", "0-1", "-"],
        ["2", "-", "generator", "pal.toy-walker", "walkers", "0-3", "-"],
        ["3", "-", "oracle", "pal.toy-oracle", "worker", "0", "-"],
        ["4", "-", "training", "pal.toy-model", "members", "0-1", "-"],
    ]
    cores = len(os.sched_getaffinity(0))
    assert re.fullmatch(rf"pal run starts 5 ranks by \S*mpiexec on {cores} cores of this machine", rows_end(result))


def test_warnings_of_the_settings_come_with_it(pal, toy):
    toy.write_text(toy.read_text().replace("seed = 5", 'seed = 5\nschedule = "serial"\nspares = 1'))
    result = pal("plan", "toy.toml")
    assert result.exit_code == 0
    assert result.stderr.startswith("toy.toml:6: run.spares: spare ranks are never used in the serial schedule")
    assert result.stderr.endswith('"parallel" (warning)\n')


def rows_end(result):
    return result.stdout.splitlines()[-1]


def test_table_says_why_ranks_cannot_be_started(pal, toy, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert rows_end(pal("plan", "toy.toml")).startswith("5 ranks; pal run can't start them: no mpiexec was found")


def test_job_of_slurm_gives_ranks_and_cores(pal, toy, mpiexec, monkeypatch):
    toy.write_text(toy.read_text().replace("isolate = false\nprocesses = 1", "isolate = false"))
    job = {"JOB_ID": "77", "JOB_NUM_NODES": "2", "NTASKS": "8", "JOB_CPUS_PER_NODE": "4(x2)"}
    for name, value in job.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    result = pal("plan", "toy.toml")
    assert rows_end(result) == f"pal run starts 8 ranks by {mpiexec} in Slurm job 77 (2 nodes, 8 tasks, 8 cores)"
    assert json.loads(pal("plan", "toy.toml", "--json").stdout)["start"] == rows_end(result)


def test_json(pal, toy):
    data = json.loads(pal("plan", "toy.toml", "--json").stdout)
    assert data["ranks"] == 5
    assert data["parts"][2] == {
        "address": "prediction/0", "role": "prediction", "rank": 1, "indices": [0, 1], "gpu": None, "node": "",
        "kernel": "pal.toy-model",
    }  # fmt: skip


def test_placement_is_tried_out_on_named_nodes(pal, toy):
    toy.write_text(toy.read_text() + '[[placement]]\nmatch = "cpu"\nmodel = 0\ntraining = 0\n')
    toy.write_text(toy.read_text().replace("members = 2", "members = 2\ngpus = [1]"))
    result = pal("plan", "toy.toml", "--nodes", "gpu:2,cpu:2,gpu2:1")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()[1:-1]]
    assert [(r[1], r[2], r[-1]) for r in rows] == [
        ("gpu", "manager", "-"), ("gpu", "exchange", "-"), ("gpu", "prediction", "1"), ("cpu", "generator", "-"),
        ("cpu", "oracle", "-"), ("gpu2", "training", "-"),
    ]  # fmt: skip


def test_ranks_of_an_allocation_that_do_not_fit_are_refused(pal, toy):
    result = pal("plan", "toy.toml", "--ranks", "9")
    assert result.exit_code == 2
    assert "the settings ask for 5 ranks" in result.stderr
    assert "9 were started" in result.stderr


def test_ranks_left_over_become_oracles(pal, toy):
    toy.write_text(toy.read_text().replace("isolate = false\nprocesses = 1", "isolate = false"))
    rows = [line.split() for line in pal("plan", "toy.toml", "--ranks", "9").stdout.splitlines()]
    assert sum(r[2] == "oracle" for r in rows[1:-1]) == 5


@pytest.mark.parametrize("nodes", ["gpu", "gpu:x", "gpu:2,,cpu:1"])
def test_nodes_of_another_form_are_refused(pal, toy, nodes):
    result = pal("plan", "toy.toml", "--nodes", nodes)
    assert result.exit_code == 2
    assert "is not of the form NODE:RANKS" in result.stderr


def test_mistakes_in_settings_are_listed(pal, toy):
    toy.write_text(toy.read_text().replace("walkers = 4", "walkers = 0"))
    result = pal("plan", "toy.toml")
    assert result.exit_code == 2
    assert "toy.toml:7: generator.walkers: found 0" in result.stderr
