"""A sample of the campaigns; ``nox -s chaos`` runs a thousand of them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from broken import BROKEN, ForgetsTheDeadline
from campaign import Campaign, Result
from scenario import CAMPAIGN

from pal_core.control.manager import Manager

SEEDS = range(40)
LIMIT = 100
"""Campaigns within which a broken promise must be noticed."""


@pytest.fixture(scope="module")
def results() -> dict[int, Result]:
    return {seed: Campaign(seed).run() for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
def test_no_promise_is_broken(results, seed):
    assert results[seed].violation == "", f"replay: python tests/chaos --seed {seed}"


def test_the_sample_has_seen_every_trouble_and_every_end(results):
    faults = sum((r.faults for r in results.values()), Counter())
    roles = ("oracle", "generator", "prediction", "training", "exchange", "spare")
    others = {"slow node", "hung oracle or timeout", "NaN label", "full disk", "late message", "doubled message"}
    others |= {"stop", "kill of everything", "store refuses to commit", "failed label", "broken kernel"}
    assert faults.keys() >= {f"death of {role}" for role in roles} | others
    ends = sum((r.ends for r in results.values()), Counter())
    assert ends.keys() >= {"done", "interrupted", "failed", "restarted", "killed", "abandoned"}
    assert sum(r.labels for r in results.values()) > 20_000


def test_a_campaign_repeats_itself():
    first, second = (Campaign(5).run() for _ in range(2))
    assert first == second
    assert first.labels > 0


def test_a_campaign_lasts_for_48_hours_or_until_its_rule_is_met():
    campaign = Campaign(3)
    result = campaign.run()
    assert campaign.clock.now >= CAMPAIGN or result.ends["done"]


def first_violation(machine: type[Manager]) -> Result:
    """The first campaign that finds a machine out."""
    results = (Campaign(seed, machine).run() for seed in range(LIMIT))
    return next(result for result in results if result.violation)


def command(*options: str) -> subprocess.CompletedProcess[str]:
    """What ``python tests/chaos`` says."""
    words = [sys.executable, str(Path(__file__).parent), *options]
    return subprocess.run(words, capture_output=True, check=False, text=True, timeout=60)


@pytest.mark.parametrize("machine", BROKEN, ids=lambda m: m.__name__)
def test_a_broken_promise_is_noticed(machine):
    assert re.match(f"Violation: .*({BROKEN[machine]})", first_violation(machine).violation)


def test_a_violation_is_told_with_the_last_events_and_the_command_that_replays_it():
    result = first_violation(ForgetsTheDeadline)
    run = command("--seed", str(result.seed), "--machine", "ForgetsTheDeadline")
    assert run.returncode == 1
    assert f"seed {result.seed}: {result.violation}\n" in run.stdout
    assert re.search(r" s  \w+\(", result.violation)
    assert f"replay: python tests/chaos --seed {result.seed} --machine ForgetsTheDeadline\n" in run.stdout


def test_a_campaign_without_violation_is_a_success():
    run = command("--seeds", "2", "--processes", "1")
    assert run.returncode == 0
    assert run.stdout.startswith("seeds       2 (0 with a violation)")
