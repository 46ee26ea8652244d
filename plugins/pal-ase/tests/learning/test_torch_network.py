"""The network that torch differentiates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.build import bulk
from learning_frames import batch_of, molecules, rattled
from tiny import TinyModule, TinyNetwork

from pal_ase.learning.dataset import Frame
from pal_ase.learning.graph import build
from pal_ase.learning.network import TorchNetwork

CPU = torch.device("cpu")
FRAME = Frame(4.0, torch.float64, CPU, stress=False)


@pytest.fixture
def graph():
    return build(batch_of(*molecules("CH3CH2OH", "H2O"), *rattled(bulk("Cu"), 1)), 4.0, torch.float64, CPU)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return TinyNetwork(4.0, FRAME)


class HalfFrozen(TinyNetwork):
    """Its embedding and first layer are not trained."""

    def __init__(self):
        module = TinyModule()
        for part in (module.embedding, module.filters[0], module.mix[0]):
            part.requires_grad_(False)
        TorchNetwork.__init__(self, module, torch.float64, CPU)
        self.cutoff = 4.0


class Constant(TinyNetwork):
    """Energies that depend on the element only, linearly in the weights."""

    def atomic_energies(self, graph, vectors):
        return self.module.readout(self.module.embedding(graph.numbers))[:, 0]


def gradient_of(network, graph, bars):
    out = torch.full_like(network.flat, torch.nan)
    with network.mode():
        network.gradient(graph, network.evaluate(graph, training=True), *bars, out)
    return out


def bars_of(graph):
    generator = torch.Generator().manual_seed(3)
    shapes = (len(graph.numbers),), (len(graph.first), 3)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


def slope(network, graph, bars, way):
    """Of what `gradient_of` differentiates, by finite differences along `way`."""
    values = []
    for step in (1e-6, -1e-6):
        network.flat.add_(way, alpha=step)
        found = network.evaluate(graph)
        values.append(float((found.energies * bars[0]).sum() + (found.pulls * bars[1]).sum()))
        network.flat.sub_(way, alpha=step)
    return (values[0] - values[1]) / 2e-6


@pytest.mark.parametrize("kind", [lambda: TinyNetwork(4.0, FRAME), HalfFrozen, lambda: Constant(4.0, FRAME)])
def test_gradient_of_energies_and_pulls_is_that_of_finite_differences(kind, graph):
    torch.manual_seed(0)
    network, bars = kind(), bars_of(graph)
    found = gradient_of(network, graph, bars)
    way = torch.randn(found.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert slope(network, graph, bars, way) == pytest.approx(float(found @ way), rel=1e-6)
    torch.testing.assert_close(gradient_of(network, graph, bars), found)


def test_pulls_do_not_depend_on_whether_training_follows(network, graph):
    with network.mode():
        free, bound = network.evaluate(graph), network.evaluate(graph, training=True)
        torch.testing.assert_close(network.energies(graph), free.energies)
    torch.testing.assert_close(free.pulls, bound.pulls)
    assert not free.energies.requires_grad
    assert free.memory is None


def test_weights_are_views_into_one_tensor(network, graph):
    before = network.evaluate(graph).energies
    assert network.flat.numel() == sum(p.numel() for p in network.module.parameters())
    network.flat.mul_(0.5)
    assert not torch.allclose(network.evaluate(graph).energies, before)
    network.module.readout.bias.data.fill_(7.0)
    assert (network.flat == 7.0).sum() == 1


def test_frozen_parts_are_constants_that_belong_to_the_state(graph):
    network, other = HalfFrozen(), HalfFrozen()
    frozen = {"embedding.weight", "filters.0.weight", "mix.0.weight", "mix.0.bias", "centres"}
    assert network.constants().keys() == frozen
    assert network.state().keys() == {n for n, _ in network.module.named_parameters()} | frozen
    way = gradient_of(network, graph, bars_of(graph))
    kept = network.constants()
    network.flat.sub_(way)
    assert all(np.array_equal(kept[n], a) for n, a in network.constants().items())
    other.set_constants(network.constants())
    other.flat.copy_(network.flat)
    torch.testing.assert_close(other.evaluate(graph).energies, network.evaluate(graph).energies, rtol=0, atol=0)


def test_shared_weights_are_trained_once(graph):
    module = TinyModule()
    module.mix[1].weight = module.mix[0].weight
    network = HalfFrozen.__new__(HalfFrozen)
    TorchNetwork.__init__(network, module, torch.float64, CPU)
    network.cutoff = 4.0
    assert network.flat.numel() == sum(p.numel() for p in module.parameters())
    assert network.constants().keys() == {"centres"}
    network.flat.add_(1.0)
    assert torch.equal(module.mix[0].weight, module.mix[1].weight)


def test_copy_has_the_same_values_and_a_life_of_its_own(graph):
    network = HalfFrozen()
    twin = network.copy().copy()
    wanted = network.evaluate(graph)
    found = twin.evaluate(graph)
    assert torch.equal(found.energies, wanted.energies)
    assert torch.equal(found.pulls, wanted.pulls)
    network.flat.zero_()
    assert torch.equal(twin.evaluate(graph).energies, wanted.energies)
    twin.flat.zero_()
    assert torch.equal(twin.evaluate(graph).energies, network.evaluate(graph).energies)


def test_state_goes_to_another_network(network, graph):
    torch.manual_seed(9)
    other = TinyNetwork(4.0, FRAME)
    state = network.state()
    other.load(state)
    assert torch.equal(other.evaluate(graph).pulls, network.evaluate(graph).pulls)
    network.flat.zero_()
    assert np.abs(state["embedding.weight"]).max() > 0


def test_network_without_anything_to_train_is_refused():
    module = TinyModule().requires_grad_(False)
    with pytest.raises(ValueError, match="TinyNetwork: all parameters of TinyModule are frozen"):
        TorchNetwork.__init__(object.__new__(TinyNetwork), module, torch.float64, CPU)


def test_float32_network_follows_the_float64_one(network, graph):
    coarse = TinyNetwork(4.0, Frame(4.0, torch.float32, CPU, stress=False))
    coarse.load(network.state())
    single = build(batch_of(*molecules("CH3CH2OH", "H2O"), *rattled(bulk("Cu"), 1)), 4.0, torch.float32, CPU)
    found = coarse.evaluate(single)
    assert found.pulls.dtype == torch.float32
    torch.testing.assert_close(found.pulls.double(), network.evaluate(graph).pulls, rtol=1e-3, atol=1e-4)
