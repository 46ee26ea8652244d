"""Barriers of many reactions, a process for each core."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

from barriers import Barrier, barrier
from reactions import Reaction
from search import Found, Surface
from surfaces import CommitteeSurface, OracleSurface, oracle_of

from pal_core.api import open_run
from pal_core.plugins.host import PluginHost
from pal_core.settings.load import load

__all__ = ["committee_barriers", "oracle_barriers"]


def oracle_barriers(settings: Path, reactions: Sequence[Reaction]) -> list[Barrier]:
    """On the oracle of a settings file."""
    return _spread(reactions, settings, on_oracle=True)


def committee_barriers(settings: Path, reactions: Sequence[Reaction]) -> list[Barrier]:
    """On the last committee of a run."""
    return _spread(reactions, settings, on_oracle=False)


def _spread(reactions: Sequence[Reaction], settings: Path, on_oracle: bool) -> list[Barrier]:
    search = partial(_search, settings, on_oracle)
    cores = min(len(os.sched_getaffinity(0)), len(reactions))
    if cores < 2:
        return [search(reaction) for reaction in reactions]
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        return list(pool.map(search, reactions))


def _search(settings: Path, on_oracle: bool, reaction: Reaction) -> Barrier:
    surface, known = _oracle(settings) if on_oracle else _committee(settings)
    found = barrier(reaction, surface, known)
    print(f"{reaction.name}: searched on the {'oracle' if on_oracle else 'committee'}", flush=True)
    return found


@cache
def _oracle(settings: Path) -> tuple[Surface, dict[bytes, Found]]:
    return OracleSurface(oracle_of(load(settings, PluginHost.discover()))), {}


@cache
def _committee(settings: Path) -> tuple[Surface, dict[bytes, Found]]:
    return CommitteeSurface(open_run(settings).models()), {}
