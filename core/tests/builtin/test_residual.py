"""What `pal.residual` refuses, and what it lets pass."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from pal_core.builtin.check_options import ResidualOptions
from pal_core.builtin.residual import Residual
from pal_core.kernels import Context, Expected


def label(energy):
    return {"energy": np.array(energy)}


def expected(std=0.05):
    return Expected({"energy": np.array(0.0)}, {"energy": np.array(std)}, 1)


@pytest.fixture
def check():
    """Has seen thirty residuals with a median of 0.1 and a standard deviation of 0.05."""
    made = Residual(ResidualOptions(), Context("check"))
    for x in np.linspace(0.08, 0.12, 30):
        assert made.check({}, label(x), expected()) is None
    return made


def test_reason_gives_found_usual_and_allowed(check):
    assert check.check({}, label(0.5), expected()) == (
        "energy is 0.5 (root mean square) off what the committee expected, which was 1 times as unsure as usual: "
        "0.1 is usual, 0.4 allowed"
    )


def test_unsure_committee_may_be_further_off(check):
    assert check.check({}, label(0.5), expected(0.1)) is None
    assert check.check({}, label(0.5), expected(0.001)) is not None
    assert check.check({}, label(0.39), expected(0.001)) is None


def test_doubt_about_one_field_counts_for_all():
    def of_two(std):
        return Expected({"a": np.zeros(3), "b": np.zeros(2)}, {"a": np.full(3, std), "b": np.full(2, 0.05)})

    check = Residual(ResidualOptions(), Context("check"))
    for _ in range(25):
        check.check({}, {"a": np.full(3, 0.1), "b": np.full(2, 0.1)}, of_two(0.05))
    far = {"a": np.full(3, 0.1), "b": np.full(2, 0.95)}
    assert check.check({}, far, of_two(0.1)) is not None
    assert check.check({}, far, of_two(0.1 * 2)) is None


def test_wide_distribution_has_a_wide_limit():
    check = Residual(ResidualOptions(), Context("check"))
    rng = np.random.default_rng(1)
    refused = [check.check({}, label(x), expected()) for x in rng.normal(size=3000)]
    assert sum(reason is not None for reason in refused) <= 3
    assert check.check({}, label(15.0), expected()) is not None


def test_nothing_is_said_without_expectation_or_before_enough_are_known():
    check = Residual(ResidualOptions(), Context("check"))
    for _ in range(20):
        assert check.check({}, label(0.1), expected()) is None
        assert check.check({}, label(50.0), None) is None
    assert check.check({}, label(50.0), expected()) is not None


def test_committee_of_one_is_judged_by_the_residual_alone():
    check = Residual(ResidualOptions(), Context("check"))
    for _ in range(20):
        assert check.check({}, label(0.1), expected(np.nan)) is None
    assert check.check({}, label(0.39), expected(np.nan)) is None
    assert check.check({}, label(0.41), expected(np.nan)) is not None


def test_lasting_change_passes_after_half_a_window(check):
    for x in np.linspace(0.08, 0.12, 70):
        check.check({}, label(x), expected())
    refused = [check.check({}, label(5.0), expected()) is not None for _ in range(100)]
    assert all(refused[:45])
    assert not any(refused[55:])


def test_a_third_of_bad_labels_does_not_open_the_door(check):
    rng = np.random.default_rng(3)
    bad = rng.random(300) < 1 / 3
    values = np.where(bad, 5.0, rng.uniform(0.08, 0.12, 300))
    refused = [check.check({}, label(x), expected()) is not None for x in values]
    assert refused == bad.tolist()


@pytest.mark.parametrize("energy", [np.nan, np.inf])
def test_what_is_not_finite_is_left_to_others_and_not_remembered(check, energy):
    for _ in range(100):
        assert check.check({}, label(energy), expected()) is None
    assert check.check({}, label(0.5), expected()) is not None


def test_fields_can_be_chosen():
    check = Residual(ResidualOptions(fields=("forces",)), Context("check"))
    for _ in range(25):
        check.check({}, label(0.1), expected())
    assert check.check({}, label(99.0), expected()) is None


def test_window_must_hold_enough():
    with pytest.raises(ValidationError, match="minimum = 30 residuals never come together in window = 20"):
        ResidualOptions(window=20, minimum=30)
