"""What differs between the settings of a run's last session and those of the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pal_core.settings.model import Settings

__all__ = ["Change", "changes"]

_BINDING = ("generator.kernel", "model.kernel", "model.options", "model.members", "oracle.kernel", "oracle.options")
_HARMLESS = (
    "stop", "placement", "run.directory", "run.controllers", "run.snapshot_every", "run.spares", "run.startup_limit",
    "run.silence_limit", "run.stop_limit", "run.max_restarts", "run.requeue", "oracle.timeout", "oracle.isolate",
    "training.final_time", "training.checkpoints",
    *(f"{table}.processes" for table in ("generator", "model", "training", "oracle")),
)  # fmt: skip
_BINDING_TOO = ("run.seed", "training.validation", "data.initial", "model.start")


@dataclass(frozen=True)
class Change:
    """A key with another value.

    `binding` keys decide what the stored labels and weights mean, so a run doesn't go on with another value unasked.
    """

    key: str
    before: Any
    after: Any

    @property
    def binding(self) -> bool:
        """Whether stored data depend on the key."""
        return self._is_among((*_BINDING, *_BINDING_TOO))

    @property
    def harmless(self) -> bool:
        """Whether a deterministic run takes the same course all the same, until it ends."""
        return self._is_among(_HARMLESS)

    def _is_among(self, keys: tuple[str, ...]) -> bool:
        return any(self.key == k or self.key.startswith(f"{k}.") for k in keys)

    def __str__(self) -> str:
        return f"{self.key}: {_shown(self.before)} -> {_shown(self.after)}"


def changes(before: Settings, after: Settings) -> list[Change]:
    """Keys whose values differ, in the order of the settings; defaults count as values."""
    old, new = (dict(_flat(s.model_dump(mode="json"))) for s in (before, after))
    keys = [*new, *(k for k in old if k not in new)]
    return [Change(k, old.get(k), new.get(k)) for k in keys if old.get(k) != new.get(k)]


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(value: Any) -> str:
    return "left out" if value is None else repr(value)
