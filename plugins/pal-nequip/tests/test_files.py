"""Model files, and what NequIP's own models become."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.build import molecule
from click.testing import CliRunner
from nequip_frames import batch_of, ethanol, member, trained
from safetensors.numpy import save_file

from pal_nequip import convert as module
from pal_nequip.commands import nequip
from pal_nequip.convert import convert, library_results, to_library
from pal_nequip.library import undisturbed
from pal_nequip.modelfile import write

SHIFTS = {"C": -1.0, "H": -2.0, "O": -3.0}
SIZES = {
    "nequip": {"num_layers": 2, "l_max": 2, "parity": True, "num_features": [6, 4, 2], "radial_mlp_width": 8},
    "allegro": {"num_layers": 3, "l_max": 2, "parity": False, "num_scalar_features": 8, "num_tensor_features": 4},
}
SIZES["nequip"] |= {"readout_mlp_hidden_layers_depth": 1, "readout_mlp_hidden_layers_width": 6}
SIZES["allegro"] |= {"tp_path_channel_coupling": False}
SIZES["allegro"] |= {"radial_chemical_embed": {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed", "num_bessels": 5}}


def library_model(kind, **more):
    from allegro.model import AllegroModel
    from nequip.model import NequIPGNNModel

    settings = {"seed": 1, "model_dtype": "float64", "type_names": ["C", "H", "O"], "r_max": 4.5}
    settings |= {"avg_num_neighbors": 7.0, "per_edge_type_cutoff": {"H": 3.0, "C": {"O": 4.0}}}
    settings |= {"per_type_energy_scales": 0.7, "per_type_energy_shifts": SHIFTS}
    with undisturbed():
        make = AllegroModel if kind == "allegro" else NequIPGNNModel
        return make(**settings | SIZES[kind] | more).eval()


@pytest.fixture(params=SIZES)
def converted(request, tmp_path):
    """Architecture, the library's model, and its model file."""
    model = library_model(request.param)
    write(tmp_path / "model.safetensors", convert(model))
    return request.param, model, tmp_path / "model.safetensors"


def test_converted_model_gives_what_the_librarys_does(converted):
    kind, model, path = converted
    atoms = ethanol()
    types = np.array([["C", "H", "O"].index(s) for s in atoms.get_chemical_symbols()])
    energy, forces = library_results(model, types, atoms.positions, 4.5)
    found = member(kind, model=path).predict(batch_of(atoms)).columns
    assert found["energy"][0] == pytest.approx(energy, abs=1e-9)
    np.testing.assert_allclose(found["forces"], forces, atol=1e-9)


def test_elements_that_the_model_does_not_know_are_refused(converted):
    kind, _, path = converted
    with pytest.raises(ValueError, match=f"nequip.{kind}: a sample has N; the model file .* knows H C O only"):
        member(kind, model=path).predict(batch_of(molecule("NH3")))


def test_file_of_the_other_architecture_is_refused(converted):
    kind, _, path = converted
    other = "allegro" if kind == "nequip" else "nequip"
    with pytest.raises(ValueError, match=f"nequip.{other}: option model: .* is a model for nequip.{kind}"):
        member(other, model=path)


def test_file_without_charges_is_refused_where_they_are_to_be_embedded(converted):
    kind, _, path = converted
    with pytest.raises(ValueError, match="doesn't embed charge and multiplicity: set option charge_embedding = false"):
        member(kind, model=path, charge_embedding=True)


def test_files_that_are_no_models_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(FileNotFoundError, match=r"nequip\.nequip: option model: there is no file"):
        member("nequip", model=path)
    path.write_bytes(b"pickle")
    with pytest.raises(ValueError, match=r"is not a safetensors file .*`pal nequip convert w\.safetensors"):
        member("nequip", model=path)
    save_file(dict(member("nequip").weights()), path)
    with pytest.raises(ValueError, match="weights of a run belong to option weights"):
        member("nequip", model=path)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"per_type_energy_scales": {"C": 1.0, "H": 2.0, "O": 3.0}}, "energy scales that differ by element"),
        ({"bessel_trainable": True}, "other radial functions than fixed Bessel functions"),
        ({"type_names": ["C", "H", "Ow"], "per_type_energy_shifts": 0.0}, "no chemical elements: Ow"),
        ({"avg_num_neighbors": {"C": 5.0, "H": 4.0, "O": 3.0}}, "norm_const has shape"),
        ({"readout_mlp_nonlinearity": "tanh"}, "the converted network is off by"),
        (
            {
                "pair_potential": {
                    "_target_": "nequip.nn.pair_potential.ZBL",
                    "units": "metal",
                    "chemical_species": ["C", "H", "O"],
                }
            },
            "parts that nequip.nequip lacks: pair_potential",
        ),
    ],
)
def test_models_that_cannot_be_converted_are_refused(more, message):
    with pytest.raises(ValueError, match=message):
        convert(library_model("nequip", **{"per_edge_type_cutoff": None, **more}))


def test_command_asks_for_trust_before_it_reads_anything(tmp_path, monkeypatch):
    source, target = tmp_path / "last.ckpt", tmp_path / "out.safetensors"
    source.write_bytes(b"")
    monkeypatch.setattr(module, "load_pickle", lambda path: library_model("nequip"))
    answer = CliRunner().invoke(nequip, ["convert", str(source), str(target)])
    assert answer.exit_code == 1
    assert "is a pickle: reading it runs whatever code is in it" in answer.output
    assert not target.exists()
    answer = CliRunner().invoke(nequip, ["convert", str(source), str(target), "--trust"])
    assert answer.exit_code == 0, answer.output
    assert "for nequip.nequip, 3 elements, cutoff 4.5 Å" in answer.output
    assert target.exists()


def test_files_that_nequip_cannot_read_are_refused(tmp_path):
    source = tmp_path / "model.nequip.pt2"
    source.write_bytes(b"nothing")
    answer = CliRunner().invoke(nequip, ["convert", str(source), str(tmp_path / "out.safetensors"), "--trust"])
    assert answer.exit_code == 1
    assert "compiled models can't be converted, what they were compiled from can" in answer.output


def test_networks_with_charges_have_no_counterpart():
    model = member("nequip", charge_embedding=True)
    with pytest.raises(ValueError, match="has no counterpart in the library"):
        to_library(model.options, model.weights())


def test_trained_members_go_to_the_library_and_back(tmp_path):
    model = trained("nequip")
    there = to_library(model.options, model.weights())
    write(tmp_path / "model.safetensors", convert(there))
    back = member("nequip", model=tmp_path / "model.safetensors")
    batch = batch_of(ethanol())
    np.testing.assert_allclose(*(m.predict(batch).columns["forces"] for m in (model, back)), atol=1e-9)
    assert torch.get_default_dtype() == torch.float32
