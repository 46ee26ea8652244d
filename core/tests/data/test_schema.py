"""Fields and schemas: identity, combination and refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from batches import quick, schemas
from hypothesis import given

from pal_core.data import Field, Schema, SchemaError

ENERGY = Field("energy", "float64", (), "eV")
FORCES = Field("forces", "float64", ("atoms", 3), "eV/Å")


@quick
@given(schemas())
def test_schema_survives_json(schema):
    again = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    assert again == schema
    assert hash(again) == hash(schema)
    assert again.id == schema.id
    assert list(again.values()) == list(schema.values())


def test_id_is_stable():
    """Stores and messages of earlier versions hold it."""
    assert Schema([ENERGY, FORCES]).id == "a4a56c65fb15"
    assert Schema().id == "dcc74e4ea38e"


@pytest.mark.parametrize(
    "other",
    [
        [FORCES, ENERGY],
        [ENERGY],
        [Field("energy", "float32", (), "eV"), FORCES],
        [Field("energy", "float64", (), "Ha"), FORCES],
        [Field("energy", "float64", (1,), "eV"), FORCES],
        [Field("enthalpy", "float64", (), "eV"), FORCES],
    ],
)
def test_names_types_shapes_units_and_order_make_the_identity(other):
    assert Schema(other) != Schema([ENERGY, FORCES])


def test_description_is_no_part_of_the_identity():
    described = Field("energy", "float64", (), "eV", doc="Total energy.")
    assert described == ENERGY
    assert hash(described) == hash(ENERGY)
    assert Schema([described]) == Schema([ENERGY])


def test_schema_is_not_equal_to_other_things():
    assert Schema([ENERGY]) != {"energy": ENERGY}


@pytest.mark.parametrize("dtype", ["float64", ">f8", "<f8", "d", "float", np.float64, np.dtype(">f8")])
def test_dtype_is_named_without_byte_order(dtype):
    assert Field("energy", dtype, (), "eV") == ENERGY


def test_shapes_of_numpy_integers_are_plain():
    field = Field("x", shape=list(np.array([2, 3])))
    assert field.shape == (2, 3)
    assert json.dumps(Schema([field]).to_json())


def test_ragged_and_inner_dimensions():
    assert (FORCES.ragged, FORCES.inner) == ("atoms", (3,))
    assert (ENERGY.ragged, ENERGY.inner) == (None, ())
    assert Schema([ENERGY, FORCES]).ragged == "atoms"
    assert Schema([ENERGY]).ragged is None


def test_text_of_field_and_schema():
    assert str(FORCES) == "forces float64(atoms, 3) [eV/Å]"
    assert str(Field("n", "int32")) == "n int32()"
    assert repr(Schema([ENERGY, FORCES])) == "Schema(energy float64() [eV], forces float64(atoms, 3) [eV/Å])"


def test_union_keeps_order_and_common_fields_once():
    assert list(Schema([FORCES]) | Schema([ENERGY, FORCES])) == ["forces", "energy"]
    assert list(Schema([FORCES, ENERGY]).pick(["energy"])) == ["energy"]


def test_unmet_wishes_are_listed_one_by_one():
    wanted = Schema([ENERGY, FORCES])
    assert wanted.unmet_by(wanted) == []
    assert wanted.unmet_by(Schema([Field("forces", "float32", ("atoms", 3), "eV/Å")])) == [
        "energy float64() [eV] is missing (there are: forces)",
        "forces float64(atoms, 3) [eV/Å] is wanted, forces float32(atoms, 3) [eV/Å] is there",
    ]
    assert Schema([ENERGY]).unmet_by({}) == ["energy float64() [eV] is missing (there are: no fields)"]


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: Field("x", "object"), "field 'x': dtype 'object' is not boolean, integer or float"),
        (lambda: Field("x", "complex64"), "field 'x': dtype 'complex64' is not boolean, integer or float"),
        (lambda: Field("x", "U8"), "field 'x': dtype 'U8' is not boolean, integer or float"),
        (lambda: Field("x", "flaot64"), "field 'x': dtype 'flaot64' is not boolean, integer or float"),
        (lambda: Field("x", shape=(3, "atoms")), r"only the first dimension may be ragged, shape is \(3, 'atoms'\)"),
        (lambda: Field("x", shape=("atoms", -1)), r"field 'x': a dimension is negative, shape is \('atoms', -1\)"),
        (lambda: Schema([ENERGY, ENERGY]), r"a field name occurs twice: \['energy', 'energy'\]"),
        (
            lambda: Schema([FORCES, Field("b", shape=("bonds",))]),
            r"one ragged dimension at most, found \['atoms', 'bonds'\]",
        ),
        (
            lambda: Schema([ENERGY]) | Schema([Field("energy", unit="Ha")]),
            r"two meanings of one field: energy float64\(\) \[eV\] and energy float64\(\) \[Ha\]",
        ),
        (lambda: Schema([FORCES]) | Schema([Field("b", shape=("bonds",))]), "one ragged dimension at most"),
        (lambda: Schema([ENERGY]).pick(["forces"]), r"no field 'forces' \(there are: energy\)"),
        (lambda: Schema().pick(["forces"]), r"no field 'forces' \(there are: no fields\)"),
    ],
)
def test_fields_that_make_no_sense_are_refused(build, complaint):
    with pytest.raises(SchemaError, match=complaint):
        build()
