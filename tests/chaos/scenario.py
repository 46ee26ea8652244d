"""What a seed means: sizes, limits, service times and rates of faults of a campaign."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from clock import HOUR

from pal_core.control.manager_plan import ManagerPlan
from pal_core.control.stopping import StopRules

__all__ = ["CAMPAIGN", "ORACLES", "Scenario", "draw"]

CAMPAIGN = 48 * HOUR
ORACLES = 1000
SIZES = (10, 20, 40)
"""Atoms."""


@dataclass(frozen=True)
class Scenario:
    """A campaign. Times in seconds, rates per hour."""

    plan: ManagerPlan
    groups: tuple[tuple[str, ...], ...]
    batching: str
    walkers: int
    """On each host."""
    bands: float
    """Share of walkers' turns in which several samples are proposed."""
    turn: float
    label: float
    """Median time of the label of the smallest samples."""
    slow: float
    """Share of labels that take fifty times as long."""
    failing: float
    nan: float
    invalid: float
    hang: float
    predict: float
    train: float
    share: float
    """Share of samples that are selected."""
    walltime: float | None
    doubled: float
    late: float
    stuck: float
    """Share of hosts that never halt."""
    deaths: dict[str, float]
    """Rate of deaths by role."""
    kills: float
    stops: float
    full: float
    refusals: float
    breaks: float


def _names(role: str, count: int) -> tuple[str, ...]:
    return tuple(f"{role}/{k}" for k in range(count))


def draw(rng: Random) -> Scenario:
    """A scenario: every seed has its own mixture of sizes, policies and troubles."""
    predictors, per_group = _names("prediction", 8), rng.choice([8, 8, 4, 2])
    walker_hosts, walkers = _names("generator", rng.choice([12, 24, 36])), rng.choice([16, 32])
    label, bad = HOUR * rng.uniform(1.5, 4.0), rng.choice([0.1, 0.3, 1.0, 3.0])
    timeout = rng.choice([8.0, 16.0, 24.0]) * HOUR
    plan = ManagerPlan(
        oracles=_names("oracle", ORACLES),
        trainers=_names("training", 8),
        walker_hosts=walker_hosts,
        predictors=predictors,
        spares=rng.choice([0, 8, 24, 48]),
        rules=StopRules(
            labels=rng.choice([None, None, 500, 3000]),
            steps=rng.choice([None, None, None, 8000]),
            rounds=rng.choice([None, None, None, 10]),
            walkers=len(walker_hosts) * walkers,
            members=8,
        ),
        bootstrap=rng.choice([16, 200]),
        retrain_after=rng.choice([50, 200, 500]),
        retries=rng.choice([0, 1, 2]),
        give_up_after=60,
        queue=rng.choice([100, 1000, 3000]),
        per_walker=rng.choice([None, None, 2, 10]),
        ahead=rng.choice([None, None, 800, 2000]),
        rerank=rng.random() < 0.4,
        serial=rng.random() < 0.15,
        snapshot_every=rng.choice([0.25, 1.0]) * HOUR,
        final_time=rng.choice([0.0, HOUR]),
        label_limit=timeout + 600.0,
        startup_limit=900.0,
        stop_limit=rng.choice([120.0, 600.0]),
    )
    return Scenario(
        plan=plan,
        groups=tuple(predictors[k : k + per_group] for k in range(0, 8, per_group)),
        batching=rng.choice(["ready", "ready", "all"]),
        walkers=walkers,
        bands=rng.choice([0.0, 0.02, 0.1]),
        turn=HOUR * rng.uniform(0.4, 1.0),
        label=label,
        slow=rng.choice([0.0, 0.01, 0.03]),
        failing=0.02 * bad,
        nan=0.01 * bad,
        invalid=0.003 * bad,
        hang=0.003 * bad,
        predict=math.exp(rng.uniform(math.log(1e-3), math.log(10.0))),
        train=HOUR * rng.uniform(0.1, 1.5),
        share=rng.choice([0.2, 0.5, 0.8]),
        walltime=rng.choice([None, 6 * HOUR, 12 * HOUR, 24 * HOUR]),
        doubled=0.01,
        late=0.01 * bad,
        stuck=rng.choice([0.0, 1e-4]),
        deaths={
            "oracle": 0.3 * bad,
            "generator": 0.05 * bad,
            "prediction": 0.03 * bad,
            "training": 0.03 * bad,
            "spare": 0.03 * bad,
            "exchange": 0.01 * bad,
        },
        kills=0.02 * bad,
        stops=0.01 * bad,
        full=0.05 * bad,
        refusals=0.005 * bad,
        breaks=0.004 * bad,
    )
