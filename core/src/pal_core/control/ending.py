"""How a run ends: the last phases of the manager machine, and what they share with the others.

Draining waits for labels being made, finishing for the last round, halting for every host, the exchange last. Each has
a limit; whoever is silent then is abandoned. A failure halts everyone at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pal_core.control import vocabulary as v
from pal_core.control.manager_plan import ManagerPlan
from pal_core.control.queue import OracleQueue
from pal_core.control.roster import Roster
from pal_core.control.rounds import Rounds
from pal_core.control.sets import Sets
from pal_core.control.stopping import Tally

__all__ = ["PHASES", "Ending", "Phase"]

Phase = Literal["starting", "bootstrapping", "running", "draining", "finishing", "halting", "ended"]

PHASES: dict[Phase, tuple[Phase, ...]] = {
    "starting": ("bootstrapping", "running", "halting", "ended"),
    "bootstrapping": ("running", "draining", "halting", "ended"),
    "running": ("draining", "halting", "ended"),
    "draining": ("finishing", "halting", "ended"),
    "finishing": ("halting", "ended"),
    "halting": ("ended",),
    "ended": (),
}
"""Which phase may follow which; the diagram in the docs is drawn from this table."""
BUILDING_PATIENCE = 3.0
"""Seconds that hosts get to halt when the start has failed."""


class Ending:
    """What a manager machine knows in every phase, and how it ends.

    Parameters
    ----------
    plan : ManagerPlan
    queue : OracleQueue
    tally : Tally
    rounds : Rounds
    last_set : int
        Number of the newest snapshot set.
    """

    def __init__(self, plan: ManagerPlan, queue: OracleQueue, tally: Tally, rounds: Rounds, last_set: int = 0) -> None:
        self.plan = plan
        self.phase: Phase = "starting"
        self.queue = queue
        self.tally = tally
        self.rounds = rounds
        self.sets = Sets(plan.stateful, plan.snapshot_every, last_set)
        self.outcome: v.Outcome = "done"
        self.reason = ""
        self._roster = Roster(plan.hosts, plan.spares)
        self._walkers_quiet = False
        self._closing = False
        self._last_set: int | None = None
        self._was_running = False
        self._deadline = plan.startup_limit
        self._now = 0.0

    def _stop(self, outcome: v.Outcome, reason: str) -> list[v.Action]:
        if self.phase == "starting":
            self.outcome, self.reason = outcome, reason
            return self._halt_all()
        if self.phase not in ("bootstrapping", "running"):
            return self._hurry(outcome, reason)
        self.phase = "draining"
        self.outcome, self.reason = outcome, reason
        longest = self._patience if outcome == "interrupted" else self.plan.label_limit + self.plan.stop_limit
        self._deadline = self._now + longest
        self._last_set = self.sets.begin(self._now)
        return [v.QuietenExchange(self._last_set), *self._forgo_absent()]

    @property
    def _patience(self) -> float:
        """Seconds that labels being made may still take once the run is to end."""
        if self.plan.end is None or self.plan.drain_at is None or self._now < self.plan.drain_at:
            return self.plan.stop_limit
        return (self.plan.end - self.plan.drain_at) / 2

    def _time_is_up(self) -> list[v.Action]:
        last = self.plan.drain_at
        if last is None or self._now < last or self.phase in ("halting", "ended") or self.outcome == "interrupted":
            return []
        return self._stop("interrupted", "time is up (stop.wall_time, or the end of the batch job)")

    def _hurry(self, outcome: v.Outcome, reason: str) -> list[v.Action]:
        """Someone asks to stop a run that is ending by a rule: labels have less time, training none."""
        if outcome != "interrupted" or self.outcome != "done" or self.phase not in ("draining", "finishing"):
            return []
        self.outcome, self.reason = outcome, reason
        if self.phase == "finishing":
            return self._halt_some()
        self._deadline = min(self._deadline, self._now + self._patience)
        return []

    def _fail(self, reason: str) -> list[v.Action]:
        """End at once; what flies waits again in the next part of the run."""
        if self.phase == "halting" and self.outcome == "failed":
            return []
        self.outcome, self.reason = "failed", reason
        return self._halt_all()

    def _drained(self) -> list[v.Action]:
        if self.queue.flying:
            return []
        if self.outcome == "done" and self.plan.trainers and self.plan.final_time > 0:
            self.phase = "finishing"
            self._deadline = self._now + self.plan.final_time + self.plan.stop_limit
            last: list[v.Action] = [v.Release(*self.rounds.release())] if self.rounds.buffer else []
            return [*last, v.FinishTraining(self.plan.final_time), *self._training_over()]
        return self._halt_some()

    def _training_over(self) -> list[v.Action]:
        if self.phase != "finishing" or self.rounds.finished < set(self.rounds.hosts):
            return []
        return self._halt_some()

    def _tell(self, hosts: Sequence[str]) -> list[v.Action]:
        return [v.HaltHost(h, self._last_set or 0) for h in self._roster.tell(hosts)]

    def _halt_some(self) -> list[v.Action]:
        """Halt trainers and oracles; the exchange ends when they and the walkers have."""
        self.phase = "halting"
        self._deadline = self._now + self.plan.stop_limit
        return [*self._tell([*self.plan.trainers, *self.plan.oracles]), *self._halting()]

    def _halt_all(self) -> list[v.Action]:
        """Halt everyone without waiting for anything: someone has failed, or nothing has begun.

        Hosts that are still building their kernels have nothing to save and are hardly waited for.
        """
        patience = BUILDING_PATIENCE if self._roster.unready else self.plan.stop_limit
        self.phase = "halting"
        self._deadline = self._now + min(patience, self.plan.stop_limit)
        return [*self._return(), *self._forgo_absent(), *self._tell(self.plan.hosts), *self._halting()]

    def _forgo_absent(self) -> list[v.Action]:
        """At the end nobody waits for a lost host to come back."""
        absent = tuple(self._roster.away)
        self._roster.away.clear()
        return self._retire(absent) if absent else []

    def _gone(self, hosts: Sequence[str]) -> list[v.Action]:
        """These hosts have halted; who hasn't been told by this machine has been told by the exchange."""
        self._roster.gone(hosts)
        return self._halting()

    def _return(self) -> list[v.Action]:
        return self._put_back(tuple(self.queue.flying))

    def _halting(self) -> list[v.Action]:
        if self.phase != "halting":
            return []
        roster = self._roster
        if not roster.running:
            self.phase = "ended"
            return [*self._last_commit(), v.Finished(self.outcome, self.reason)]
        if self._closing or "exchange" in roster.told or not self._walkers_quiet:
            return []
        if not (roster.running.isdisjoint(self.plan.trainers) and roster.running.isdisjoint(self.plan.oracles)):
            return []
        self._closing = True
        self._deadline = self._now + self.plan.stop_limit
        return [v.CloseExchange()]

    @property
    def _awaited(self) -> set[str]:
        """Hosts whose answer this phase waits for."""
        running = self._roster.running
        if self.phase == "starting":
            return self._roster.unready or set(self.plan.oracles[:1])
        if self.phase == "finishing":
            return set(self.rounds.hosts) - self.rounds.finished
        if self._closing:
            return running
        silent = running & self._roster.told
        return silent if self._walkers_quiet else silent | running & {"exchange", *self.plan.walker_hosts}

    def _out_of_time(self) -> list[v.Action]:
        """Whom the limit of a phase doesn't wait for any longer."""
        if self._now <= self._deadline:
            return []
        if self.phase == "draining":
            return self._return()  # with nothing left to wait for, draining is over
        missing, doing = tuple(sorted(self._awaited)), self.phase
        self.phase = "ended"
        return [v.Abandon(missing, doing)]

    # --- leaving hosts behind, and the last set

    def _retire(self, hosts: tuple[str, ...]) -> list[v.Action]:
        """Go on, or to the end, without these hosts."""
        returned = self._put_back(hosts)
        self.rounds.finished.update(h for h in hosts if h in self.plan.trainers)
        return [*returned, v.Forgo(hosts), *self._gone(hosts), *self._training_over()]

    def _put_back(self, hosts: Sequence[str]) -> list[v.Action]:
        """What these oracles worked on waits again, at no cost of an attempt."""
        tickets = [self.queue.flying.pop(h) for h in hosts if h in self.queue.flying]
        for ticket in tickets:
            self.queue.put_back(ticket)
        return [v.ReturnToQueue(tuple(t.sample for t in tickets))] if tickets else []

    def _restart(self, reason: str) -> list[v.Action]:
        self.phase = "ended"
        self.reason = reason
        return [v.Restart(reason)]

    def _last_commit(self) -> list[v.Action]:
        """Commit what the hosts have written when they halted, if it is whole.

        In the serial schedule also only if the run could repeat itself from there: not out of the middle of training.
        """
        whole = self._last_set is not None and self._roster.saved >= set(self.plan.stateful)
        exact = not self.plan.serial or (self._was_running and self.rounds.completed == self.rounds.released)
        if not whole or not exact or self.outcome == "failed":
            return []
        return [v.CommitSet(self.sets.number)]
