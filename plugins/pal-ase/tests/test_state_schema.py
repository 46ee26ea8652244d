"""Fields of labels with several electronic states."""

from __future__ import annotations

import pytest

from pal_ase.state_schema import pairs, state_schema


def test_fields_have_the_shapes_of_the_number_of_states():
    shapes = {name: (field.dtype, field.shape) for name, field in state_schema(2, couplings=True).items()}
    assert shapes == {
        "state_energies": ("float64", (3,)),
        "state_forces": ("float64", ("atoms", 3, 3)),
        "state_forces_known": ("bool", (3,)),
        "oscillator_strengths": ("float64", (2,)),
        "transition_dipoles": ("float64", (2, 3)),
        "couplings": ("float64", ("atoms", 3, 3)),
        "couplings_known": ("bool", (3,)),
    }


def test_couplings_are_there_where_asked_for():
    assert not {"couplings", "couplings_known"} & set(state_schema(2))


@pytest.mark.parametrize(("states", "expected"), [(1, [(0, 1)]), (3, [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)])])
def test_pairs_of_few_states_come_first_among_those_of_many(states, expected):
    assert pairs(states) == expected
