"""The toy run's hosts without a transport: settings in a folder, and what a host posts."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from pal_core import messages as m
from pal_core.builtin import plugin
from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.builtin.surface import muller_brown
from pal_core.data import Batch
from pal_core.data.committee import as_floats
from pal_core.plugins.host import PluginHost
from pal_core.runtime.host import Host, Setup
from pal_core.runtime.plan import Processes, make_plan
from pal_core.settings.load import from_dict

ODD = Path(__file__).with_name("odd_kernels.py")
"""Kernels that misbehave; ``odd("Name")`` names one in settings."""

TOY: dict[str, Any] = {
    "run": {"directory": "run", "seed": 5},
    "generator": {"kernel": "pal.toy-walker", "walkers": 4},
    "model": {"kernel": "pal.toy-model", "members": 2},
    "training": {"retrain_after": 10, "final_time": 5},
    "oracle": {"kernel": "pal.toy-oracle", "isolate": False},
    "selection": {"options": {"field": "energy", "upper": 2.0}},
    "data": {"bootstrap": 12},
    "stop": {"labels": 40},
}

M = TypeVar("M", bound=m.Message)
H = TypeVar("H", bound=Host)


def odd(name: str) -> str:
    return f"{ODD}:{name}"


def toy(**tables: dict[str, Any] | None) -> dict[str, Any]:
    """Settings of the toy run; tables are merged into it, None takes one out."""
    data = copy.deepcopy(TOY)
    for name, table in tables.items():
        if table is None:
            del data[name]
        elif isinstance(table, dict):
            data[name] = data.get(name, {}) | table
        else:
            data[name] = table
    return data


def plugins() -> PluginHost:
    """pal-core's own kernels only, whatever else is installed."""
    return PluginHost.of({"pal": plugin})


def make_setup(folder: Path, processes: Processes | None = None, **tables: Any) -> Setup:
    """What every host knows, for one rank that has everything, or for `processes`."""
    loaded = from_dict(toy(**tables), folder, plugins())
    oracle, training = (0 if t else None for t in (loaded.settings.oracle, loaded.settings.training))
    plan = make_plan(loaded.settings, processes or Processes(1, 0, 0, oracle, training))
    return Setup(loaded, plan, loaded.directory, devices=False)


class Outbox(list[tuple[str, m.Message]]):
    """What a host has posted: ``(to, message)``."""

    def __call__(self, to: str, message: m.Message) -> None:
        self.append((to, message))

    def of(self, kind: type[M]) -> list[M]:
        return [x for _, x in self if isinstance(x, kind)]

    def one(self, kind: type[M]) -> M:
        (found,) = self.of(kind)
        return found

    def to(self, address: str) -> list[m.Message]:
        return [x for to, x in self if to == address]


def make_host(kind: type[H], setup: Setup, address: str) -> tuple[H, Outbox]:
    """A host that has not been started."""
    (part,) = (p for p in setup.plan.parts if p.address == address)
    out = Outbox()
    return kind(part, setup, out), out


def started(kind: type[H], setup: Setup, address: str) -> tuple[H, Outbox]:
    """A host that has built its kernels, and what it has posted."""
    host, out = make_host(kind, setup, address)
    host.start()
    return host, out


def work_until(host: Host, out: Outbox, kind: type[M], limit: float = 20.0) -> M:
    """Let a host work until it posts a message of a kind; that message."""
    end = time.monotonic() + limit
    while not out.of(kind):
        assert time.monotonic() < end, f"no {kind.__name__} within {limit} s; posted: {out}"
        if not host.work(time.monotonic()):
            time.sleep(0.001)
    return out.of(kind)[-1]


def points(n: int, seed: int = 0) -> Batch:
    """Samples of the toy."""
    x = np.random.default_rng(seed).uniform((-1.5, -0.5), (1.0, 1.8), (n, 2))
    return Batch(SAMPLE, {"x": x}, size=n)


def labels_of(batch: Batch) -> Batch:
    """Their labels."""
    energy, gradient = muller_brown(batch.columns["x"])
    return Batch(LABEL, {"energy": energy, "gradient": gradient}, size=len(batch))


def predicted(batch: Batch) -> tuple[Batch, Batch]:
    """Mean and deviation of a committee that knows their labels, nearly."""
    right = labels_of(batch).columns
    schema = as_floats(LABEL)
    mean = Batch(schema, {n: c + 0.5 for n, c in right.items()}, size=len(batch))
    return mean, Batch(schema, {n: np.full_like(c, 0.25) for n, c in right.items()}, size=len(batch))
