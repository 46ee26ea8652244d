from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from pydantic import ValidationError

from pal_ase.variable_options import VariableOptions
from pal_ase.variables import Variable

ALL = [
    {"distance": (0, 4)},
    {"angle": (3, 0, 5)},
    {"dihedral": (8, 2, 1, 0)},
    {"difference": (4, 1, 4, 2)},
    {"coordination": ((0, 1), (3, 4, 5, 1)), "radius": 1.6},
]


@pytest.fixture
def ethanol():
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.1, seed=4)
    return atoms


@pytest.fixture
def crossing(ethanol):
    """The same in a small skewed cell, with atoms moved to other images."""
    ethanol.set_cell([[7, 0, 0], [2, 7.5, 0], [1, -1, 8]])
    ethanol.pbc = True
    ethanol.positions[::2] += ethanol.cell[0] - ethanol.cell[2]
    return ethanol


@pytest.mark.parametrize("options", ALL[:4])
@pytest.mark.parametrize("periodic", [False, True])
def test_values_are_those_of_ase(options, periodic, ethanol, crossing):
    atoms = crossing if periodic else molecule("CH3CH2OH")
    variable = Variable(VariableOptions(**options))
    ((kind, indices),) = options.items()
    wanted = {
        "distance": lambda: atoms.get_distance(*indices, mic=periodic),
        "angle": lambda: atoms.get_angle(*indices, mic=periodic),
        "dihedral": lambda: atoms.get_dihedral(*indices, mic=periodic),
        "difference": lambda: (
            atoms.get_distance(*indices[:2], mic=periodic) - atoms.get_distance(*indices[2:], mic=periodic)
        ),
    }[kind]()
    found = variable.evaluate(atoms)[0] / variable.unit
    assert (found - wanted + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)


def test_half_a_neighbour_at_the_radius():
    atoms = Atoms("COH", [[0, 0, 0], [1.5, 0, 0], [0, 3.0, 0]])
    variable = Variable(VariableOptions(coordination=((0,), (0, 1, 2)), radius=1.5))
    assert variable.evaluate(atoms)[0] == pytest.approx(1 / 2 + 1 / 65)


@pytest.mark.parametrize("options", ALL)
@pytest.mark.parametrize("periodic", [False, True])
def test_gradients_are_those_of_finite_differences(options, periodic, ethanol, crossing):
    atoms = crossing if periodic else ethanol
    variable = Variable(VariableOptions(**options))
    _, gradient = variable.evaluate(atoms)
    numeric = np.zeros_like(gradient)
    for index in np.ndindex(gradient.shape):
        values = []
        for shift in (1e-5, -1e-5):
            moved = atoms.copy()
            moved.positions[index] += shift
            values.append(variable.evaluate(moved)[0])
        numeric[index] = np.subtract(*values) / 2e-5
    np.testing.assert_allclose(gradient, numeric, atol=1e-8)
    assert np.abs(gradient).max() > 0.1


def test_straight_angle_is_finite():
    atoms = Atoms("OCO", [[-1.2, 0, 0], [0, 0, 0], [1.2, 0, 0]])
    value, gradient = Variable(VariableOptions(angle=(0, 1, 2))).evaluate(atoms)
    assert value == pytest.approx(np.pi)
    assert not gradient.any()


def test_difference_of_dihedrals_is_the_shorter_way():
    variable = Variable(VariableOptions(dihedral=(0, 1, 2, 3)))
    found = variable.shortest(np.radians([350.0, -350.0, 20.0]))
    np.testing.assert_allclose(np.degrees(found), [-10, 10, 20])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "found no variable, expected one of distance, angle"),
        ({"distance": (0, 1), "angle": (0, 1, 2)}, "found distance and angle, expected one of"),
        ({"coordination": ((0,), (1,))}, "coordination needs it"),
        ({"distance": (0, 1), "radius": 1.0}, "radius belongs to coordination"),
        ({"angle": (0, 1, 0)}, r"an atom occurs twice in angle = \[0, 1, 0\]"),
        ({"distance": (0, -1)}, "greater than or equal to 0"),
    ],
)
def test_impossible_variables_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        VariableOptions(**options)
