"""What differs between the settings of two sessions."""

from __future__ import annotations

import copy

import pytest

from pal_core.settings.changes import Change, changes
from pal_core.settings.load import from_dict


@pytest.fixture
def changed(host, tmp_path, toy):
    """Changes from the toy settings to spoilt ones, as text and whether binding."""

    def found(spoil) -> list[tuple[str, bool]]:
        after = copy.deepcopy(toy)
        spoil(after)
        before, after = (from_dict(data, tmp_path, host).settings for data in (toy, after))
        return [(str(c), c.binding) for c in changes(before, after)]

    return found


def put(**tables):
    """Sets keys in tables; a table of None is taken out."""

    def spoil(data):
        for name, table in tables.items():
            if table is None:
                del data[name]
            else:
                data[name] = data.get(name, {}) | table

    return spoil


def test_equal_settings_have_no_changes(changed):
    assert changed(lambda data: None) == []


def test_default_that_is_written_out_is_no_change(changed):
    assert changed(put(run={"seed": 0}, data={"bootstrap": 64}, model={"options": {}})) == []


@pytest.mark.parametrize(
    ("tables", "text"),
    [
        ({"run": {"seed": 3}}, "run.seed: 0 -> 3"),
        ({"model": {"members": 5}}, "model.members: 4 -> 5"),
        ({"model": {"options": {"ridge": 0.5}}}, "model.options.ridge: left out -> 0.5"),
        ({"oracle": {"options": {"fail_share": 0.5}}}, "oracle.options.fail_share: left out -> 0.5"),
        ({"training": {"validation": 0.2}}, "training.validation: 0.1 -> 0.2"),
    ],
)
def test_change_of_what_stored_data_mean_is_binding(changed, tables, text):
    assert changed(put(**tables)) == [(text, True)]


@pytest.mark.parametrize(
    ("tables", "text"),
    [
        ({"stop": {"labels": 500}}, "stop.labels: 100 -> 500"),
        ({"oracle": {"processes": 8}}, "oracle.processes: left out -> 8"),
        ({"generator": {"walkers": 9}}, "generator.walkers: 4 -> 9"),
        ({"generator": {"options": {"temperature": 7.0}}}, "generator.options.temperature: left out -> 7.0"),
        ({"selection": {"options": {"field": "energy", "upper": 2.0}}}, "selection.options.upper: 1.0 -> 2.0"),
        ({"training": {"retrain_after": 7}}, "training.retrain_after: 20 -> 7"),
    ],
)
def test_change_of_how_the_run_goes_is_not(changed, tables, text):
    assert changed(put(**tables)) == [(text, False)]


def test_tables_that_come_and_go(changed):
    assert ("check: [] -> [{'kernel': 'pal.finite', 'options': {}}]", False) in changed(
        lambda data: data.update(check=[{"kernel": "pal.finite"}])
    )
    gone = changed(put(oracle=None, training=None, stop={"labels": None, "steps": 5}))
    assert ("oracle.kernel: 'pal.toy-oracle' -> left out", True) in gone
    assert ("stop.steps: left out -> 5", False) in gone


def test_all_changes_come_in_the_order_of_the_settings(changed):
    found = changed(put(stop={"labels": 5}, run={"seed": 1}, model={"members": 3}))
    assert [text.split(":")[0] for text, _ in found] == ["run.seed", "model.members", "stop.labels"]


@pytest.mark.parametrize(
    ("key", "binding"),
    [("model.options", True), ("model.options.a.b", True), ("model.options_of_others", False), ("model", False)],
)
def test_key_is_binding_with_all_below_it(key, binding):
    assert Change(key, 1, 2).binding is binding
