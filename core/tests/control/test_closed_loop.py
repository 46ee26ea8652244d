"""Both machines together, with all ways of stopping, over shuffled deliveries."""

from __future__ import annotations

import random
from typing import Any

import pytest
from closed_loop import ClosedLoop

from pal_core.control import vocabulary as v
from pal_core.control.manager import ManagerPlan
from pal_core.control.queue import Ticket
from pal_core.control.stopping import StopRules

ENDS = {
    "generator": "walkers ended (found)",
    "trainer": "asked to stop (flat)",
    "labels": " labels",
    "steps": " steps",
}
SEEDS = range(50)


def rules(rng: random.Random, end: str, walkers: int, members: int) -> StopRules:
    limits: dict[str, dict[str, Any]] = {
        "labels": {"labels": rng.randint(1, 40)},
        "steps": {"steps": rng.randint(1, 300)},
    }
    both = {"generators": rng.choice(["any", "all"]), "training": rng.choice(["any", "all"])}
    return StopRules(**limits.get(end, {}), **both, walkers=walkers, members=members)


def names(role: str, count: int) -> tuple[str, ...]:
    return tuple(f"{role}/{i}" for i in range(count))


def closed_loop(rng: random.Random, end: str) -> ClosedLoop:
    """A run of random size, schedule and history that ends by one rule."""
    learns = end in ("trainer", "labels") or rng.random() < 0.7
    groups = [rng.randint(1, 2) for _ in range(rng.randint(1, 3))]
    predictors = iter(names("prediction", sum(groups)))
    ends = end == "generator"
    lives = [[rng.randint(0, 9) if ends else -1 for _ in range(rng.randint(1, 4))] for _ in range(rng.randint(1, 3))]
    trainers = names("training", rng.randint(1, 2)) if learns else ()
    resumed = learns and rng.random() < 0.3
    labels = tuple(range(100, 100 + rng.randint(0, 5))) if resumed else ()
    plan = ManagerPlan(
        spares=rng.choice([0, 1, 9]),
        snapshot_every=rng.choice([1.0, 10.0]),
        end=rng.uniform(5, 60) if end == "time" else None,
        oracles=names("oracle", rng.randint(1, 4)) if learns else (),
        trainers=trainers,
        walker_hosts=names("generator", len(lives)),
        predictors=names("prediction", sum(groups)),
        rules=rules(rng, end, sum(map(len, lives)), len(trainers)),
        bootstrap=rng.randint(5, 9),
        trained=rng.random() < 0.5,
        retrain_after=rng.randint(1, 6),
        retries=rng.randint(0, 2),
        give_up_after=50,
        queue=rng.choice([2, 5, 1000]),
        per_walker=rng.choice([None, None, 1, 3]),
        ahead=rng.choice([None, 1, 10]),
        rerank=rng.random() < 0.5,
        serial=rng.random() < 0.3,
        final_time=rng.choice([0.0, 300.0, 300.0]),
        label_limit=1e4,
        startup_limit=1e4,
        stop_limit=1e4 if end != "time" else 10.0,
    )
    return ClosedLoop(
        rng,
        plan,
        lives,
        [[next(predictors) for _ in range(n)] for n in groups],
        batching=rng.choice(["ready", "all"]),
        uncertain=rng.choice([0.1, 0.5, 1.0]),
        patience=rng.randint(1, 4) if end == "trainer" else -1,
        waiting=tuple(Ticket(n, n % 3, rng.random()) for n in range(rng.randint(0, 5))) if resumed else (),
        labelled=rng.randint(0, len(labels)),
        buffered=labels,
        rounds=rng.randint(0, 3) if resumed else 0,
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("end", ENDS)
def test_run_ends_by_its_rule(end, seed):
    loop = closed_loop(random.Random(f"{end} {seed}"), end)
    over = loop.run()
    assert over.outcome == "done"
    assert ENDS[end] in over.reason
    loop.check_end()


@pytest.mark.parametrize("seed", SEEDS)
def test_run_ends_when_its_time_is_up(seed):
    rng = random.Random(f"time {seed}")
    loop = closed_loop(rng, "time")
    over = loop.run()
    assert over.outcome == "interrupted"
    assert over.reason.startswith("time is up")
    loop.check_end()


@pytest.mark.parametrize("seed", SEEDS)
def test_interrupted_run_ends(seed):
    rng = random.Random(f"interrupted {seed}")
    loop = closed_loop(rng, rng.choice(list(ENDS)))
    over = loop.run(stop_at=rng.randint(1, 400))
    assert over.outcome in ("interrupted", "done")
    loop.check_end()


@pytest.mark.parametrize("seed", SEEDS)
def test_run_with_a_failing_host_ends(seed):
    rng = random.Random(f"failing {seed}")
    loop = closed_loop(rng, rng.choice(list(ENDS)))
    assert isinstance(loop.run(break_at=rng.randint(1, 400)), v.Finished)
    loop.check_end()


@pytest.mark.parametrize("seed", range(3 * len(SEEDS)))
def test_run_whose_hosts_die_ends_or_asks_to_begin_anew(seed):
    rng = random.Random(f"dying {seed}")
    loop = closed_loop(rng, rng.choice(list(ENDS)))
    kills = {rng.randint(1, 400) for _ in range(rng.choice([1, 2, 5]))}
    over = loop.run(stop_at=rng.choice([-1, rng.randint(1, 400)]), kill_at=kills)
    if isinstance(over, v.Finished):
        loop.check_end()
    else:
        assert isinstance(over, v.Restart)
        assert loop.dead
