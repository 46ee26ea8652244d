"""Texts from which lines are missing: single ones here and there, and whole pieces."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def shortened(draw: st.DrawFn, text: str, single: int = 10, pieces: int = 3, length: int = 30) -> str:
    """Up to so many single lines and pieces of so many lines are gone."""
    lines = text.splitlines()
    gone = draw(st.sets(st.integers(0, len(lines) - 1), max_size=single))
    for start, size in draw(st.lists(st.tuples(st.integers(0, len(lines)), st.integers(1, length)), max_size=pieces)):
        gone |= set(range(start, start + size))
    return "\n".join([*(line for i, line in enumerate(lines) if i not in gone), ""])
