"""Makes the hosts of a rank from the plan."""

from __future__ import annotations

from collections.abc import Callable

from pal_core.runtime.exchange import ExchangeHost
from pal_core.runtime.generator import GeneratorHost
from pal_core.runtime.host import Host, Setup
from pal_core.runtime.oracle import OracleHost
from pal_core.runtime.plan import Part
from pal_core.runtime.prediction import PredictionHost
from pal_core.runtime.training import TrainingHost
from pal_core.transport.base import Transport

__all__ = ["build_hosts", "poster"]

_HOSTS: dict[str, type[Host]] = {
    "exchange": ExchangeHost,
    "generator": GeneratorHost,
    "prediction": PredictionHost,
    "training": TrainingHost,
    "oracle": OracleHost,
}


def poster(transport: Transport, sender: str) -> Callable[..., None]:
    """``post(to, message)`` of one sender."""
    return lambda to, message: transport.send(to, sender, message)


def build_hosts(parts: tuple[Part, ...], setup: Setup, transport: Transport, times: int = 0) -> list[Host]:
    """Hosts of a rank, manager and spare apart, that have been taken over from lost ranks so many times."""
    hosts = [_HOSTS[p.role](p, setup, poster(transport, p.address)) for p in parts if p.role in _HOSTS]
    for host in hosts:
        host.times = times
    return hosts
