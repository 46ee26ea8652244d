from __future__ import annotations

import pytest
import torch

from pal_ase.learning.optimiser import Optimiser, Plateau


def gradients(count, size=7):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(size, generator=generator, dtype=torch.float64) for _ in range(count)]


def make(size=7, clip=1e9, weight_decay=0.0, ema=0.9):
    start = torch.linspace(-1, 1, size, dtype=torch.float64)
    return Optimiser(start.clone(), start.clone(), clip, weight_decay, ema), start


def test_steps_are_those_of_torch_adamw():
    own, start = make(weight_decay=0.1)
    theirs = start.clone()
    stranger = torch.optim.AdamW([theirs], lr=0.02, weight_decay=0.1)
    for g in gradients(20):
        theirs.grad = g.clone()
        stranger.step()
        own.step(g, 0.02)
    torch.testing.assert_close(own.flat, theirs, rtol=1e-12, atol=1e-12)


def test_long_gradients_are_scaled_down_to_the_clip():
    own, start = make(clip=0.5)
    other, _ = make()
    for g in gradients(5):
        own.step(100 * g, 0.1)
        other.step(0.5 * g / g.norm(), 0.1)
    torch.testing.assert_close(own.flat, other.flat)
    assert not torch.equal(own.flat, start)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_gradients_that_are_not_finite_change_nothing(value):
    own, _ = make()
    own.step(gradients(1)[0], 0.1)
    before = own.state()
    own.step(torch.full((7,), value, dtype=torch.float64), 0.1)
    assert all((before[name] == after).all() for name, after in own.state().items())


def test_average_follows_the_weights_and_forgets_the_start():
    own, start = make(ema=0.999)
    for g in gradients(200):
        own.step(g + 1.0, 0.01)
    assert (own.average - own.flat).norm() < 0.2 * (own.flat - start).norm()
    assert (own.average > own.flat).all()


def test_state_round_trip_goes_on_identically():
    own, _ = make(weight_decay=0.01)
    for g in gradients(3):
        own.step(g, 0.1)
    twin, _ = make(weight_decay=0.01)
    twin.load(own.state())
    for g in gradients(3):
        own.step(g, 0.1)
        twin.step(g, 0.1)
    assert torch.equal(own.flat, twin.flat)
    assert torch.equal(own.average, twin.average)


def test_rate_is_halved_when_the_loss_stands_still():
    plateau = Plateau(1.0, patience=10)
    plateau.observe(5.0, 4)
    for _ in range(2):
        plateau.observe(5.0, 4)
    assert plateau.rate == 1.0
    plateau.observe(5.0, 4)
    assert plateau.rate == 0.5
    for loss in (4.0, 3.0, 2.0, 1.0):
        plateau.observe(loss, 9)
    assert plateau.rate == 0.5
    assert not plateau.over


def test_new_data_bring_back_a_quarter_of_the_rate():
    plateau = Plateau(1.0, patience=1)
    for _ in range(4):
        plateau.observe(1.0, 1)
    assert plateau.rate == 1 / 8
    plateau.restart()
    assert plateau.rate == 1 / 4
    plateau.observe(7.0, 1)
    assert plateau.rate == 1 / 4


def test_schedule_ends_after_its_last_halving():
    plateau = Plateau(1.0, patience=1)
    plateau.observe(1.0, 1)
    for _ in range(Plateau.HALVINGS):
        assert not plateau.over
        plateau.observe(1.0, 1)
    assert plateau.over
    assert plateau.rate == 1 / 64
