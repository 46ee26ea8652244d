"""Against MACE's own calculator, which shares only the modules' weights with our forward pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from mace_frames import charged, member

from pal_ase.codec import atoms_to_batch
from pal_ase.testing.structures import diamond, rattled
from pal_mace.architecture import Architecture
from pal_mace.contraction import Contraction, ElementOrder
from pal_mace.convert import to_mace
from pal_mace.convolution import Convolution, CueConvolution
from pal_mace.library import float64, mace_modules


def calculator(module):
    from mace.calculators import MACECalculator

    return MACECalculator(models=[module], device="cpu", default_dtype="float64")


def architecture(**changes):
    plain = member(**{"dtype": "float64"})._architecture.to_plain()
    return Architecture.from_plain({**plain, **changes})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_l": 3, "correlation": 3, "hidden_l": 2, "interactions": 3, "features": 3},
        {"correlation": 1, "interactions": 1, "radial": "chebyshev"},
        {"charge_embedding": True, "correlation": 3},
    ],
)
def test_energies_forces_and_stress_are_those_of_the_calculator(options):
    model = member(dtype="float64", stress=True, **options)
    network = model._trainer.potential.network
    network.neighbours = 7.3
    model._trainer.potential.references[[1, 6, 8]] = [-13.6, -1030.0, -2041.0]
    model._trainer.potential.scale = 0.7
    images = [
        charged(rattled("CH3CH2OH"), 0, 1),
        charged(rattled("H2O"), 1, 2),
        diamond(),
        bulk("C", cubic=False),
        Atoms("O"),
    ]
    found = model.predict(atoms_to_batch(images))
    with float64():
        mace = calculator(to_mace(model._architecture, model.weights()))
        for k, atoms in enumerate(images):
            atoms.calc = mace
            assert found[k]["energy"] == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
            np.testing.assert_allclose(found[k]["forces"], atoms.get_forces(), rtol=0, atol=1e-6)
            if atoms.pbc.any():
                np.testing.assert_allclose(found[k]["stress"], atoms.get_stress(voigt=False), rtol=0, atol=1e-6)
    assert np.abs(found.columns["forces"]).max() > 0.01


@pytest.mark.parametrize(("degree", "momentum"), [(1, 1), (2, 3), (3, 2), (4, 1)])
def test_product_basis_is_that_of_mace(degree, momentum):
    module = architecture(correlation=degree, max_l=momentum, elements=(1, 6, 8)).build(4)
    symmetric = module.products[0].symmetric_contractions
    elements = torch.tensor([2, 0, 0, 2, 2])
    gathered = torch.randn(5, 4, (momentum + 1) ** 2, dtype=torch.float64)
    attributes = torch.nn.functional.one_hot(elements, 3).double()
    contraction, atoms = Contraction(symmetric), ElementOrder(elements)
    assert atoms.present == [0, 2]
    found = contraction(gathered, atoms, [contraction.tables(symmetric, e) for e in atoms.present])
    torch.testing.assert_close(found, symmetric(gathered, attributes), rtol=0, atol=1e-10)


@pytest.mark.parametrize("layer", [0, 1])
def test_convolution_is_the_tensor_product_of_e3nn(layer):
    product = architecture(max_l=3, hidden="4x0e + 4x1o + 4x2e").build(4).interactions[layer].conv_tp
    index = torch.randint(5, (2, 30))
    x, harmonics, weights = (
        torch.randn(n, d, dtype=torch.float64)
        for n, d in ((5, product.irreps_in1.dim), (30, product.irreps_in2.dim), (30, product.weight_numel))
    )
    message = product(x[index[0]], harmonics, weights)
    wanted = message.new_zeros(5, message.shape[1]).index_add(0, index[1], message)
    torch.testing.assert_close(Convolution(product)(x, harmonics, weights, index), wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_convolution_of_cuequivariance_is_ours(dtype):
    """On the CPU, by its slow fallback."""
    pytest.importorskip("cuequivariance_torch")
    product = architecture(max_l=3).build(4).interactions[1].conv_tp
    index = torch.randint(5, (2, 30))
    sizes = ((5, product.irreps_in1.dim), (30, product.irreps_in2.dim), (30, product.weight_numel))
    inputs = [torch.randn(size, dtype=dtype, requires_grad=True) for size in sizes]
    cpu = torch.device("cpu")
    results = []
    for convolution in (Convolution(product).to(dtype, cpu), CueConvolution(product, dtype, cpu)):
        out = convolution(*inputs, index)
        slopes = torch.autograd.grad(out.square().sum(), inputs, create_graph=True)
        results.append([out, *slopes, *torch.autograd.grad(slopes[0].square().sum(), inputs)])
    for found, wanted in zip(*results, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * float(wanted.detach().abs().max()))


@pytest.mark.parametrize("name", sorted(mace_modules.interaction_classes))
def test_every_kind_of_block_and_radial_transform(name):
    """Foundation models use all of them; `check` compares with MACE's calculator."""
    from pal_mace.convert import convert

    first = name.replace("Residual", "") if name.endswith("DensityResidualInteractionBlock") else name
    made = architecture(
        block=name,
        first_block=first,
        correlation=3,
        repulsion=True,
        distance_transform="Agnesi" if "Density" in name else "None",
        apply_cutoff="NonLinear" not in name,
        neighbours=4.0,
    ).build(1)
    file = convert(made)
    assert (file.architecture.block, file.architecture.first_block) == (name, first)


def test_reference_energies_of_charges_are_not_lost():
    model = member(charge_embedding=True, charges=1)
    model._trainer.potential.charge_references[:] = [-4.0, 0.0, 15.0]
    with pytest.raises(ValueError, match=r"energies of total charges \(\[-4\. +0\. +15\.\] eV\), and MACE's"):
        to_mace(model._architecture, model.weights())


def test_unknown_elements_and_charges_are_refused():
    model = member(charge_embedding=True, charges=1, multiplicities=2)
    with pytest.raises(ValueError, match="samples hold Cu, Ne, but the network knows H, C, O only; add them to option"):
        model.predict(atoms_to_batch([Atoms("HCu", [[0, 0, 0], [0, 0, 2]]), Atoms("Ne")]))
    with pytest.raises(ValueError, match="a sample has charge 0 or 2, but the network knows -1 to 1 only; see options"):
        model.predict(atoms_to_batch([Atoms("H"), charged(Atoms("H"), 2, 1)]))
    with pytest.raises(ValueError, match="a sample has multiplicity 3 or 3, but the network knows 1 to 2 only"):
        model.predict(atoms_to_batch([charged(Atoms("O"), 0, 3)]))
