"""Reading what xtb writes."""

from __future__ import annotations

import numpy as np
import pytest

from pal_xtb.output import OutputError, coordinates, read_energy, read_gradient, read_setup

GRADIENT = """$grad
  cycle =      1    SCF energy =    -1.00000000000   |dE/dxyz| =  0.1
    9.00000000000000      0.00000000000000      0.00000000000000      h
   1.0000000000000E+00   0.0000000000000E+00   0.0000000000000E+00
  cycle =      2    SCF energy =    -0.39348276394   |dE/dxyz| =  0.1
    0.10000000000000     -2.00000000000000  12345.00000000000000      h
  -1.0000000000000D-04  2.5000000000000-105 -3.0000000000000E+00
$end
"""


def test_recorded_files_are_read(data):
    found = read_gradient((data / "ethanol_gfn2.gradient").read_text())
    assert found.symbols == ("c", "c", "o", *"hhhhhh")
    # From xtb's own output for this run: TOTAL ENERGY and GRADIENT NORM.
    assert found.energy == pytest.approx(-11.39142464573, abs=1e-10)
    assert np.linalg.norm(found.gradient) == pytest.approx(0.021528, abs=1e-6)
    assert read_energy((data / "ethanol_gfn2.energy").read_text()) == found.energy


def test_last_cycle_counts_and_fortran_exponents_are_understood():
    found = read_gradient(GRADIENT)
    assert found.energy == -0.39348276394
    np.testing.assert_array_equal(found.positions, [[0.1, -2, 12345]])
    np.testing.assert_array_equal(found.gradient, [[-1e-4, 2.5e-105, -3]])


def test_touching_columns_are_told_apart():
    touching = GRADIENT.replace("-1.0000000000000D-04  2.5000000000000-105 -3.0", "-1.0000D-04-2.5000-105-3.0")
    np.testing.assert_array_equal(read_gradient(touching).gradient, [[-1e-4, -2.5e-105, -3]])
    fixed = GRADIENT.replace("-1.0000000000000D-04  2.5000000000000-105 -3.0000000000000E+00", "-1.25-234.5-300.25")
    np.testing.assert_array_equal(read_gradient(fixed).gradient, [[-1.25, -234.5, -300.25]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "file gradient holds no cycle"),
        (GRADIENT.replace("$end", ""), "file gradient holds no cycle"),
        (GRADIENT.replace("-1.0000000000000D-04", "*******"), "3 numbers are wanted, found '\\*\\*\\*"),
        (GRADIENT.replace("-1.0000000000000D-04", "NaN"), "3 numbers are wanted, found 'NaN"),
        (GRADIENT.replace("  -1.0000000000000D-04  2.5000000000000-105 -3.0000000000000E+00\n", ""), "holds 1 lines"),
        (GRADIENT.replace("SCF energy =    -0.3", "SCF energy ="), "1 numbers are wanted"),
    ],
)
def test_broken_gradient_is_refused(text, message):
    with pytest.raises(OutputError, match=message):
        read_gradient(text)


def test_last_energy_counts():
    assert read_energy("$energy\n  1  -1.5D+00 -1.5 -1.5\n  2  -2.5  -2.5  -2.5\n$end\n") == -2.5
    with pytest.raises(OutputError, match="file energy holds no cycle"):
        read_energy("$energy\n$end\n")


def test_geometry_is_written_with_fourteen_decimals():
    assert coordinates([8], [[1 / 3, 0, -2]]) == "$coord\n0.33333333333333 0.00000000000000 -2.00000000000000 o\n$end\n"


def test_setup_is_read_if_it_is_there():
    assert read_setup("nothing yet") is None
    text = "  :  # atomic orbitals  18  :\n :  # electrons   20   :\n  :  Hamiltonian   GFN2-xTB   :\n"
    found = read_setup(text)
    assert found is not None
    assert (found.hamiltonian, found.orbitals, found.electrons) == ("GFN2-xTB", 18, 20)
