"""When a run should end: the stop rules, as a pure record of what has been counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["StopRules", "Tally", "Window"]


@dataclass(frozen=True)
class StopRules:
    """Limits; None means no such rule. `walkers` and `members` are how many there are."""

    labels: int | None = None
    steps: int | None = None
    rounds: int | None = None
    uncertain: float | None = None
    window: int = 1000
    generators: Literal["any", "all"] = "all"
    training: Literal["any", "all"] = "any"
    walkers: int = 1
    members: int = 1


class Window:
    """The last calls for predictions, each with how many samples it had and how many of them were selected.

    Attributes
    ----------
    samples, selected : int
        Their sums, which are asked for at every event.
    """

    def __init__(self) -> None:
        self._turns: deque[tuple[int, int]] = deque()
        self.samples = self.selected = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._turns)

    def __len__(self) -> int:
        return len(self._turns)

    def extend(self, turns: Iterable[tuple[int, int]]) -> None:
        """Take in calls, the newest last."""
        for samples, selected in turns:
            self._turns.append((samples, selected))
            self.samples += samples
            self.selected += selected

    def forget_before(self, size: int) -> None:
        """Keep as many of the last calls as hold `size` samples."""
        while self._turns and self.samples - self._turns[0][0] >= size:
            samples, selected = self._turns.popleft()
            self.samples -= samples
            self.selected -= selected


@dataclass
class Tally:
    """What has been counted so far, and which rule it meets."""

    rules: StopRules
    labels: int = 0
    steps: int = 0
    selected: int = 0
    rounds: int = 0
    ended: set[int] = field(default_factory=set)
    disabled: set[int] = field(default_factory=set)
    wishes: dict[int, str] = field(default_factory=dict)
    last_reason: str = ""
    window: Window = field(default_factory=Window)

    def predicted(self, samples: int, selected: int) -> None:
        """Count predicted samples; the window keeps as many of the last calls as hold `StopRules.window` samples."""
        if not samples:
            return
        self.steps += samples
        self.selected += selected
        self.window.extend([(samples, selected)])
        self.window.forget_before(self.rules.window)

    @property
    def uncertain_share(self) -> float | None:
        """Share of selected samples over the window; None before anything was predicted."""
        return self.window.selected / self.window.samples if self.window.samples else None

    @property
    def labels_left(self) -> int | None:
        """Labels that may still be made; None without such a rule."""
        return None if self.rules.labels is None else max(self.rules.labels - self.labels, 0)

    def reason(self) -> str | None:
        """The rule that is met, in words, or None."""
        r = self.rules
        if self.labels_left == 0:
            return f"{self.labels} labels"
        if r.steps is not None and self.steps >= r.steps:
            return f"{self.steps} steps"
        if r.rounds is not None and self.rounds >= r.rounds:
            return f"{self.rounds} training rounds"
        return self._wish() or self._converged()

    def _wish(self) -> str | None:
        ended = len(self.ended)
        if ended and ended >= (1 if self.rules.generators == "any" else self.rules.walkers):
            return f"{ended} of {self.rules.walkers} walkers ended ({self.last_reason})"
        if self.wishes and len(self.wishes) >= (1 if self.rules.training == "any" else self.rules.members):
            member, why = next(iter(self.wishes.items()))
            return f"training of member {member} asked to stop ({why})"
        return None

    def _converged(self) -> str | None:
        if self.rules.uncertain is None or self.window.samples < self.rules.window:
            return None
        share = self.uncertain_share
        if share is None or share > self.rules.uncertain:
            return None
        return f"converged: {share:.1%} of the last {self.rules.window} samples uncertain"
