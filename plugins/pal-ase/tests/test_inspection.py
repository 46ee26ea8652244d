"""What no oracle can label, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
from pal_core.kernels import OracleFailure

from pal_ase.inspection import (
    check_cell,
    check_electrons,
    check_elements,
    check_positions,
    check_spin,
    check_states_spin,
)


def sample(positions, cell=None, pbc=False):
    return {
        "numbers": np.ones(len(positions), np.int32),
        "positions": np.array(positions, np.float64),
        "cell": np.zeros((3, 3)) if cell is None else cell,
        "pbc": np.full(3, pbc),
    }


@pytest.mark.parametrize(
    ("check", "arguments", "message"),
    [
        (check_elements, (np.array([], np.int32), 86, "it"), "the sample has no atoms"),
        (
            check_elements,
            (np.array([1, 87]), 86, "it"),
            "atom 1 has atomic number 87; it has parameters for 1 .* 86 .Rn",
        ),
        (check_elements, (np.array([0]), 54, "it"), r"atom 0 has atomic number 0; .* 54 \(Xe\)"),
        (check_positions, (sample([[0, 0, 0], [0, 0, np.inf]]), 0.1), "atom 1 is at .0.0, 0.0, inf. Å, finite numbers"),
        (
            check_positions,
            (sample([[0, 0, 0], [0, 0, 0.05]]), 0.1),
            r"atoms 0 and 1 \(H-H\) are 0.05 Å apart, 0.1 Å are",
        ),
        (check_positions, (sample([[0, 0, 0], [0, 0, 4.98]], 5 * np.eye(3), True), 0.1), "are 0.02 Å apart"),
        (
            check_cell,
            (sample([], np.eye(3), True), "it is for molecules"),
            "the sample is periodic .* it is for molecules",
        ),
        (check_cell, (sample([], None, True),), "periodic, but its cell has no volume"),
        (check_cell, (sample([]) | {"pbc": np.array([True, False, True])},), "in all three directions or in none"),
        (check_electrons, (0, 0, 2), "multiplicity is 0, 1 or more is wanted"),
        (check_electrons, (3, 1, -1), "charge 3 takes 1 more electrons than there are electrons"),
        (
            check_electrons,
            (0, 5, 2, "valence electrons"),
            "0 and multiplicity 5 with 2 valence electrons: .* 3 is the highest",
        ),
        (check_electrons, (0, 2, 2), "an even number of electrons needs an odd multiplicity"),
        (check_electrons, (1, 1, 1), "an odd number of electrons needs an even multiplicity"),
        (check_spin, ("restricted", 2), "multiplicity 2 needs another reference than restricted"),
        (check_states_spin, ("triplet", 2), "triplet states are those of a restricted singlet; multiplicity is 2"),
    ],
)
def test_refusal_names_what_is_wrong(check, arguments, message):
    with pytest.raises(OracleFailure, match=message) as caught:
        check(*arguments)
    assert caught.value.kind == "invalid_input"


def test_usual_samples_pass():
    check_elements(np.array([1, 86]), 86, "it")
    check_cell(sample([]), "it is for molecules")
    check_cell(sample([], np.eye(3), True))
    check_positions(sample([[0, 0, 0]]), 0.1)
    check_positions(sample([[0, 0, 0], [0, 0, 0.74]]), 0.1)
    for electrons, multiplicity in ((0, 1), (1, 2), (2, 1), (2, 3)):
        check_electrons(0, multiplicity, electrons)
    check_spin("auto", 2)
    check_spin("restricted", 1)
    check_states_spin("triplet", 1)
    check_states_spin("singlet", 2)
