"""``pal nequip``. Light: the libraries are imported when a command runs."""

from __future__ import annotations

import click

__all__ = ["nequip"]


@click.group("nequip")
def nequip() -> None:
    """NequIP and Allegro models."""
