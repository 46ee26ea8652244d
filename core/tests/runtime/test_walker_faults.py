"""Walkers that raise or propose nonsense: what is reported, who goes on, and when it is enough."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_generator import verdicts
from worlds import Outbox, make_setup, odd, started

from pal_core import messages as m
from pal_core.runtime.generator import SOUND_STEPS, GeneratorHost
from pal_core.runtime.snapshots import SetReader

REASON = "walker 1 is disabled after RuntimeError: no propose today"
STRICT = {"schedule": "serial", "batching": "all"}


def clumsy(folder, table: dict[str, Any] | None = None, run=None, past: int = 0, **options) -> tuple[Any, Outbox]:
    """A host of three exploring walkers that may fail, and its outbox."""
    generator = {"kernel": odd("Clumsy"), "walkers": 3, "options": options, **(table or {})}
    setup = replace(make_setup(folder, generator=generator, run=run or {}), set=past)
    host, out = started(GeneratorHost, setup, "generator/0")
    host.receive("manager", m.Explore())
    return host, out


def turns(host, out, count: int) -> list[list[list[float]]]:
    """Answer proposals for so many turns; the points proposed in each message."""
    for _ in range(count):
        host.work(time.monotonic())
        for proposals in out.of(m.Proposals):
            if proposals.seq in host._flying:
                host.receive("exchange", verdicts(proposals))
    return [p.batch.columns["x"].tolist() for p in out.of(m.Proposals)]


def break_once(monkeypatch, walker) -> None:
    """Let a walker raise when it is asked next; it is then built anew."""

    def propose(feedback):
        raise OSError("out of luck")

    monkeypatch.setattr(walker.kernel, "propose", propose)


class TestReset:
    """The default policy."""

    def test_error_is_reported_with_kernel_version_traceback_and_remedy(self, tmp_path):
        host, out = clumsy(tmp_path, fails="propose", who=1, at=1)
        turns(host, out, 2)
        fault = out.of(m.Fault)[0]
        assert out[[x for _, x in out].index(fault)][0] == "manager"
        assert fault.kernel.startswith(f"{odd('Clumsy')} (")
        assert "blake2s:" in fault.kernel  # a file has no version
        assert (fault.key, fault.what) == ("generator", "RuntimeError: no propose today")
        assert "in _perhaps_fail" in fault.trace
        assert fault.remedy == "walker 1 goes on from its start (1 of 3 resets in a row)"

    def test_the_others_go_on_without_a_pause(self, tmp_path):
        host, out = clumsy(tmp_path, fails="propose", who=1, at=1)
        found = [x for message in turns(host, out, 4) for x in message]
        for walker in (0.0, 2.0):
            assert [x for x in found if x[0] == walker] == [[walker, float(k)] for k in range(4)]

    def test_walker_goes_on_from_its_last_snapshot_once_and_then_from_its_start(self, tmp_path, monkeypatch):
        host, out = clumsy(tmp_path)
        turns(host, out, 5)
        host.receive("exchange", m.Snapshot(1))
        turns(host, out, 2)
        first = host._walkers[1].kernel
        break_once(monkeypatch, host._walkers[1])
        turns(host, out, 1)
        assert first.closed
        assert out.one(m.Fault).remedy == "walker 1 goes on from its last snapshot (1 of 3 resets in a row)"
        assert out.of(m.Proposals)[-1].batch.columns["x"].tolist() == [[0, 7], [1, 4], [2, 7]]
        break_once(monkeypatch, host._walkers[1])
        turns(host, out, 1)
        assert out.of(m.Fault)[-1].remedy == "walker 1 goes on from its start (2 of 3 resets in a row)"
        assert out.of(m.Proposals)[-1].batch.columns["x"].tolist() == [[0, 8], [1, 0], [2, 8]]

    def test_resumed_walker_is_reset_to_the_set_it_came_from(self, tmp_path, monkeypatch):
        host, out = clumsy(tmp_path)
        turns(host, out, 4)
        host.receive("exchange", m.Halt(set=1))
        host, out = clumsy(tmp_path, past=1)
        turns(host, out, 3)
        break_once(monkeypatch, host._walkers[2])
        assert turns(host, out, 1)[-1] == [[0, 7], [1, 7], [2, 4]]

    def test_run_that_repeats_itself_resets_to_the_start_because_sets_depend_on_the_clock(self, tmp_path, monkeypatch):
        host, out = clumsy(tmp_path, run=STRICT)
        turns(host, out, 4)
        host.receive("exchange", m.Snapshot(1))
        turns(host, out, 1)
        break_once(monkeypatch, host._walkers[1])
        turns(host, out, 1)
        assert out.one(m.Fault).remedy.startswith("walker 1 goes on from its start")

    def test_order_of_walkers_in_a_message_does_not_depend_on_earlier_errors(self, tmp_path, monkeypatch):
        host, out = clumsy(tmp_path)
        turns(host, out, 1)
        break_once(monkeypatch, host._walkers[0])
        turns(host, out, 2)
        assert [p.walkers.tolist() for p in out.of(m.Proposals)] == [[0, 1, 2]] * 3

    def test_errors_in_a_row_disable_the_walker_and_the_exchange_hears_of_it(self, tmp_path):
        host, out = clumsy(tmp_path, {"resets": 2}, fails="propose", who=1, at=1)
        turns(host, out, 10)
        remedies = [f.remedy for f in out.of(m.Fault)]
        assert len(remedies) == 3
        assert remedies[-1] == "walker 1 is disabled"
        reason = "walker 1 is disabled after RuntimeError: no propose today"
        assert [(to, x) for to, x in out if isinstance(x, m.WalkersEnded)] == [
            ("exchange", m.WalkersEnded((1,), (reason,), disabled=True))
        ]
        assert [row[0] for row in out.of(m.Proposals)[-1].batch.columns["x"].tolist()] == [0, 2]
        assert out.of(m.Broken) == []

    def test_errors_are_forgotten_after_many_sound_proposals(self, tmp_path, monkeypatch):
        host, out = clumsy(tmp_path, {"resets": 1})
        for _ in range(3):
            break_once(monkeypatch, host._walkers[1])
            turns(host, out, SOUND_STEPS + 3)
        assert len(out.of(m.Fault)) == 3
        assert out.of(m.WalkersEnded) == []

    def test_walker_that_cannot_be_built_again_is_disabled(self, tmp_path, monkeypatch):
        host, out = clumsy(tmp_path)
        turns(host, out, 1)
        break_once(monkeypatch, host._walkers[1])
        monkeypatch.setattr(host, "_make", lambda index, state: 1 / 0)
        turns(host, out, 2)
        assert [f.remedy for f in out.of(m.Fault)][-1] == "walker 1 is disabled"
        assert "ZeroDivisionError" in out.one(m.WalkersEnded).reasons[0]

    def test_flood_of_errors_is_counted_but_not_all_told(self, tmp_path):
        host, out = clumsy(tmp_path, {"walkers": 40}, fails="propose", at=1)
        turns(host, out, 8)
        assert len(out.of(m.Fault)) == 20
        host.tick(host._last_pulse + 2.0)
        assert out.of(m.Pulse)[-1].counts["faults"] == 160


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_proposal_that_is_not_finite_resets_the_walker_and_never_leaves(tmp_path, bad, monkeypatch):
    host, out = clumsy(tmp_path)
    turns(host, out, 2)
    monkeypatch.setattr(host._walkers[1].kernel, "propose", lambda feedback: {"x": np.array([1.0, bad])})
    turns(host, out, 3)
    fault = out.one(m.Fault)
    assert fault.what == "FloatingPointError: a proposal has values that are not finite"
    assert fault.remedy.startswith("walker 1 goes on from its start (1 of 3")
    found = [p.batch.columns["x"] for p in out.of(m.Proposals)]
    assert all(np.isfinite(x).all() for x in found)
    assert np.concatenate(found)[-3:, 0].tolist() == [0, 1, 2]


def test_walker_that_proposes_nothing_but_nonsense_is_disabled(tmp_path):
    host, out = clumsy(tmp_path, fails="nan", who=2, at=1)
    turns(host, out, 10)
    assert out.one(m.WalkersEnded).walkers == (2,)
    assert len(out.of(m.Fault)) == 4


def test_policy_disable_gives_no_second_chance(tmp_path):
    host, out = clumsy(tmp_path, {"on_error": "disable"}, fails="propose", who=1, at=1)
    turns(host, out, 3)
    assert out.one(m.Fault).remedy == "walker 1 is disabled"
    assert out.one(m.WalkersEnded).walkers == (1,)


def test_policy_stop_breaks_the_host(tmp_path):
    host, out = clumsy(tmp_path, {"on_error": "stop"}, fails="propose", who=1, at=1)
    turns(host, out, 3)
    assert out.one(m.Broken).what == "RuntimeError: no propose today"
    assert out.of(m.Fault) == []


def test_walker_that_fails_before_the_start_ends_the_run(tmp_path):
    _, out = clumsy(tmp_path, fails="propose", who=1)
    broken = out.one(m.Broken)
    assert (broken.key, broken.what) == ("generator", "RuntimeError: no propose today")
    assert out.of(m.Ready) == []


class TestBootstrap:
    """Samples without a model."""

    def test_other_walkers_propose_what_one_cannot(self, tmp_path):
        host, out = clumsy(tmp_path, fails="bootstrap", who=1)
        host.receive("manager", m.Bootstrap(6))
        host.work(time.monotonic())
        assert out.one(m.Candidates).walkers.tolist() == [0, 2, 0, 2, 0, 2]
        assert out.one(m.Fault).remedy == "other walkers than 1 propose samples to start from"

    def test_none_that_can_is_the_end(self, tmp_path):
        host, out = clumsy(tmp_path, fails="bootstrap")
        host.receive("manager", m.Bootstrap(6))
        host.work(time.monotonic())
        assert out.one(m.Broken).what == "RuntimeError: no bootstrap today"
        assert out.of(m.Candidates) == []


def test_state_that_cannot_be_had_spoils_the_set_and_nothing_else(tmp_path):
    host, out = clumsy(tmp_path, fails="snapshot", who=1)
    turns(host, out, 2)
    host.receive("exchange", m.Snapshot(4))
    turns(host, out, 2)
    assert out.one(m.Saved) == m.Saved(4, f"{odd('Clumsy')} can't give its state")
    fault = out.one(m.Fault)
    assert (fault.what, fault.remedy) == ("RuntimeError: no snapshot today", "the snapshot set is given up")
    assert len(out.of(m.Proposals)) == 4
    assert not (tmp_path / "run/snapshots").exists()


class TestDisabledInSets:
    """A snapshot set knows who is disabled."""

    def disabled(self, folder, **table):
        host, out = clumsy(folder, {"on_error": "disable", **table}, fails="propose", who=1, at=1)
        turns(host, out, 3)
        return host, out

    def saved(self, host, out, number: int) -> m.Saved:
        host.receive("exchange", m.Snapshot(number))
        end = time.monotonic() + 10
        while not out.of(m.Saved):
            assert time.monotonic() < end
            host.work(time.monotonic())
            host.tick(time.monotonic())
        return out.one(m.Saved)

    def test_disabled_walker_is_closed_and_not_asked_for_its_state(self, tmp_path, monkeypatch):
        host, out = clumsy(tmp_path, {"on_error": "disable"}, fails="propose", who=1, at=1)
        kernel = host._walkers[1].kernel
        monkeypatch.setattr(kernel, "snapshot", lambda: 1 / 0)
        turns(host, out, 3)
        assert kernel.closed
        assert self.saved(host, out, 4) == m.Saved(4, "")
        past = SetReader(tmp_path / "run", 4)
        assert past.notes("walker/1") == {"disabled": REASON}
        assert past.state("walker/1") is None
        assert past.kernels == {"walker/0", "walker/1", "walker/2"}

    def test_resumed_run_does_not_revive_it_and_tells_the_exchange_once(self, tmp_path):
        host, _ = self.disabled(tmp_path)
        host.receive("exchange", m.Halt(set=1))
        host, out = clumsy(tmp_path, {"on_error": "disable"}, past=1)
        turns(host, out, 3)
        assert out.one(m.WalkersEnded) == m.WalkersEnded((1,), (REASON,), disabled=True)
        assert [p.walkers.tolist() for p in out.of(m.Proposals)] == [[0, 2]] * 3
        assert out.index(("exchange", out.one(m.WalkersEnded))) < out.index(("exchange", out.of(m.Proposals)[0]))

    def test_host_whose_walkers_are_all_disabled_writes_a_part_and_tells_it_when_it_goes_on(self, tmp_path):
        host, out = clumsy(tmp_path, {"on_error": "disable"}, fails="propose", at=1)
        turns(host, out, 3)
        assert self.saved(host, out, 4) == m.Saved(4, "")
        host, out = clumsy(tmp_path, {"on_error": "disable"}, past=4)
        turns(host, out, 2)
        assert out.one(m.WalkersEnded).walkers == (0, 1, 2)
        assert out.of(m.Proposals) == []

    def test_errors_in_a_row_go_on_being_counted(self, tmp_path, monkeypatch):
        host, out = clumsy(tmp_path, {"resets": 1})
        break_once(monkeypatch, host._walkers[1])
        turns(host, out, 3)
        host.receive("exchange", m.Halt(set=1))
        host, out = clumsy(tmp_path, {"resets": 1}, past=1)
        break_once(monkeypatch, host._walkers[1])
        turns(host, out, 2)
        assert out.of(m.Fault)[-1].remedy == "walker 1 is disabled"
