"""Control files that are written, and what is read of define's."""

from __future__ import annotations

import numpy as np
import pytest

from pal_turbomole.control import atoms, control_text, group, numbers, only, shells, without
from pal_turbomole.coordinates import Geometry
from pal_turbomole.reading.files import read_coord, read_groups

# As define writes it (cclib's files of Turbomole 7.4 and 7.5), but for the broken line.
CONTROL = """$title
$symmetry c2h
$coord    file=coord
$atoms
c  1-5,9-10,14,                                                                \\
   16,19                                                                       \\
   basis =c sto-3g                                                             \\
   jbas  =c universal
bi 6-8                                                                         \\
   basis =bi dhf-TZVP                                                          \\
   ecp   =bi dhf-ecp
$closed shells
 ag      1-15                                   ( 2 )
 bg      1-3,5                                  ( 2 )
$end
"""


def test_attributes_of_every_atom():
    found = atoms(read_groups(CONTROL))
    assert len(found) == 19
    assert found[0] == found[15] == found[18] == {"element": "c", "basis": "c sto-3g", "jbas": "c universal"}
    assert found[6] == {"element": "bi", "basis": "bi dhf-TZVP", "ecp": "bi dhf-ecp"}
    assert found[10] == {}


def test_orbitals_of_all_irreps_are_counted():
    groups = read_groups(CONTROL)
    assert shells(groups, "closed shells") == 19
    assert shells(groups, "alpha shells") == 0
    assert numbers("1-3,7") == [1, 2, 3, 7]


def test_groups_are_kept_left_out_and_written_again():
    groups = read_groups(CONTROL)
    kept = only(groups, ["symmetry", "coord", "scf"])
    assert [g.title for g in kept.all] == ["symmetry c2h", "coord    file=coord"]
    text = control_text([*without(kept, "coord").all, group("dft", "   functional b3-lyp", "   gridsize   m4")])
    assert text == "$symmetry c2h\n$dft\n   functional b3-lyp\n   gridsize   m4\n$end\n"
    assert control_text(groups.all) == CONTROL


def test_coord_file_holds_the_positions_to_the_last_digit():
    sample = {"numbers": np.array([83, 1]), "positions": np.random.default_rng(1).normal(0, 30, (2, 3))}
    geometry = Geometry.of(sample)
    found = read_coord(geometry.coord_text())
    assert found.symbols == geometry.elements == ("bi", "h")
    np.testing.assert_array_equal(found.positions, geometry.positions)
    # CODATA 2018: 0.529177210903 Å.
    assert geometry.positions == pytest.approx(sample["positions"] / 0.529177210903, abs=1e-14)
