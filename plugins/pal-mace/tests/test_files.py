"""Model files: what `pal mace convert` makes, and what starts from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from mace_frames import charged, member, trained
from pal_core.kernels import Context
from safetensors.numpy import save_file

from pal_ase.codec import atoms_to_batch
from pal_ase.testing.structures import frames, rattled
from pal_mace.architecture import Architecture
from pal_mace.commands import mace
from pal_mace.convert import convert as convert_module
from pal_mace.library import float64, mace_modules, o3
from pal_mace.model import MaceCommittee
from pal_mace.modelfile import write
from pal_mace.options import MaceOptions

ELEMENTS = (1, 6, 7, 8)
ENERGIES = [-13.6, -1030.1, -1485.3, -2042.0]


@pytest.fixture(scope="module")
def pickled(tmp_path_factory):
    """A model as MACE's own training saves it, of two heads."""
    with float64():
        torch.manual_seed(3)
        model = mace_modules.ScaleShiftMACE(
            r_max=4.0,
            num_bessel=6,
            num_polynomial_cutoff=5,
            max_ell=2,
            interaction_cls=mace_modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
            interaction_cls_first=mace_modules.interaction_classes["RealAgnosticInteractionBlock"],
            num_interactions=2,
            num_elements=4,
            hidden_irreps=o3.Irreps("4x0e + 4x1o"),
            MLP_irreps=o3.Irreps("8x0e"),
            atomic_energies=np.array([np.zeros(4), ENERGIES]),
            avg_num_neighbors=6.5,
            atomic_numbers=list(ELEMENTS),
            correlation=2,
            gate=torch.nn.functional.silu,
            heads=["pt_head", "dft"],
            atomic_inter_scale=[1.0, 0.8],
            atomic_inter_shift=[0.0, 0.1],
        )
    path = tmp_path_factory.mktemp("mace") / "own.model"
    torch.save(model.float(), path)
    return path


def run(*arguments):
    return CliRunner().invoke(mace, ["convert", *map(str, arguments)])


@pytest.fixture(scope="module")
def file(pickled):
    done = run(pickled, pickled.with_suffix(".safetensors"), "--trust", "--head", "dft")
    assert done.exit_code == 0, done.output
    assert "4 elements, 4x0e+4x1o, cutoff 4 Å" in done.output
    return pickled.with_suffix(".safetensors")


def predicted_by_mace(path, images, head):
    from mace.calculators import MACECalculator

    with float64():
        model = torch.load(path, weights_only=False).double()
        calculator = MACECalculator(models=[model], device="cpu", default_dtype="float64", head=head)
        for atoms in images:
            atoms.calc = calculator
        return [a.get_potential_energy() for a in images], np.concatenate([a.get_forces() for a in images])


def from_file(file, index=0, **options):
    return MaceCommittee(MaceOptions(model=file, **options), Context("training", index, 3))


def test_fine_tuning_starts_from_the_models_predictions(pickled, file):
    images = [rattled("CH3CH2OH"), rattled("H2O")]
    model = from_file(file, dtype="float64")
    found = model.predict(atoms_to_batch(images))
    energies, forces = predicted_by_mace(pickled, images, "dft")
    np.testing.assert_allclose(found.columns["energy"], energies, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.columns["forces"], forces, rtol=0, atol=1e-6)
    batch = frames(20)
    before = np.abs(model.predict(batch).columns["forces"] - batch.columns["forces"]).mean()
    trained(model, batch, 10)
    assert np.abs(model.predict(batch).columns["forces"] - batch.columns["forces"]).mean() < before


def test_fewer_elements_give_the_same_predictions(pickled, tmp_path):
    path = tmp_path / "small.safetensors"
    assert run(pickled, path, "--trust", "--head", "dft", "--elements", "O,H").exit_code == 0
    model, water = from_file(path, dtype="float64"), rattled("H2O")
    energies, _ = predicted_by_mace(pickled, [water], "dft")
    assert model.predict(atoms_to_batch([water])).columns["energy"][0] == pytest.approx(energies[0], abs=1e-6)
    with pytest.raises(ValueError, match="samples hold C, but the network knows H, O only"):
        model.predict(atoms_to_batch([rattled("CO2")]))


def test_pickles_are_read_only_where_the_user_says_so(pickled, tmp_path):
    done = run(pickled, tmp_path / "out.safetensors")
    assert done.exit_code == 1
    assert "is a pickle: reading it runs whatever code is in it" in done.output
    with pytest.raises(ValueError, match=r"own.model is not a safetensors file .*`pal mace convert own.model OUT"):
        from_file(pickled)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the model has several heads: choose one of pt_head, dft by --head"),
        (["--head", "ccsd"], "the model has no head 'ccsd', but pt_head, dft"),
        (["--head", "dft", "--elements", "H,Cl"], "the model doesn't know Cl"),
    ],
)
def test_what_cant_be_converted_is_said(pickled, tmp_path, arguments, message):
    done = run(pickled, tmp_path / "out.safetensors", "--trust", *arguments)
    assert done.exit_code == 1
    assert message in done.output
    assert not list(tmp_path.iterdir())


def test_other_modules_are_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "linear.model")
    done = run(tmp_path / "linear.model", tmp_path / "out.safetensors", "--trust")
    assert "holds a Linear; only ScaleShiftMACE can be converted" in done.output


def test_wrong_files_are_told_apart(tmp_path, file):
    with pytest.raises(FileNotFoundError, match="option model: there is no file"):
        from_file(tmp_path / "none.safetensors")
    save_file(dict(member().weights()), tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match=r"holds tensors, but no MACE model .* weights of a run belong to"):
        from_file(tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="doesn't embed charge and multiplicity: set option charge_embedding = false"):
        from_file(file, charge_embedding=True)


def test_embedding_of_charge_survives_conversion(tmp_path):
    plain = member(charge_embedding=True)._architecture.to_plain()
    converted = convert_module(Architecture.from_plain(plain).build(5))
    write(tmp_path / "charged.safetensors", converted.architecture, converted.tensors)
    model = from_file(tmp_path / "charged.safetensors", charge_embedding=True, dtype="float64")
    images = [charged(rattled("H2O"), charge, 1) for charge in (0, 1)]
    a, b = model.predict(atoms_to_batch(images)).columns["energy"]
    assert a != b


def test_frozen_trunk_is_shared_and_only_readouts_learn(file):
    batch = frames(20)
    options = {"train": "readouts", "dtype": "float64", "learning_rate": 0.01, "new_readouts": True}
    members = [trained(from_file(file, index, **options), batch) for index in range(3)]
    first, second = (m.weights() for m in members[:2])
    changed = {n for n in first if not np.array_equal(first[n], second[n])}
    assert changed == {n for n in first if n.startswith("readouts.")} | {"references"}
    few = batch.take(np.arange(20) < 4)
    alone = [m.predict(few) for m in members]
    networks = [m._trainer.potential.network for m in members]
    calls = []
    for network in networks:
        network.features = _counting(network.features, calls)
    for found, wanted in zip(MaceCommittee.predict_together(members, few), alone, strict=True):
        for name, values in wanted.columns.items():
            np.testing.assert_allclose(found.columns[name], values, rtol=0, atol=1e-9)
    assert len(calls) == 1


def _counting(function, calls):
    def counted(*arguments):
        calls.append(1)
        return function(*arguments)

    return counted


def test_trunks_that_differ_are_not_shared(file):
    members = [from_file(file, train="readouts", dtype="float64") for _ in range(2)]
    weights = dict(members[1].weights())
    weights["node_embedding.linear.weight"] = 2 * weights["node_embedding.linear.weight"]
    members[1].load(weights)
    batch = frames(4)
    a, b = MaceCommittee.predict_together(members, batch)
    np.testing.assert_array_equal(b.columns["forces"], members[1].predict(batch).columns["forces"])
    assert np.abs(a.columns["forces"] - b.columns["forces"]).max() > 1e-3


def test_weights_of_other_elements_are_refused():
    other = member(elements=["H", "N", "O"])
    with pytest.raises(ValueError, match="these weights are for elements H, C, O, not H, N, O"):
        other.load(member().weights())


def test_weights_bring_the_scale_of_their_model_file(tmp_path):
    module = member()._architecture.build(5)
    module.scale_shift.scale *= 0.8
    made = convert_module(module)
    write(tmp_path / "m.safetensors", made.architecture, made.tensors)
    save_file(dict(from_file(tmp_path / "m.safetensors", dtype="float64").weights()), tmp_path / "w.safetensors")
    started = member(dtype="float64", weights=tmp_path / "w.safetensors")
    assert float(started._trainer.potential.network.module.scale_shift.scale) == pytest.approx(0.8)


def test_readouts_can_be_drawn_anew_on_weights_of_a_run(tmp_path):
    model = trained(member(dtype="float64"), frames(12))
    save_file(dict(model.weights()), tmp_path / "w.safetensors")
    start = {"weights": tmp_path / "w.safetensors", "dtype": "float64"}
    kept, drawn = member(**start).weights(), member(1, **start, new_readouts=True, train="readouts").weights()
    assert all(np.array_equal(kept[n], model.weights()[n]) for n in kept)
    assert {n for n in kept if not np.array_equal(kept[n], drawn[n])} == {n for n in kept if n.startswith("readouts.")}
