"""Toy walker, oracle and surface."""

from __future__ import annotations

import time

import numpy as np
import pytest
from pydantic import ValidationError

from pal_core.builtin.hashing import sample_uniform
from pal_core.builtin.options import ToyOracleOptions, ToyWalkerOptions
from pal_core.builtin.oracle import ToyOracle
from pal_core.builtin.surface import muller_brown
from pal_core.builtin.walker import ToyWalker
from pal_core.kernels import Context, Feedback, OracleFailure, Stop


def feedback(gradient=(0.0, 0.0), trusted=True):
    mean = {"gradient": np.array(gradient)}
    return Feedback(mean, {"gradient": np.zeros(2)}, score=0.0, trusted=trusted, selected=not trusted, version=1)


def walker(index=0, notes=None, **options):
    note = (lambda text: None) if notes is None else notes.append
    return ToyWalker(ToyWalkerOptions(**options), Context("generator", index=index, seed=5, note=note))


# K. Müller and L. D. Brown, Theor. Chim. Acta 53, 75 (1979): minima and saddle points.
@pytest.mark.parametrize(
    ("point", "energy", "downhill"),
    [
        ((-0.558, 1.442), -146.700, 2),
        ((0.623, 0.028), -108.167, 2),
        ((-0.050, 0.467), -80.768, 2),
        ((-0.822, 0.624), -40.665, 1),
        ((0.212, 0.293), -72.249, 1),
    ],
)
def test_surface_has_the_stationary_points_of_the_paper(point, energy, downhill):
    x = np.array(point)
    for _ in range(5):  # Newton's method from the printed digits, with a Hessian from differences
        x = x - np.linalg.solve(hessian(x), muller_brown(x[None])[1][0])
    found, gradient = muller_brown(x[None])
    np.testing.assert_allclose(x, point, atol=1e-3)
    np.testing.assert_allclose(found[0], energy, atol=1e-3)
    np.testing.assert_allclose(gradient[0], 0, atol=1e-8)
    assert (np.linalg.eigvalsh(hessian(x)) > 0).sum() == downhill


def hessian(x, h=1e-5):
    shifts = h * np.eye(2)
    return np.array([(muller_brown((x + s)[None])[1][0] - muller_brown((x - s)[None])[1][0]) / (2 * h) for s in shifts])


def test_gradient_is_the_derivative_of_the_energy():
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    _, gradient = muller_brown(x)
    for k, shift in enumerate(1e-6 * np.eye(2)):
        slope = (muller_brown(x + shift)[0] - muller_brown(x - shift)[0]) / 2e-6
        np.testing.assert_allclose(gradient[:, k], slope, rtol=1e-6, atol=1e-5)


def test_oracle_fails_at_the_asked_share_of_points_and_always_the_same():
    oracle = ToyOracle(ToyOracleOptions(fail_share=0.3), Context("oracle"))
    points = np.random.default_rng(0).uniform(-1, 1, (2000, 2))

    def failed(x):
        try:
            oracle.label({"x": x})
        except OracleFailure:
            return True
        return False

    first = [failed(x) for x in points]
    assert abs(np.mean(first) - 0.3) < 0.04  # four standard deviations
    assert first == [failed(x) for x in points]


def test_failures_say_what_happened():
    with pytest.raises(OracleFailure) as caught:
        ToyOracle(ToyOracleOptions(fail_share=1), Context("oracle")).label({"x": np.array([0.5, 0.25])})
    assert str(caught.value) == "unconverged: failed on purpose at [0.5, 0.25] (fail_share = 1)"
    with pytest.raises(OracleFailure) as caught:
        ToyOracle(ToyOracleOptions(), Context("oracle")).inspect({"x": np.array([np.inf, 0.0])})
    assert str(caught.value) == "invalid_input: the point x = [inf, 0.0] is not finite"


def test_delays_are_slept(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    ToyOracle(ToyOracleOptions(delay=0.25), Context("oracle")).label({"x": np.zeros(2)})
    walker(delay=1.5).propose(None)
    assert slept == [0.25, 1.5]


def test_sample_uniform_is_uniform_and_independent_of_the_batch():
    x = np.random.default_rng(0).standard_normal((10_000, 2))
    u = sample_uniform(x, salt=3)
    counts = np.histogram(u, bins=10, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 27.9  # chi squared, 9 degrees of freedom, p = 0.001
    assert abs(np.corrcoef(u, sample_uniform(x, salt=4))[0, 1]) < 0.04
    np.testing.assert_array_equal(u[17:20], sample_uniform(x[17:20], salt=3))


def test_walkers_start_at_the_given_points_in_turn():
    starts = [walker(index=i, start=[(0, 0), (0.5, 0.5)]).propose(None)["x"].tolist() for i in range(3)]
    assert starts == [[0, 0], [0.5, 0.5], [0, 0]]


def test_move_is_downhill_without_temperature():
    subject = walker(start=[(0, 0)], temperature=0, step=1e-3)
    subject.propose(None)
    np.testing.assert_allclose(subject.propose(feedback((10.0, -20.0)))["x"], [-0.01, 0.02], rtol=1e-12)


def test_moves_are_cut_and_reflected_at_the_walls():
    subject = walker(start=[(0.99, 0)], lower=(-1, -1), upper=(1, 1), temperature=0, longest=0.1)
    subject.propose(None)
    np.testing.assert_allclose(subject.propose(feedback((-1e9, 0.0)))["x"], [0.91, 0], rtol=1e-12)
    subject = walker(start=[(0, -0.99)], lower=(-1, -1), upper=(1, 1), temperature=0, longest=0.1)
    subject.propose(None)
    np.testing.assert_allclose(subject.propose(feedback((0.0, 1e9)))["x"], [0, -0.91], rtol=1e-12)


def test_free_walk_diffuses_as_einstein_says():
    """Mean square displacement in two dimensions: 4 times temperature times mobility times time."""
    moves = []
    for index in range(400):
        subject = walker(index=index, start=[(0, 0)], lower=(-9, -9), upper=(9, 9), temperature=2, step=1e-4, longest=9)
        subject.propose(None)
        for _ in range(10):
            x = subject.propose(feedback())["x"]
        moves.append(x @ x)
    expected = 4 * 2 * 1e-4 * 10
    assert abs(np.mean(moves) / expected - 1) < 4 / np.sqrt(400)  # the square has a spread of its mean


def test_walker_goes_back_to_trusted_ground_when_patience_ends():
    notes = []
    subject = walker(notes=notes, start=[(0, 0)], temperature=1, patience=2)
    subject.propose(None)
    trusted = subject.propose(feedback())["x"]
    subject.propose(feedback())  # says of `trusted` that it is
    for _ in range(2):
        assert not np.array_equal(subject.propose(feedback(trusted=False))["x"], trusted)
    np.testing.assert_array_equal(subject.propose(feedback(trusted=False))["x"], trusted)
    assert notes == ["back to the last trusted point after 3 untrusted predictions"]


def test_walker_goes_back_at_once_when_the_prediction_is_not_finite():
    subject = walker(start=[(0, 0)], patience=100)
    subject.propose(None)
    subject.propose(feedback())
    np.testing.assert_array_equal(subject.propose(feedback((np.nan, 0.0)))["x"], [0, 0])


def test_walker_stops_after_its_steps_and_stays_stopped_after_a_restart():
    subject = walker(steps=3)
    subject.propose(None)
    assert all("x" in subject.propose(feedback()) for _ in range(2))
    assert subject.propose(feedback()) == Stop("3 steps done")
    twin = walker(steps=3)
    twin.restore(subject.snapshot())
    assert twin.propose(None) == Stop("3 steps done")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"start": [(5, 0)]}, r"start point \(5.0, 0.0\) is outside the box"),
        ({"start": []}, "at least 1 item"),
        ({"lower": (0, 0), "upper": (1, 0.05), "start": [(0, 0)]}, "narrower than the longest move, 0.1"),
    ],
)
def test_walker_options_that_make_no_sense_are_refused(options, complaint):
    with pytest.raises(ValidationError, match=complaint):
        ToyWalkerOptions(**options)
