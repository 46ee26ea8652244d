"""The wire format: every message comes back as it was sent, and nothing but messages is read."""

from __future__ import annotations

import json
import math
import tracemalloc
import typing
from collections.abc import Mapping
from contextlib import suppress
from types import UnionType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pal_core import messages as m
from pal_core.data import Batch, Field, Schema
from pal_core.transport.wire import Wire, WireError

FIXED = Schema([Field("flag", "bool"), Field("matrix", "float32", (2, 3)), Field("nothing", "int16", (0,))])
RAGGED = Schema(
    [Field("kinds", "uint8", ("atoms",)), Field("places", "float64", ("atoms", 3)), Field("charge", "int32")]
)
SCHEMAS = (FIXED, RAGGED, Schema([Field("energy")]), Schema())
WIRE = Wire(SCHEMAS)


# --- contents of messages


@st.composite
def batches(draw) -> Batch:
    schema = draw(st.sampled_from(SCHEMAS))
    counts = draw(st.lists(st.integers(0, 3), max_size=4))
    rows = {True: sum(counts), False: len(counts)}
    columns = {n: draw(npst.arrays(f.dtype, (rows[bool(f.ragged)], *f.inner))) for n, f in schema.items()}
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64) if schema.ragged else None
    return Batch(schema, columns, offsets, size=len(counts))


def arrays(dtype: Any):
    """Arrays of any shape and byte order, or one-dimensional ones of a given type."""
    if dtype is Any:
        orders = st.sampled_from("<>")
        numbers = orders.flatmap(lambda o: npst.integer_dtypes(endianness=o) | npst.floating_dtypes(endianness=o))
        dtypes = numbers | npst.boolean_dtypes() | npst.unsigned_integer_dtypes()
        return npst.arrays(dtypes, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    return npst.arrays(dtype, st.integers(0, 5))


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type as it stands in the signature of a message."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        return st.one_of([values(a) for a in args])
    if origin is np.ndarray:
        return arrays(typing.get_args(args[1])[0])
    if origin is tuple:
        return st.lists(values(args[0]), max_size=3).map(tuple)
    if origin is Mapping:
        return st.dictionaries(st.text(max_size=5), values(args[1]), max_size=3)
    plain = {bool: st.booleans(), int: st.integers(), float: st.floats(), str: st.text()}
    plain |= {Batch: batches(), type(None): st.none()}
    return plain[hint]


def contents(cls: type[m.Message]) -> st.SearchStrategy[m.Message]:
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{name: values(hint) for name, hint in hints.items()})


def same(sent: Any, got: Any) -> bool:
    if isinstance(sent, Batch):
        return (
            sent.schema == got.schema
            and sent.size == got.size
            and same(sent.offsets, got.offsets)
            and same(sent.columns, got.columns)
        )
    if isinstance(sent, np.ndarray):
        alike = got.dtype == sent.dtype.newbyteorder("=") and got.shape == sent.shape
        return bool(alike and np.array_equal(sent, got, equal_nan=sent.dtype.kind == "f"))
    if isinstance(sent, Mapping):
        return list(sent) == list(got) and all(same(v, got[k]) for k, v in sent.items())
    if isinstance(sent, tuple):
        return len(sent) == len(got) and all(map(same, sent, got))
    if isinstance(sent, float) and math.isnan(sent):
        return math.isnan(got)
    return type(sent) is type(got) and bool(sent == got)


# --- round trips


@pytest.mark.parametrize("kind", m.KINDS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_message_comes_back_as_it_was_sent(kind, data):
    message = data.draw(contents(m.KINDS[kind]))
    to, sender, got = WIRE.decode(WIRE.encode("oracle/3", "manager", message))
    assert (to, sender, type(got)) == ("oracle/3", "manager", type(message))
    for name in typing.get_type_hints(type(message)):
        assert same(getattr(message, name), getattr(got, name)), name


def weights(**arrays: Any) -> m.Weights:
    return m.Weights(1, 2, arrays)


def through(array: np.ndarray) -> np.ndarray:
    got = WIRE.decode(WIRE.encode("a", "b", weights(w=array)))[2].state["w"]
    assert np.array_equal(got, array)
    assert got.shape == array.shape
    assert got.flags.c_contiguous
    assert got.dtype.isnative
    return got


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0, 2), (1, 1)])
def test_shapes_without_elements_or_dimensions_survive(shape):
    through(np.ones(shape))


def test_big_endian_arrays_arrive_in_native_order():
    assert through(np.arange(5, dtype=">i4")).dtype == np.dtype("i4")


def test_arrays_in_fortran_order_and_strided_views_arrive_in_c_order():
    grid = np.arange(24.0).reshape(4, 6)
    through(np.asfortranarray(grid))
    through(grid[::-2, ::3])
    through(np.broadcast_to(grid[0], (3, 6)))


def test_arrays_are_views_into_the_buffer_at_aligned_places():
    buffer = WIRE.encode("a", "b", weights(a=np.ones(3, np.int8), b=np.ones(5), c=np.ones(1, np.float32)))
    memory = np.frombuffer(buffer, np.uint8)
    for array in WIRE.decode(buffer)[2].state.values():
        place = array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
        assert np.shares_memory(array, memory)
        assert place % 8 == 0


def test_received_arrays_belong_to_the_receiver():
    got = WIRE.decode(WIRE.encode("a", "b", weights(w=np.zeros(3))))[2].state["w"]
    got += 1.0
    assert got.tolist() == [1.0] * 3


def test_numpy_numbers_arrive_as_plain_ones():
    got = WIRE.decode(WIRE.encode("a", "b", m.Pulse(np.float64(0.5), {"n": np.int64(3)})))[2]
    assert (type(got.busy), type(got.counts["n"])) == (float, int)


@pytest.mark.parametrize("view", [bytes, memoryview, bytearray])
def test_any_buffer_is_read(view):
    assert WIRE.decode(view(WIRE.encode("a", "b", m.Bootstrap(3)))) == ("a", "b", m.Bootstrap(3))


# --- what can't be sent


@pytest.mark.parametrize("array", [np.array([{}]), np.ones(2, complex), np.array(["x"]), np.array([b"x"])])
def test_arrays_of_anything_but_numbers_are_refused_with_their_message(array):
    with pytest.raises(WireError, match=r"Weights from training/0 to prediction/1: an array of type .* only booleans"):
        WIRE.encode("prediction/1", "training/0", weights(w=array))


def test_schema_that_was_not_agreed_on_is_refused_on_both_sides():
    message = m.Inspect(Batch.empty(FIXED))
    with pytest.raises(WireError, match=r"Inspect from b to a: a batch of Schema.*, which was not agreed on"):
        Wire([RAGGED]).encode("a", "b", message)
    with pytest.raises(WireError, match=f"a batch of schema {FIXED.id}, which was not agreed on at the start"):
        Wire([RAGGED]).decode(WIRE.encode("a", "b", message))


# --- what can't be read


def full_message() -> bytearray:
    samples = [{"kinds": np.ones(n, np.uint8), "places": np.ones((n, 3)), "charge": np.int32(n)} for n in (2, 0, 1)]
    batch = Batch.from_samples(RAGGED, samples)
    return WIRE.encode(
        "manager", "exchange", m.Selected(np.arange(3), np.ones(3), 4, batch, batch, batch, np.ones(3, bool))
    )


def test_message_cut_short_anywhere_is_refused():
    buffer = bytes(full_message())
    for length in range(len(buffer)):
        with pytest.raises(WireError):
            WIRE.decode(buffer[:length])


def test_message_with_something_after_it_is_refused():
    with pytest.raises(WireError, match=r"Selected ends at byte .*, but there are"):
        WIRE.decode(bytes(full_message()) + bytes(8))


def framed(header: Any, payload: int = 64) -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    text += b" " * (-len(text) % 8)
    return b"PAL1" + len(text).to_bytes(4, "little") + text + bytes(payload)


def weights_of(array: Any) -> bytes:
    return framed(["Weights", "a", "b", [1, 2, {"m": {"w": array}}]])


def batch_of(*body: Any) -> bytes:
    return framed(["Inspect", "a", "b", [{"b": list(body)}]])


HOSTILE = {
    "empty": b"",
    "another magic": b"PAL2" + full_message()[4:],
    "header longer than the message": b"PAL1" + b"\xff" * 4 + bytes(100),
    "no JSON": framed("{,}"),
    "no UTF-8": b"PAL1" + (8).to_bytes(4, "little") + b"\xff" * 8,
    "a number": framed(3),
    "a string of four": framed('"abcd"'),
    "a mapping of four": framed({"Go": 1, "a": 2, "b": 3, "c": 4}),
    "too few parts": framed(["Go", "a", "b"]),
    "unknown kind": framed(["Shutdown", "a", "b", []]),
    "kind of a base class": framed(["Message", "a", "b", []]),
    "kind that can't be looked up": framed([["Go"], "a", "b", []]),
    "address that is no text": framed(["Go", 1, "b", []]),
    "sender that is no text": framed(["Go", "a", None, []]),
    "fields in a string": framed(["Note", "a", "b", "xy"]),
    "too few fields": framed(["Note", "a", "b", ["x"]]),
    "too many fields": framed(["Go", "a", "b", [1]]),
    "an object": weights_of({"a": ["|O", [1]]}),
    "a named object": weights_of({"a": ["object", [1]]}),
    "a structure": weights_of({"a": [[["x", "<f8"]], [1]]}),
    "several types": weights_of({"a": ["f8,O", [1]]}),
    "type without length": weights_of({"a": ["<f", [1]]}),
    "type of impossible length": weights_of({"a": ["<f3", [1]]}),
    "text": weights_of({"a": ["<U4", [1]]}),
    "time": weights_of({"a": ["<M8", [1]]}),
    "big-endian": weights_of({"a": [">f8", [1]]}),
    "type that is no text": weights_of({"a": [8, [1]]}),
    "negative length": weights_of({"a": ["<f8", [-1]]}),
    "negative lengths that multiply to a positive one": weights_of({"a": ["<f8", [-2, -4]]}),
    "length with decimals": weights_of({"a": ["<f8", [1.0]]}),
    "length that is a bool": weights_of({"a": ["<f8", [True]]}),
    "length that is text": weights_of({"a": ["<f8", ["8"]]}),
    "shape that is a number": weights_of({"a": ["<f8", 8]}),
    "shape that is nothing": weights_of({"a": ["<f8", None]}),
    "huge": weights_of({"a": ["<f8", [10**15]]}),
    "product beyond 64 bits": weights_of({"a": ["<f8", [2**32, 2**32]]}),
    "length beyond 64 bits": weights_of({"a": ["<f8", [10**30]]}),
    "length beyond 64 bits without elements": weights_of({"a": ["<f8", [0, 10**30]]}),
    "too many dimensions": weights_of({"a": ["<f8", [1] * 100]}),
    "array of one part": weights_of({"a": ["<f8"]}),
    "array of three parts": weights_of({"a": ["<f8", [1], 0]}),
    "unknown tag": weights_of({"x": 1}),
    "no tag": weights_of({}),
    "two tags": weights_of({"a": ["<f8", [8]], "m": {}}),
    "mapping that is a list": framed(["Pulse", "a", "b", [0.5, {"m": [1, 2]}]]),
    "batch of an unknown schema": batch_of("0123456789ab", 0, -1),
    "batch of a schema that can't be looked up": batch_of([], 0, -1),
    "batch of two parts": batch_of(RAGGED.id, 1),
    "batch of negative size": batch_of(FIXED.id, -1, -1),
    "ragged batch of size -1": batch_of(RAGGED.id, -1, 0),
    "batch of text size": batch_of(RAGGED.id, "1", 1),
    "batch of half a sample": batch_of(RAGGED.id, 0.5, 1),
    "batch without rows": batch_of(RAGGED.id, 1, -1),
    "batch of other rows than its offsets": batch_of(RAGGED.id, 1, 1),
    "huge batch": batch_of(RAGGED.id, 10**15, 10**15),
    "huge batch without columns": batch_of(Schema().id, -5, -1),
    "deep header": framed("[" * 100_000),
    "deep field": framed(["Inspected", "a", "b", json.loads("[" * 600 + "]" * 600)]),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_malformed_message_is_refused_without_much_memory(case):
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            WIRE.decode(HOSTILE[case])
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_refusal_says_what_was_found():
    cases = {"an object": "an array of type '|O'", "unknown kind": "a message of unknown kind 'Shutdown'"}
    cases |= {"huge": "the message ends at byte", "too few fields": "Note with 1 fields, 2 wanted: another version"}
    cases |= {"negative length": "a length of -1", "empty": "not a PAL message", "no JSON": "malformed message: JSON"}
    for case, text in cases.items():
        with pytest.raises(WireError) as caught:
            WIRE.decode(HOSTILE[case])
        assert text in str(caught.value)


PLAIN = [st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.sampled_from(["<f8", RAGGED.id])]
TAGS = st.sampled_from(["a", "b", "m", "x"])
JSON = st.recursive(
    st.one_of(PLAIN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TAGS, inner, max_size=2),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from(sorted(m.KINDS)), fields=st.lists(JSON, max_size=5), payload=st.integers(0, 9))
def test_any_header_gives_a_message_or_a_wire_error(kind, fields, payload):
    with suppress(WireError):
        assert isinstance(WIRE.decode(framed([kind, "a", "b", fields], 8 * payload))[2], m.Message)


@settings(max_examples=200, deadline=None)
@given(changes=st.dictionaries(st.integers(0, len(full_message()) - 1), st.integers(0, 255), min_size=1, max_size=4))
def test_damaged_message_is_read_or_refused(changes):
    buffer = full_message()
    for place, byte in changes.items():
        buffer[place] = byte
    with suppress(WireError):
        assert isinstance(WIRE.decode(buffer)[2], m.Message)
