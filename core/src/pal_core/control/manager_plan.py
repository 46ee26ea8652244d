"""What the manager machine knows of the run before it begins."""

from __future__ import annotations

from dataclasses import dataclass, field

from pal_core.control.stopping import StopRules

__all__ = ["ManagerPlan"]

_LARGEST_RESERVE = 0.25
"""Share of the time until `ManagerPlan.end` that is kept for ending, at most."""


@dataclass(frozen=True)
class ManagerPlan:
    """Hosts, limits and policies. Times in seconds; `end` counts from the machine's time 0."""

    oracles: tuple[str, ...] = ()
    trainers: tuple[str, ...] = ()
    walker_hosts: tuple[str, ...] = ()
    predictors: tuple[str, ...] = ()
    spares: int = 0
    rules: StopRules = field(default_factory=StopRules)
    bootstrap: int = 0
    trained: bool = False
    retrain_after: int = 20
    retries: int = 1
    give_up_after: int = 20
    queue: int = 1000
    per_walker: int | None = None
    ahead: int | None = None
    rerank: bool = False
    serial: bool = False
    snapshot_every: float = 60.0
    final_time: float = 300.0
    label_limit: float = 3600.0
    startup_limit: float = 300.0
    stop_limit: float = 60.0
    end: float | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host but the manager itself."""
        return ("exchange", *self.walker_hosts, *self.predictors, *self.trainers, *self.oracles)

    @property
    def stateful(self) -> tuple[str, ...]:
        """Hosts that write a part of every snapshot set."""
        return ("exchange", *self.walker_hosts, *self.trainers)

    @property
    def drain_at(self) -> float | None:
        """When the run must begin to end so that it has ended at `end`."""
        if self.end is None:
            return None
        return self.end - min(self.stop_limit, _LARGEST_RESERVE * max(self.end, 0.0))
