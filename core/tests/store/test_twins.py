"""Samples that were stored before, expected values, and levels of theory."""

from __future__ import annotations

import numpy as np
import pytest
from stores import add, label, open_store, value

from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.data import Field, Schema
from pal_core.store.store import Store


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path)
    yield store
    store.close()


def find(store: Store, number: float, level: str = "dft") -> tuple[int, str] | None:
    return store.twin({"x": np.array([number, 0.0])}, level)


def test_waiting_sample_is_a_twin_at_any_level(store):
    add(store, 1)
    assert find(store, 1) == (1, "waiting")
    assert find(store, 1.0000000001) is None


def test_labelled_sample_is_a_twin_at_its_level(store):
    add(store, 1)
    label(store, 1, level="dft")
    assert find(store, 1) == (1, "labelled")
    assert find(store, 1, "xtb") is None
    assert find(store, 1, "") == (1, "labelled")


def test_initial_data_are_twins_at_any_level(store):
    add(store, 1, origin="initial")
    label(store, 1)
    assert find(store, 1) == (1, "labelled")


@pytest.mark.parametrize(("level", "found"), [("dft", True), ("", True), ("xtb", False)])
def test_quarantined_sample_is_a_twin_at_its_level(store, level, found):
    add(store, 1)
    store.quarantine(1, "huge", value(9), level=level)
    assert find(store, 1) == ((1, "quarantined") if found else None)


def test_dropped_sample_is_nobody_s_twin(store):
    add(store, 1)
    store.drop([1], "queue full")
    assert find(store, 1) is None


def test_newest_of_several_is_told(store):
    add(store, 1, 2, 3, x=7)
    label(store, 1, 2, level="dft")
    label(store, 3, level="xtb")
    assert find(store, 7) == (2, "labelled")
    assert find(store, 7, "xtb") == (3, "labelled")


def test_equal_digest_of_other_content_is_no_twin(store):
    add(store, 1)
    store._write("UPDATE samples SET hash = (SELECT hash FROM samples WHERE id = 1), data = x'00' WHERE id = 1")
    assert find(store, 1) is None


class TestExpected:
    """What the committee said when a sample was selected."""

    def test_it_comes_back_as_it_was(self, store):
        add(store, 1, expected={"energy": 1.5, "gradient": np.array([1.0, np.nan])})
        add(store, 2)
        found = store.expected(1)
        assert found["energy"] == 1.5
        np.testing.assert_array_equal(found["gradient"], [1.0, np.nan])
        assert store.expected(2) is None
        assert store.expected(99) is None

    def test_ragged_fields_are_kept(self, tmp_path):
        sample = Schema([Field("positions", shape=("atoms", 3))])
        forces = Schema([Field("energy"), Field("forces", shape=("atoms", 3))])
        store = Store(tmp_path / "ragged", write=True)
        store.agree(sample, forces, forces)
        mean = {"energy": 1.0, "forces": np.arange(6.0).reshape(2, 3)}
        record = {"origin": "active", "walker": 0, "version": 0, "score": None}
        store.add_sample(1, {"positions": np.zeros((2, 3))}, **record, expected=mean)
        np.testing.assert_array_equal(store.expected(1)["forces"], mean["forces"])
        store.close()

    def test_what_another_kind_of_committee_expected_is_forgotten(self, store):
        add(store, 1, expected=value(1))
        store.agree(SAMPLE, LABEL, LABEL)
        assert store.expected(1) is not None
        store.agree(SAMPLE, LABEL, LABEL.pick(["energy"]))
        assert store.expected(1) is None
        add(store, 2, expected={"energy": 3.0})
        assert Store(store.directory).expected_schema == LABEL.pick(["energy"])
        assert store.expected(2) == {"energy": 3.0}
