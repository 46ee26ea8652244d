"""What a person decides about samples that were set aside."""

from __future__ import annotations

import pytest
from stores import add, label, open_store, value

from pal_core.store.store import Store, StoreError


@pytest.fixture
def store(tmp_path):
    """1 gave up after two attempts, 2 has a suspicious label, 3 is labelled."""
    store = open_store(tmp_path)
    add(store, 1, 2, 3)
    store.add_attempt(1, 1, "oracle/0", seconds=1.0, failure="crashed", text="signal 11", evidence="the end")
    store.add_attempt(1, 2, "oracle/1", seconds=2.0, failure="timeout")
    store.quarantine(1, "timeout (attempts: 2)")
    store.add_attempt(2, 1, "oracle/1", seconds=3.0)
    store.quarantine(2, "huge", value(1e9), kernel="xtb.gfn2", package="pal-xtb 1", level="gfn2")
    label(store, 3)
    yield store
    store.close()


def test_listing_has_reason_provenance_and_attempts(store):
    first, second = store.quarantined()
    assert (first["sample"], first["reason"], first["has_label"]) == (1, "timeout (attempts: 2)", False)
    assert [(a["number"], a["host"], a["failure"], a["text"], a["evidence"]) for a in first["attempts"]] == [
        (1, "oracle/0", "crashed", "signal 11", "the end"),
        (2, "oracle/1", "timeout", None, None),
    ]
    assert (second["sample"], second["has_label"]) == (2, True)
    assert (second["kernel"], second["package"], second["level"]) == ("xtb.gfn2", "pal-xtb 1", "gfn2")


def test_requeued_sample_waits_with_a_clean_record(store):
    store.requeue([1, 2])
    assert [(s.id, s.attempts) for s in store.waiting()] == [(1, 0), (2, 0)]
    assert store.quarantined() == []
    assert store.ahead_label(2) is None, "it is to be made anew"
    store.add_attempt(1, 1, "oracle/0", seconds=1.0, failure="crashed")
    assert [(s.id, s.attempts) for s in store.waiting()] == [(1, 1), (2, 0)]
    assert store.counts()["failed_attempts"] == 3


def test_requeued_sample_may_be_set_aside_again(store):
    store.requeue([2])
    store.quarantine(2, "huge again", value(2e9), kernel="k")
    assert [(q["sample"], q["reason"]) for q in store.quarantined()] == [
        (1, "timeout (attempts: 2)"),
        (2, "huge again"),
    ]


def test_refused_label_is_still_on_record_after_another_was_admitted(store):
    store.requeue([2])
    label(store, 2)
    assert store.labelled() == [3, 2]
    assert store._run("SELECT settled, data IS NOT NULL FROM quarantine WHERE sample = 2") == [("requeued", 1)]


def test_refused_label_survives_a_later_failure(store):
    store.requeue([2])
    store.quarantine(2, "crashed (attempts: 3)")
    found = store.quarantined()[-1]
    assert (found["reason"], found["has_label"], found["kernel"]) == ("crashed (attempts: 3)", True, "xtb.gfn2")
    store.accept([2])
    assert store.labels([2])[0]["energy"] == 1e9


def test_accepted_label_counts_with_its_provenance(store):
    store.accept([2])
    assert store.labelled() == [3, 2]
    (origin,) = store.origins([2])
    assert (origin["oracle"], origin["package"], origin["round"]) == ("xtb.gfn2", "pal-xtb 1", None)
    assert store.twin({"x": [2, 0]}, "gfn2") == (2, "labelled")
    assert store.twin({"x": [2, 0]}, "other") is None


def test_sample_without_a_label_cannot_be_accepted(store):
    with pytest.raises(StoreError, match=r"no label of sample 1 can be accepted, there is none; have them labelled"):
        store.accept([2, 1])
    assert store.labelled() == [3]


def test_discarded_sample_is_dropped_and_its_label_stays_on_record(store):
    store.discard([1, 2])
    assert store.waiting() == []
    assert store.counts()["samples_dropped"] == 2
    assert store._run("SELECT sample FROM quarantine WHERE data IS NOT NULL") == [(2,)]


@pytest.mark.parametrize("method", ["requeue", "discard"])
def test_only_quarantined_samples_can_be_decided_about(store, method):
    with pytest.raises(StoreError, match=r"not in quarantine: sample 3, 99; see which are"):
        getattr(store, method)([1, 3, 99])
    assert len(store.quarantined()) == 2


@pytest.mark.parametrize("method", ["requeue", "accept", "discard"])
def test_decisions_are_committed_at_once(store, method):
    getattr(store, method)([2])
    assert [q["sample"] for q in Store(store.directory).quarantined()] == [1]
