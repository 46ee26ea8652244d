"""What no xTB oracle can label, and what it says of it."""

from __future__ import annotations

import numpy as np
import pytest
from pal_core.kernels import Context, OracleFailure

from pal_xtb.options import TbliteOptions
from pal_xtb.samples import HEAVIEST, check_sample, electrons

H2 = [[0, 0, 0], [0, 0, 0.74]]
CELL = 5 * np.eye(3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], np.zeros((0, 3))), "the sample has no atoms"),
        (([1, 87], H2), "atom 1 has atomic number 87; xTB has parameters for 1 \\(H\\) to 86 \\(Rn\\)"),
        (([0, 1], H2), "atom 0 has atomic number 0"),
        (([1, 1], [[0, 0, 0], [0, 0, np.nan]]), "atom 1 is at \\[0.0, 0.0, nan\\] Å, finite numbers are wanted"),
        (([1, 9], [[0, 0, 0], [0, 0, 0.05]]), "atoms 0 and 1 \\(H-F\\) are 0.05 Å apart, 0.1 Å are wanted"),
        (([1, 1], H2, 0, 2), "2 valence electrons: an even number of electrons needs an odd multiplicity"),
        (([1, 1], H2, 1, 1), "1 valence electrons: an odd number of electrons needs an even multiplicity"),
        (([1, 1], H2, 3, 1), "charge 3 takes 1 more electrons than there are valence electrons"),
        (([1, 1], H2, 0, 5), "with 2 valence electrons: multiplicity 3 is the highest"),
        (([1, 1], H2, 0, 0), "multiplicity is 0, 1 or more is wanted"),
        (([1, 1], H2, 0, 1, np.zeros((3, 3))), "the sample is periodic, but its cell has no volume"),
        (([1, 1], H2, 0, 1, CELL * np.nan), "the sample is periodic, but its cell has no volume"),
        (([1, 1], [[0, 0, 0], [0, 0.04, 20]], 0, 1, CELL), "atoms 0 and 1 \\(H-H\\) are 0.04 Å apart"),
    ],
)
def test_refusal_names_what_is_wrong(make, arguments, message):
    with pytest.raises(OracleFailure, match=message) as caught:
        check_sample(make(*arguments), closest=0.1)
    assert caught.value.kind == "invalid_input"


def test_partly_periodic_samples_are_refused(make):
    sample = make([1, 1], H2, cell=CELL) | {"pbc": np.array([True, True, False])}
    with pytest.raises(OracleFailure, match="periodic in all three directions or in none is wanted"):
        check_sample(sample, closest=0.1)


def test_refusal_of_periodic_samples_gives_the_reason(make):
    with pytest.raises(OracleFailure, match=r"the sample is periodic .* but only molecules are welcome"):
        check_sample(make([1, 1], H2, cell=CELL), closest=0.1, molecules_only="only molecules are welcome")


def test_usual_samples_pass(make, ethanol):
    for sample in (ethanol, make([1], [[0, 0, 0]], 0, 2), make([1, 1], H2, cell=CELL), make([8, 1], H2, -1, 1)):
        check_sample(sample, closest=0.1)


@pytest.mark.parametrize("z", range(1, HEAVIEST + 1))
def test_electrons_are_those_that_tblite_fills(make, z):
    from pal_xtb.oracle import Gfn1, Gfn2

    one = make([z], [[0, 0, 0]])
    multiplicity = 1 + electrons(one) % 2
    for kernel in (Gfn1, Gfn2):
        oracle = kernel(TbliteOptions(electronic_temperature=3000), Context("oracle"))
        assert np.isfinite(oracle.label(make([z], [[0, 0, 0]], 0, multiplicity))["energy"])
