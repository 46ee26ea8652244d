from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pal_core.data import Batch, Field, Schema
from pal_core.errors import PalError
from test_codec import assert_equal_batches, samples

from pal_ase.codec import atoms_to_sample
from pal_ase.formats import ase_db, extxyz
from pal_ase.schema import LABEL, SAMPLE, label_schema

FULL = SAMPLE | label_schema(stress=True)
MODULES = {extxyz: "set.extxyz", ase_db: "set.db"}


def _filled(sample):
    return len(sample["numbers"]) > 0


@pytest.mark.parametrize("module", MODULES, ids=["extxyz", "ase-db"])
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(many=st.lists(samples().filter(_filled), min_size=1, max_size=3))
def test_what_is_written_is_read_to_the_last_bit(module, many, tmp_path):
    if module is ase_db:  # stores six numbers of the stress
        many = [s | {"stress": s["stress"] + s["stress"].T} for s in many]
    batch = Batch.from_samples(FULL, many)
    path = tmp_path / MODULES[module]
    module.write(path, batch, [{} for _ in many])
    assert_equal_batches(module.read(path, FULL), batch)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.fixture
def labelled(crystal):
    crystal.calc = EMT()
    label = {"energy": crystal.get_potential_energy(), "forces": crystal.get_forces()}
    return Batch.from_samples(SAMPLE | LABEL, [atoms_to_sample(crystal) | label])


def test_extxyz_uses_ref_keys_and_carries_its_origin(labelled, tmp_path):
    path = tmp_path / "set.xyz"
    origin = {"walker": 3, "oracle": 'the "best"\none', "nothing": None, "rank": {"node": "a"}, "sure": True}
    extxyz.write(path, labelled, [origin])
    atoms = ase.io.read(path)
    assert atoms.info["REF_energy"] == labelled.columns["energy"][0]
    np.testing.assert_array_equal(atoms.arrays["REF_forces"], labelled.columns["forces"])
    assert (atoms.info["charge"], atoms.info["multiplicity"]) == (0, 1)
    assert (atoms.info["pal_walker"], atoms.info["pal_oracle"]) == (3, 'the "best" one')
    assert atoms.info["pal_rank"] == '{"node": "a"}'
    assert atoms.info["pal_sure"] is True
    assert "pal_nothing" not in atoms.info
    assert atoms.calc is None
    assert atoms.pbc.all()
    np.testing.assert_array_equal(atoms.cell.array, labelled.columns["cell"][0])


def test_files_that_ase_wrote_are_read(crystal, tmp_path):
    crystal.calc = EMT()
    forces, stress = crystal.get_forces(), crystal.get_stress(voigt=False)
    for name in ("a.extxyz", "a.traj"):
        ase.io.write(tmp_path / name, crystal)
        found = extxyz.read(tmp_path / name, FULL)
        np.testing.assert_allclose(found.columns["forces"], forces, atol=1e-7)
        np.testing.assert_allclose(found.columns["stress"][0], stress, atol=1e-7)


def test_rows_that_ase_wrote_are_read(crystal, tmp_path):
    crystal.calc = EMT()
    forces = crystal.get_forces()
    with ase.db.connect(tmp_path / "a.db", serial=True) as database:
        database.write(crystal, key_value_pairs={"spin": 0}, data={"charge": 2, "REF_energy": 1.5})
    found = ase_db.read(tmp_path / "a.db", SAMPLE | LABEL)
    np.testing.assert_array_equal(found.columns["forces"], forces)
    assert (found.columns["energy"][0], found.columns["charge"][0]) == (1.5, 2)


def test_database_is_one_that_ase_understands(labelled, tmp_path):
    path = tmp_path / "set.db"
    for _ in range(2):  # an existing file is replaced
        ase_db.write(path, labelled, [{"walker": 3}])
    with ase.db.connect(path) as database:
        rows = list(database.select())
    assert len(rows) == 1
    assert rows[0].energy == labelled.columns["energy"][0]
    np.testing.assert_array_equal(rows[0].forces, labelled.columns["forces"])
    assert rows[0].data["origin"] == {"walker": 3}
    assert rows[0].data["multiplicity"] == 1


@pytest.mark.parametrize("module", MODULES, ids=["extxyz", "ase-db"])
def test_fields_of_other_plugins_are_labels_too(module, ethanol, tmp_path):
    schema = SAMPLE | Schema(
        [Field("gap", "float64", (2,)), Field("state_forces", "float64", ("atoms", 2, 3)), Field("order", "int32")]
    )
    values = {
        "gap": np.array([1.5, 2.5]),
        "state_forces": np.random.default_rng(0).normal(size=(9, 2, 3)),
        "order": np.array(4, np.int32),
    }
    batch = Batch.from_samples(schema, [atoms_to_sample(ethanol) | values])
    module.write(tmp_path / MODULES[module], batch, [{}])
    assert_equal_batches(module.read(tmp_path / MODULES[module], schema), batch)


@pytest.mark.parametrize("module", MODULES, ids=["extxyz", "ase-db"])
def test_missing_labels_are_named(module, ethanol, tmp_path):
    path = tmp_path / MODULES[module]
    module.write(path, Batch.from_samples(SAMPLE, [atoms_to_sample(ethanol)]), [{}])
    with pytest.raises(PalError, match=r"set\.\w+: structure 0: no REF_energy, and no .*; wanted: numbers int32"):
        module.read(path, SAMPLE | LABEL)


def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "bad.xyz").write_text("2\n\nH 0 0 0\n")
    with pytest.raises(PalError, match=r"bad.xyz can't be read: a frame announces 2 atoms and has 1"):
        extxyz.read(tmp_path / "bad.xyz", SAMPLE)
    with pytest.raises(PalError, match=r"there is no file .*none\.db"):
        ase_db.read(tmp_path / "none.db", SAMPLE)
    (tmp_path / "bad.db").write_text("not SQLite, but long enough to look at its header" * 40)
    with pytest.raises(PalError, match=r"bad.db can't be read by ASE \(DatabaseError"):
        ase_db.read(tmp_path / "bad.db", SAMPLE)


def test_interrupted_writing_leaves_the_old_file(labelled, tmp_path):
    for module, name in MODULES.items():
        module.write(tmp_path / name, labelled, [{}])
        before = (tmp_path / name).read_bytes()
        with pytest.raises(ValueError, match="zip"):
            module.write(tmp_path / name, labelled, [])
        assert (tmp_path / name).read_bytes() == before


def test_a_thousand_frames_are_written_fast_and_small(tmp_path):
    frame = atoms_to_sample(bulk("Cu")) | {"energy": np.array(0.5), "forces": np.zeros((1, 3))}
    text = extxyz.format_sample(frame, SAMPLE | LABEL)
    assert text.splitlines()[2] == "Cu 0.0 0.0 0.0 0.0 0.0 0.0"
    assert len(text) < 330
