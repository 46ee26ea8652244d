"""Numbers as Fortran writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.floats import read_float, read_floats


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (
            "  -.35035032967113D-01  0.00000000000000D+00  -.39087207614706D-01",
            [-0.035035032967113, 0, -0.039087207614706],
        ),
        ("0.3807253D-02-0.1180016D-01", [0.003807253, -0.01180016]),
        (".123D-01 -.5 +.25e1", [0.0123, -0.5, 2.5]),
        ("-1.0000D-04-2.5000-105-3.0", [-1e-4, -2.5e-105, -3]),
        ("-1.25-234.5-300.25", [-1.25, -234.5, -300.25]),
        ("12345.00000000-12345.00000000", [12345, -12345]),
        ("1.d-7 1d-7 7", [1e-7, 1e-7, 7]),
        ("", []),
    ],
)
def test_columns_that_touch_and_fortran_exponents_are_read(text, values):
    assert read_floats(text) == values


@pytest.mark.parametrize(
    "text",
    [
        "*******",
        "NaN",
        "Infinity",
        "1.0 ****",
        "1.0 x",
        "0.12345678.12345678",
        "1.0.5",
        "0.1D-010.2",
        "1-2",
        "1D",
        ".",
        "1.e999",
    ],
)
def test_what_is_no_number_or_two_in_one_is_refused(text):
    with pytest.raises(Unreadable, match="wanted, found"):
        read_floats(text)


def test_the_wrong_count_is_refused_with_its_line():
    with pytest.raises(Unreadable, match=r"3 numbers wanted, found '1\.0 2\.0'") as caught:
        read_floats(" 1.0 2.0 ", 3, "unconverged")
    assert caught.value.kind == "unconverged"
    assert caught.value.lines == (" 1.0 2.0",)
    with pytest.raises(Unreadable, match=r"1 number wanted, found ''"):
        read_float("")


@given(st.lists(st.floats(-9, 9).filter(lambda x: x <= -1e-90 or x == 0 or x >= 1e-90), min_size=1, max_size=5))
def test_fixed_width_columns_come_back(values):
    text = "".join(f"{x:22.13E}".replace("E", "D") for x in values)
    assert read_floats(text) == pytest.approx(values, rel=1e-13, abs=0)
