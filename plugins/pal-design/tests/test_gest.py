from __future__ import annotations

import builtins

import numpy as np
import pytest
from pal_core.kernels import Stop
from searches import context, feedback, places, wanted

from pal_design.box import BoxGest
from pal_design.gest import GeneratorError
from pal_design.options import GestBoxOptions
from pal_design.space import Box

OPTIONS = {"lower": (0.0, 0.0), "upper": (1.0, 1.0), "minimise": ("f",), "generator": "searches:Downhill"}


def walker(**options):
    return BoxGest(GestBoxOptions(**OPTIONS | options), context())


def turn(search, proposal, function):
    return search.propose([feedback(function(x)) for x in places(proposal)])


def bowl(x):
    return float(((x - 0.9) ** 2).sum())


def test_generator_searches_on_predictions():
    search = walker(batch=4, seed_argument="seed")
    proposal = search.propose(None)
    assert len(places(proposal)) == 4
    for _ in range(30):
        proposal = turn(search, proposal, bowl)
    assert search._generator.value < 1e-3
    assert search._generator.strangers == 0
    search.close()
    assert search._generator.ended


def test_generator_is_told_of_limits():
    search = walker(at_most={"f": 0.1})
    constraint = search._generator.vocs.constraints["excess"]
    assert constraint.check(0.0)
    assert not constraint.check(0.01)
    turn(search, search.propose(None), lambda x: 0.2)
    assert search._generator.value == np.inf


def test_generator_decides_how_many_designs_there_are():
    assert len(places(walker().propose(None))) == 2


def test_labels_are_wanted_where_the_option_says_so():
    assert wanted(walker().propose(None)) == [None, None]
    assert wanted(walker(label=True).propose(None)) == [True, True]


def test_predictions_that_are_not_finite_are_not_told():
    search = walker()
    turn(search, search.propose(None), lambda x: np.nan)
    assert search._told == []


def test_designs_that_can_not_be_are_told_as_bad_and_not_proposed(monkeypatch):
    monkeypatch.setattr(Box, "admissible", lambda self, x: x[0] >= 0.5)
    search = walker(arguments={"start": 0.45}, batch=1)
    for _ in range(3):
        assert places(search.propose(None))[0, 0] >= 0.5
        turn(search, search.propose(None), bowl)
    bad = [row for row in search._told if row[0] < 0.5]
    assert bad
    assert all(row[2] == 1e6 for row in bad)


def test_restored_walker_repeats_its_designs_and_has_told_the_generator_all():
    search = walker(batch=3)
    proposal = search.propose(None)
    for _ in range(5):
        proposal = turn(search, proposal, bowl)
    twin = walker(batch=3)
    twin.restore(search.snapshot())
    np.testing.assert_array_equal(places(twin.propose(None)), places(proposal))
    assert twin._generator.value == search._generator.value
    assert twin._generator.strangers == 15
    turn(twin, proposal, bowl)  # the new generator doesn't take them for its own


def test_walker_ends_after_its_turns():
    search = walker(turns=1)
    assert isinstance(turn(search, search.propose(None), bowl), Stop)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"generator": "searches:Uphill"}, "there is no generator searches:Uphill"),
        ({"generator": "nowhere:Class"}, "there is no generator nowhere:Class: No module named 'nowhere'"),
        (
            {"generator": "builtins:dict"},
            "dict is no generator of gest-api: it has no suggest, ingest, finalize",
        ),
    ],
)
def test_what_is_no_generator_is_named(options, message):
    with pytest.raises(GeneratorError, match=message):
        walker(**options)


def test_points_without_all_parameters_are_refused(monkeypatch):
    search = walker()
    monkeypatch.setattr(search._generator, "suggest", lambda n: [{"x0": 0.1}])
    with pytest.raises(GeneratorError, match="suggests a point without x1"):
        search.propose(None)


def test_generator_without_ideas_is_refused(monkeypatch):
    search = walker()
    monkeypatch.setattr(search._generator, "suggest", lambda n: [])
    with pytest.raises(GeneratorError, match="suggests nothing"):
        search.propose(None)


def test_missing_package_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("gest_api"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(GeneratorError, match=r"pip install pal-design\[gest\]"):
        walker()
