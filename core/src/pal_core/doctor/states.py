"""States of samples that contradict another table of the store."""

from __future__ import annotations

from pal_core.store.store import Store

__all__ = ["STATES", "set_states_right"]

_BY_LABEL = "CASE WHEN id IN (SELECT sample FROM labels) THEN 'labelled' ELSE 'waiting' END"

STATES = {
    "labelled, but have no label": (
        "state = 'labelled' AND id NOT IN (SELECT sample FROM labels)",
        "'waiting'",
    ),
    "quarantined for no reason on record": (
        "state = 'quarantined' AND id NOT IN (SELECT sample FROM quarantine WHERE settled IS NULL)",
        _BY_LABEL,
    ),
    "dropped, but have a label": (
        "state = 'dropped' AND id IN (SELECT sample FROM labels)",
        "'labelled'",
    ),
    "in a state that doesn't exist": (
        "state NOT IN ('waiting', 'labelled', 'quarantined', 'dropped', 'ahead')",
        _BY_LABEL,
    ),
}
"""Samples that contradict another table: how they are told of, condition in SQL, and an expression for
the state that is right."""


def set_states_right(store: Store) -> None:
    """Give every sample in `STATES` the state that its label and its attempts speak for."""
    for condition, state in STATES.values():
        store._write(f"UPDATE samples SET state = {state} WHERE {condition}")  # noqa: S608
