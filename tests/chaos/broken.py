"""Manager machines that break a promise, to see that the campaigns notice."""

from __future__ import annotations

from pal_core.control import vocabulary as v
from pal_core.control.manager import Manager

__all__ = ["BROKEN", "ForgetsTheDeadline"]


class BelievesLateAnswers(Manager):
    """Takes whatever an oracle says for the answer to what it works on."""

    def _label(self, event: v.LabelArrived) -> list[v.Action]:
        ticket = self.queue.flying.get(event.host)
        if ticket is not None:
            event = v.LabelArrived(event.host, ticket.sample, event.admitted, None, event.seconds)
        return super()._label(event)


class CommitsTooEarly(Manager):
    """Commits a set when all but one host have written their parts."""

    def _saved(self, host: str, number: int, written: bool) -> list[v.Action]:
        actions = super()._saved(host, number, written)
        early = self.sets.open and number == self.sets.number and len(self.sets._missing or ()) == 1
        return [*actions, v.CommitSet(number)] if early and not actions else actions


class DispatchesTwice(Manager):
    """Gives samples that fly to idle oracles too, to have their labels sooner."""

    def _dispatch(self) -> list[v.Action]:
        actions = super()._dispatch()
        if self._idle and self.queue.flying and self.phase == "running" and not actions:
            ticket = next(iter(self.queue.flying.values()))
            actions.append(v.Dispatch(next(iter(self._idle)), ticket.sample, ticket.attempts + 1))
        return actions


class ForgetsTheDeadline(Manager):
    """Begins labels that can't end in time."""

    def _can_end(self, size: int) -> bool:
        return True


class LosesSamples(Manager):
    """Forgets what a lost oracle was working on."""

    def _go_on_without(self, hosts: tuple[str, ...], why: str) -> list[v.Action]:
        for host in hosts:
            self.queue.flying.pop(host, None)
        return super()._go_on_without(hosts, why)


class LetsOraclesIdle(Manager):
    """Never thinks again of an oracle that has failed."""

    def _missed(self, event: v.LabelMissed) -> list[v.Action]:
        actions = super()._missed(event)
        self._idle.pop(event.host, None)
        return actions


BROKEN: dict[type[Manager], str] = {
    BelievesLateAnswers: r"counts 1 times instead of 0|counts 0 times instead of 1|is stored",
    CommitsTooEarly: r"set \d+ is committed (without|twice)",
    DispatchesTwice: "is dispatched while it flies",
    ForgetsTheDeadline: "can't end in time",
    LosesSamples: "queue and store differ|what flies",
    LetsOraclesIdle: "oracles are idle while",
}
"""Broken machines, and what is said of them."""
