"""Tracebacks that are kept."""

from __future__ import annotations

import pytest

from pal_core import messages as m
from pal_core.runtime.traces import MOST, PAUSE, Traces


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("walker 3 is disabled", "walker 12 is disabled"),
        ("energy is nan", "energy is -inf"),
        ("far off: 1.5e-07 eV", "far off: -3 eV"),
        ("in <Model at 0x7f2fa6426d50>", "in <Model at 0x7f2fa65510d0>"),
        ("bad: [1. 2. nan]", "bad: [0.5, 7, -1e3, 4]"),
    ],
)
def test_error_that_differs_in_numbers_alone_is_traced_once(text, again):
    traces = Traces()
    assert traces.once("prediction/0", text, "Traceback", 0.0) == "Traceback"
    assert traces.once("prediction/0", again, "Traceback", 1.0) == ""


def test_other_errors_and_other_hosts_are_traced_too():
    traces = Traces()
    for source, text in [("prediction/0", "ValueError"), ("prediction/0", "KeyError"), ("prediction/1", "ValueError")]:
        assert traces.once(source, text, "Traceback", 0.0) == "Traceback"


def test_error_without_a_traceback_does_not_use_up_the_one_of_its_kind():
    traces = Traces()
    assert traces.once("oracle/0", "failed", "", 0.0) == ""
    assert traces.once("oracle/0", "failed", "Traceback", 0.0) == "Traceback"


def test_errors_that_are_ever_new_are_traced_once_a_minute_in_the_end_and_take_no_memory():
    traces = Traces()
    kept = [bool(traces.once("h", "x" * k, "Traceback", float(k))) for k in range(MOST + 200)]
    assert all(kept[:MOST])
    assert sum(kept[MOST:]) == pytest.approx(200 / PAUSE, abs=1)
    assert len(traces._known) == MOST


def test_journal_holds_every_fault_but_its_traceback_once(story):
    s = story()
    for step in range(5):
        s.say("prediction/0", m.Fault("k", "model", f"energy of sample {step} is nan", "Traceback ...", "left out"))
    texts = [e["text"] for e in s.store.journal()]
    assert texts.count("Traceback ...") == 1
    assert sum("is nan; left out" in t for t in texts) == 5
