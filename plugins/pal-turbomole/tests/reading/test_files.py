"""Files of data groups."""

from __future__ import annotations

import numpy as np
import pytest

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.files import read_coord, read_energy, read_groups, read_spectrum

CONTROL = """$title
# a comment with $scfmo in it
$symmetry c1
$coord    file=coord
$closed shells
 a       1-5                                    ( 2 )

$actual step      dscf
$last SCF energy change = -379.76226
$scfdiis
$end
$nothing counts behind the end
"""
FOLDERS = ["cclib_7.5_dvb_sp", "cclib_7.4_CO_TD_trip", "cclib_7.4_water_mp2_rimp2"]


def test_groups_are_found_by_name():
    groups = read_groups(CONTROL)
    assert [g.title.split()[0] for g in groups.all] == [
        "title",
        "symmetry",
        "coord",
        "closed",
        "actual",
        "last",
        "scfdiis",
    ]
    assert groups.need("coord").file == "coord"
    assert groups.need("closed shells").lines == (" a       1-5                                    ( 2 )",)
    assert groups.need("last SCF energy change").rest("last SCF energy change") == "= -379.76226"
    assert groups.find("scf") is None
    assert groups.find("closed").title == "closed shells"
    assert (groups.unfinished_step, groups.last_step) == ("dscf", None)
    with pytest.raises(Unreadable, match=r"\$uhf wanted, found \$title, \$symmetry c1"):
        groups.need("uhf")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"no \$end"),
        (CONTROL.replace("$end", "$en"), r"no \$end"),
        ("stray\n$end\n", "a data group wanted, found 'stray'"),
        ("$grad\n$grad\n$end\n", "stands twice"),
    ],
)
def test_incomplete_files_are_refused(text, message):
    with pytest.raises(Unreadable, match=message):
        read_groups(text)


@pytest.mark.parametrize(
    ("folder", "last", "facts"),
    [
        (
            FOLDERS[0],
            "dscf",
            {"symmetry": "c2h", "scfconv": "7", "scfiterlimit": "30", "scforbitalshift": "automatic=.1"},
        ),
        (FOLDERS[1], "escf", {"symmetry": "c1", "denconv": "1d-7", "scfinstab": "rpat", "rpacor": "220   in_total"}),
        (
            FOLDERS[2],
            "ricc2",
            {"symmetry": "c1", "denconv": "0.10000000E-06", "last MP2 energy change": "= -.36522554E-01"},
        ),
    ],
)
def test_real_controls_are_read(real, folder, last, facts):
    text = real(f"{folder}/control")
    groups = read_groups(text)
    assert {name: groups.need(name).rest(name) for name in facts} == facts
    files = {"basis": "basis", "coord": "coord", "energy": "energy", "grad": "gradient", "scfmo": "mos"}
    assert {name: groups.need(name).file for name in files} == files
    assert (groups.last_step, groups.unfinished_step) == (last, None)
    started = text.replace("$last step", "$actual step")
    assert (read_groups(started).unfinished_step, read_groups(started).last_step) == (last, None)
    # $maxcor is commented out in one of them.
    assert (groups.find("maxcor") is None) == ("#$maxcor" in text)
    assert len(groups.need("closed shells").lines) == (4 if folder == FOLDERS[0] else 1)


COORDS = {
    FOLDERS[0]: (20, "c", [-2.69176368696337, 0.44712809843473, 0], "h", [-1.65163953050565, 4.45457580540239, 0]),
    FOLDERS[1]: (2, "c", [0, 0, -1.21523562783025], "o", [0, 0, 0.91142624844116]),
    FOLDERS[2]: (3, "h", [1.41610067069348, 0, 0.83607701317838], "h", [-1.41610067069348, 0, 0.83607701317838]),
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_real_coords_are_read_to_the_last_digit(real, folder):
    text = real(f"{folder}/coord")
    found = read_coord(text)
    count, first, first_row, last, last_row = COORDS[folder]
    assert (len(found.symbols), found.symbols[0], found.symbols[-1]) == (count, first, last)
    np.testing.assert_array_equal(found.positions[[0, -1]], [first_row, last_row])
    # All the others by words: nothing touches in these files.
    rows = [line.split() for line in text.split("$redundant")[0].splitlines()[1:]]
    np.testing.assert_array_equal(found.positions, [[float(x) for x in row[:3]] for row in rows])


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("$coord angs\n 0.0 0.0 0.0 h\n$end\n", "invalid_input", r"in bohr wanted, found \$coord angs"),
        ("$coord\n$end\n", "crashed", "holds no atom"),
        ("$coord\n 0.0 0.0 h\n$end\n", "crashed", "3 numbers wanted"),
        ("$coord\n 0.0 0.0 0.0\n$end\n", "crashed", "an element wanted"),
        ("$energy\n$end\n", "crashed", r"\$coord wanted, found \$energy"),
    ],
)
def test_other_coordinates_are_refused(text, kind, message):
    with pytest.raises(Unreadable, match=message) as caught:
        read_coord(text)
    assert caught.value.kind == kind


def test_coordinates_may_touch_and_atoms_be_frozen():
    found = read_coord("$coord\n-100.00000000000000-200.00000000000000-300.00000000000000  bi f\n$end\n")
    assert found.symbols == ("bi",)
    np.testing.assert_array_equal(found.positions, [[-100, -200, -300]])


ENERGIES = {
    FOLDERS[0]: {"SCF": -379.7622562961, "SCFKIN": 376.1876426218, "SCFPOT": -755.9498989179},
    FOLDERS[1]: {"SCF": -112.7699541433, "SCFKIN": 112.6361067652, "SCFPOT": -225.4060609085},
    FOLDERS[2]: {"SCF": -74.96445642564, "SCFKIN": 74.5718094, "SCFPOT": -149.536266, "MP2": -0.03652255397179},
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_real_energies_are_read_to_the_last_digit(real, folder):
    found = read_energy(real(f"{folder}/energy"))
    assert found.columns == tuple(ENERGIES[folder])
    assert len(found.cycles) == found.last.cycle == 1
    assert found.last.values == ENERGIES[folder]


def test_last_energy_counts():
    rows = "     1 -76.1  75.9 -152.0\n     2-1076.2 1075.9-2152.1 -.5D-01\n"
    found = read_energy(f"$energy      SCF  SCFKIN SCFPOT  MP2\n{rows.replace('2-', '2 -')}$end\n")
    assert [cycle.cycle for cycle in found.cycles] == [1, 2]
    assert found.last.values == {"SCF": -1076.2, "SCFKIN": 1075.9, "SCFPOT": -2152.1, "MP2": -0.05}
    assert read_energy(f"$energy SCF SCFKIN SCFPOT MP2\n{rows}$end\n").last == found.last


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "holds no cycle"),
        ("     1 -76.1  75.9\n", "its SCF SCFKIN SCFPOT wanted"),
        ("     1 -76.1  75.9 -152.0 1.0\n", "its SCF SCFKIN SCFPOT wanted"),
        ("  -76.1  75.9 -152.0 1.0\n", "wanted"),
        ("     1 *****  75.9 -152.0\n", "only numbers wanted"),
    ],
)
def test_broken_energies_are_refused(rows, message):
    with pytest.raises(Unreadable, match=message):
        read_energy(f"$energy      SCF  SCFKIN SCFPOT\n{rows}$end\n")


SPECTRUM = [
    ("a", 0.197067, 0.17619330, 0.18346714),
    ("a", 0.197067, 0.17619330, 0.18346714),
    ("a", 0.234787, 0.76650954, 0.84176357),
    ("a", 0.292853, 0.0, 0.0),
    ("a", 0.292853, 0.0, 0.0),
    ("a", 0.345831, 0.0, 0.0),
    ("a", 0.406633, 0.01407272, 0.01432196),
    ("a", 0.459671, 0.27774904, 0.28423522),
    ("a", 0.463873, 0.00700634, 0.00509142),
    ("a", 0.463873, 0.00700634, 0.00509142),
]


def test_real_spectrum_is_read_to_the_last_digit(real):
    text = real("cclib_7.4_CO_TD_trip/exspectrum")
    found = read_spectrum(text, 10)
    assert [t.number for t in found] == list(range(1, 11))
    assert [(t.irrep, t.energy, t.oscillator_velocity, t.oscillator_length) for t in found] == SPECTRUM
    for states in (9, 11):
        with pytest.raises(Unreadable, match=f"{states} states wanted in file exspectrum, found 10"):
            read_spectrum(text, states)
    with pytest.raises(Unreadable, match="incomplete, or not one"):
        read_spectrum(text.replace("# Exc", "Exc", 1), 10)


READERS = {"control": read_groups, "coord": read_coord, "energy": read_energy}


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("name", READERS)
def test_real_files_that_are_cut_off_anywhere_give_nothing(real, folder, name):
    text = real(f"{folder}/{name}")
    whole = text.index("\n$end") + len("\n$end")
    READERS[name](text[:whole])
    step = max(1, whole // 200)
    for cut in [*range(0, whole - 20, step), *range(whole - 20, whole)]:
        with pytest.raises(Unreadable):
            READERS[name](text[:cut])


def test_real_spectrum_that_is_cut_off_anywhere_gives_nothing(real):
    text = real("cclib_7.4_CO_TD_trip/exspectrum")
    for cut in range(len(text)):
        with pytest.raises(Unreadable):
            read_spectrum(text[:cut], 10)
