"""Short ways to bring a manager machine to where a test begins."""

from __future__ import annotations

import math
from typing import Any

from pal_core.control import vocabulary as v
from pal_core.control.manager import Manager, ManagerPlan

GEN, PRED, TRAINER = "generator/0", "prediction/0", "training/0"
ORACLES = ("oracle/0", "oracle/1")
ORACLE = ORACLES[0]
HOSTS = ("exchange", GEN, PRED, TRAINER, *ORACLES)
"""Every host of `plan`, in the order in which they are told to halt."""


def plan(**changes: Any) -> ManagerPlan:
    """Two oracles and one host of each other role; no snapshot sets but at the end."""
    usual: dict[str, Any] = {"oracles": ORACLES, "trainers": (TRAINER,), "walker_hosts": (GEN,), "predictors": (PRED,)}
    return ManagerPlan(**(usual | {"snapshot_every": math.inf} | changes))


def run(machine: Manager, *events: v.Event, at: float = 0.0) -> list[v.Action]:
    """All actions that these events lead to."""
    return [action for event in events for action in machine.handle(event, at)]


def ready(plan: ManagerPlan, at: float = 0.0, **state: Any) -> Manager:
    """A machine whose hosts have all voted."""
    machine = Manager(plan, **state)
    run(machine, *(v.HostReady(h) for h in plan.hosts), at=at)
    return machine


def started(plan: ManagerPlan, **state: Any) -> Manager:
    """A machine that has begun."""
    machine = ready(plan, **state)
    run(machine, v.Inspected())
    return machine


def exploring(**changes: Any) -> Manager:
    """A machine whose walkers explore with trained models."""
    return started(plan(trained=True, **changes))


def sample(number: int, score: float = 0.5, walker: int = 0) -> v.SampleArrived:
    """A sample that the selection has chosen."""
    return v.SampleArrived(number, walker, score)
