"""Diagrams show every phase and every change of phase of a table."""

from __future__ import annotations

import pytest

from pal_core.control import exchange, manager
from pal_core.control.diagrams import mermaid


def test_exchange_is_drawn_from_its_table():
    assert mermaid(exchange.PHASES).splitlines() == [
        "stateDiagram-v2",
        "    [*] --> open",
        "    open --> quieting",
        "    quieting --> quiet",
        "    quiet --> closing",
        "    closing --> closed",
        "    closed --> [*]",
    ]


def test_every_change_of_the_manager_is_one_arrow():
    arrows = [tuple(line.split(" --> ")) for line in mermaid(manager.PHASES).splitlines()[1:]]
    changes = [(before, after) for before, row in manager.PHASES.items() for after in row]
    assert [(a.strip(), b) for a, b in arrows] == [("[*]", "starting"), *changes, ("ended", "[*]")]


def test_successor_without_a_row_is_refused():
    with pytest.raises(ValueError, match="no row for shut; the table has open"):
        mermaid({"open": ("shut",)})


def test_empty_table_is_refused():
    with pytest.raises(ValueError, match="a table without phases"):
        mermaid({})
