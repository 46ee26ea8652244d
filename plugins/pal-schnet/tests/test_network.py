"""The derivatives written out by hand against autograd on a plain SchNet, and against finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from schnet_frames import batch_of, molecules, rattled

from pal_ase.learning.graph import build
from pal_ase.learning.objective import Targets, Weights, loss, physical
from pal_schnet.network import SchnetNetwork, radial_basis
from pal_schnet.parameters import Architecture, Parameters

SHAPE = Architecture(features=8, interactions=3, basis=6, cutoff=4.0)
CHARGED = replace(SHAPE, charges=2, multiplicities=3)
CPU = torch.device("cpu")


@pytest.fixture
def graph():
    images = [*molecules("CH3CH2OH", "H2O"), *rattled(bulk("Cu"), 1)]
    for atoms, charge, multiplicity in zip(images, (0, -2, 1), (3, 1, 2), strict=True):
        atoms.info |= {"charge": charge, "multiplicity": multiplicity}
    return build(batch_of(*images), SHAPE.cutoff, torch.float64, CPU)


@pytest.fixture(params=[SHAPE, CHARGED], ids=["plain", "charged"])
def parameters(request):
    out = Parameters.random(request.param, 1, torch.float64, CPU)
    out.flat += 0.05 * torch.randn(out.flat.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return out


def evaluate(parameters, graph, training=False):
    return SchnetNetwork(parameters).evaluate(graph, training)


def slopes_of(evaluation, graph):
    """Derivatives with respect to the distances; pulls lie along the pairs."""
    return (evaluation.pulls * graph.direction).sum(1)


def gradient_of(parameters, graph, evaluation, weights):
    out = torch.full_like(parameters.flat, torch.nan)
    SchnetNetwork(parameters).gradient(graph, evaluation, *weights, out)
    return out


def plain_energies(parameters, graph, distance):
    """SchNet as one would write it for autograd, with both directions of every pair."""
    p = parameters
    centre, other = torch.cat([graph.first, graph.second]), torch.cat([graph.second, graph.first])
    d = torch.cat([distance, distance])[:, None]
    spacing = SHAPE.cutoff / (SHAPE.basis - 1)
    gauss = torch.exp(-0.5 * ((d - torch.arange(SHAPE.basis).double() * spacing) / spacing) ** 2)
    cut = 0.5 * (1 + torch.cos(torch.pi * d / SHAPE.cutoff))
    x = p.embedding[graph.numbers]
    if p.architecture is CHARGED:
        charge, multiplicity = p.named["charge"], p.named["multiplicity"]
        x = x + (charge[graph.charge + 2] + multiplicity[graph.multiplicity - 1])[graph.sample]
    for layer in p.layers:
        filters = (gauss @ layer.filter[:-1] + layer.filter[-1]) * cut
        m = torch.zeros_like(x).index_add(0, centre, filters * (x @ layer.project)[other])
        x = x + torch.nn.functional.silu(m @ layer.mix + layer.mix_bias) @ layer.update + layer.update_bias
    return torch.nn.functional.silu(x @ p.readout + p.readout_bias) @ p.energy


def test_energies_and_slopes_are_those_of_autograd(parameters, graph):
    distance = graph.distance.clone().requires_grad_()
    wanted = plain_energies(parameters, graph, distance)
    slopes = torch.autograd.grad(wanted.sum(), distance)[0]
    found = evaluate(parameters, graph)
    torch.testing.assert_close(found.energies, wanted.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.pulls, graph.direction * slopes[:, None], rtol=1e-12, atol=1e-12)


def test_gradient_is_that_of_autograd(parameters, graph):
    flat, distance = parameters.flat.clone().requires_grad_(), graph.distance.clone().requires_grad_()
    energies = plain_energies(parameters.like(flat), graph, distance)
    slopes = torch.autograd.grad(energies.sum(), distance, create_graph=True)[0]
    weights = torch.sin(torch.arange(len(energies))), torch.cos(torch.arange(len(slopes)))
    wanted = torch.autograd.grad((energies * weights[0]).sum() + (slopes * weights[1]).sum(), flat)[0]
    weights = weights[0].double(), weights[1].double()[:, None] * graph.direction
    found = gradient_of(parameters, graph, evaluate(parameters, graph, training=True), weights)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def test_one_layer_has_a_gradient_too(graph):
    shape = Architecture(features=4, interactions=1, basis=3, cutoff=4.0)
    parameters = Parameters.random(shape, 0, torch.float64, CPU)
    weights = torch.ones(len(graph.numbers)).double(), graph.direction
    found = gradient_of(parameters, graph, evaluate(parameters, graph, training=True), weights)

    def value(step):
        moved = evaluate(parameters.like(parameters.flat + step * found), graph)
        return float(moved.energies.sum() + slopes_of(moved, graph).sum())

    slope = (value(1e-6) - value(-1e-6)) / 2e-6
    assert slope == pytest.approx(float(found @ found), rel=1e-6)


@pytest.mark.parametrize("size", [2, 24])
def test_basis_and_its_slope_vanish_at_the_cutoff(size):
    edge = torch.tensor([5.0 - 1e-7, 5.0, 6.0], dtype=torch.float64)
    for values in radial_basis(edge, size, 5.0):
        assert values.abs().max() < 1e-6
        assert values[1:].abs().max() == 0


def test_slope_of_the_basis_is_its_derivative():
    d = torch.linspace(0.5, 4.9, 30, dtype=torch.float64)
    upper, lower = (radial_basis(d + h, 10, 5.0)[0] for h in (1e-6, -1e-6))
    torch.testing.assert_close(radial_basis(d, 10, 5.0)[1], (upper - lower) / 2e-6, rtol=1e-6, atol=1e-8)


def test_gradient_of_the_loss_on_energy_forces_and_stress(parameters, graph):
    """Along random directions in the space of parameters, against finite differences of the loss."""
    generator = torch.Generator().manual_seed(0)
    wanted = Targets(
        torch.randn(3, generator=generator, dtype=torch.float64),
        torch.randn((len(graph.numbers), 3), generator=generator, dtype=torch.float64),
        torch.randn((3, 3, 3), generator=generator, dtype=torch.float64) * (graph.volume > 0)[:, None, None],
    )
    share = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)
    weights = Weights(energy=0.7, forces=1.1, stress=0.9)

    def value(flat):
        evaluation = evaluate(parameters.like(flat), graph, training=True)
        predicted = physical(evaluation, graph, 2.5, stress=True)
        return evaluation, *loss(predicted, wanted, graph, share, weights=weights, scale=2.5)

    evaluation, _, bars = value(parameters.flat)
    found = gradient_of(parameters, graph, evaluation, (bars.energies, bars.pulls))
    for _ in range(3):
        way = torch.randn(found.shape, generator=generator, dtype=torch.float64)
        upper, lower = (float(value(parameters.flat + h * way)[1]) for h in (1e-6, -1e-6))
        assert (upper - lower) / 2e-6 == pytest.approx(float(found @ way), rel=1e-5, abs=1e-7)


def test_loss_is_the_mean_error_length(graph):
    zero = Targets(torch.zeros(3).double(), torch.zeros((len(graph.numbers), 3)).double())
    off = Targets(torch.tensor([9.0, 3.0, 1.0]).double(), torch.zeros_like(zero.forces) + torch.tensor([0.0, 3.0, 4.0]))
    weights = Weights(energy=1.0, forces=2.0, stress=0.0)
    value, _ = loss(off, zero, graph, torch.ones(3).double(), weights=weights, scale=1.0)
    assert np.diff(graph.atom_offsets).tolist() == [9, 3, 1]
    assert float(value) == pytest.approx(1.0 + 2.0 * 5.0, abs=5e-3)


def test_atoms_on_top_of_each_other_give_finite_numbers(parameters):
    graph = build(batch_of(Atoms("H2")), SHAPE.cutoff, torch.float64, CPU)
    found = evaluate(parameters, graph)
    assert torch.isfinite(found.energies).all()
    assert not found.pulls.any()
