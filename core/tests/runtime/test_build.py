"""Hosts of a rank from the plan."""

from __future__ import annotations

from worlds import make_setup

from pal_core import messages as m
from pal_core.runtime.build import build_hosts, poster
from pal_core.runtime.exchange import ExchangeHost
from pal_core.runtime.generator import GeneratorHost
from pal_core.runtime.oracle import OracleHost
from pal_core.runtime.plan import Processes
from pal_core.runtime.prediction import PredictionHost
from pal_core.runtime.training import TrainingHost
from pal_core.transport.base import LocalTransport


def test_every_part_of_a_rank_but_the_manager_gets_its_host(tmp_path):
    setup = make_setup(tmp_path)
    hosts = build_hosts(setup.plan.on(0), setup, LocalTransport(setup.wire()))
    kinds = [ExchangeHost, PredictionHost, GeneratorHost, OracleHost, TrainingHost]
    assert [type(h) for h in hosts] == kinds
    assert [h.address for h in hosts] == [p.address for p in setup.plan.parts[1:]]


def test_other_ranks_get_their_own_only(tmp_path):
    setup = make_setup(tmp_path, Processes(1, 1, 2, 1, 1))
    transport = LocalTransport(setup.wire())
    (host,) = build_hosts(setup.plan.on(3), setup, transport)
    assert (type(host), host.address, host.part.indices) == (GeneratorHost, "generator/1", (2, 3))


def test_hosts_send_under_their_own_address(tmp_path):
    setup = make_setup(tmp_path)
    transport = LocalTransport(setup.wire())
    poster(transport, "oracle/0")("manager", m.Halted())
    assert transport.receive() == [("manager", "oracle/0", m.Halted())]
    exchange = build_hosts(setup.plan.on(0), setup, transport)[0]
    exchange.post("manager", m.WalkersQuiet())
    assert transport.receive() == [("manager", "exchange", m.WalkersQuiet())]
