"""Random streams: known answers, independence, and states that can be written down."""

from __future__ import annotations

import hashlib
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pal_core import rng
from pal_core.kernels import Context

DRAWS = {
    "random": lambda g: g.random(3).tolist(),
    "normal": lambda g: g.standard_normal(2).tolist(),
    "short integer": lambda g: int(g.integers(0, 2**20, dtype=np.uint32)),  # uses half a word, keeps the other half
    "bytes": lambda g: g.bytes(5),
    "permutation": lambda g: g.permutation(5).tolist(),
}


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ([0] * 4, [0] * 2, ["16554d9eca36314c", "db20fe9d672d0fdc", "d7e772cee186176b", "7e68b68aec7ba23b"]),
        (
            [2**64 - 1] * 4,
            [2**64 - 1] * 2,
            ["87b092c3013fe90b", "438c3c67be8d0224", "9cc7d7c69cd777b6", "a09caebf594f0ba0"],
        ),
    ],
)
def test_philox_gives_the_known_answers_of_its_authors(counter, key, answer):
    """Philox4x64-10 in kat_vectors of Random123 (Salmon et al., SC11). NumPy counts up before it generates."""
    before = sum(word << (64 * i) for i, word in enumerate(counter)) - 1
    words = [(before >> (64 * i)) % 2**64 for i in range(4)]
    generator = rng.stream(0, "generator", 0)
    rng.set_state(generator, np.array([*words, *key, 0, 0, 0, 0, 4, 0, 0], np.uint64))
    assert [f"{w:016x}" for w in generator.bit_generator.random_raw(4)] == answer


def test_key_is_the_digest_of_seed_role_index_and_purpose():
    """Part of the store: a resumed run must find its streams again."""
    digest = hashlib.blake2b(b"7/generator/3/noise", digest_size=16).digest()
    key = rng.get_state(rng.stream(7, "generator", 3, "noise"))[4:6]
    assert b"".join(int(word).to_bytes(8, "little") for word in key) == digest
    assert rng.stream_seed(7, "generator", 3, "noise") == int.from_bytes(digest[:8], "little") >> 1


def test_streams_are_the_same_every_time():
    assert rng.stream(1, "member", 2).random(4).tolist() == rng.stream(1, "member", 2).random(4).tolist()


def test_seed_role_index_and_purpose_all_matter():
    names = [(0, "generator", 0, ""), (1, "generator", 0, ""), (0, "member", 0, ""), (0, "generator", 1, "")]
    names += [(0, "generator", 0, "noise"), (0, "generator", 11, ""), (1, "generator", 1, "")]
    first = {tuple(rng.stream(*name).random(2)) for name in names}
    seeds = {rng.stream_seed(*name) for name in names}
    assert len(first) == len(seeds) == len(names)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_neighbouring_streams_are_uncorrelated():
    draws = [rng.stream(0, "generator", index).standard_normal(10_000) for index in range(6)]
    for a, b in combinations(draws, 2):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.045  # four and a half standard deviations


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(sorted(DRAWS)), max_size=8), st.lists(st.sampled_from(sorted(DRAWS)), min_size=1))
def test_stream_goes_on_from_a_written_state(before, after):
    generator = rng.stream(3, "generator", 1)
    for name in before:
        DRAWS[name](generator)
    state = rng.get_state(generator)
    kept = state.copy()
    wanted = [DRAWS[name](generator) for name in after]
    np.testing.assert_array_equal(state, kept)
    twin = rng.stream(99, "selection", 5)
    rng.set_state(twin, state)
    assert [DRAWS[name](twin) for name in after] == wanted


def test_state_is_a_plain_array_of_thirteen_words():
    state = rng.get_state(rng.stream(0, "oracle", 0))
    assert (state.shape, state.dtype) == ((13,), np.uint64)
    with pytest.raises(ValueError, match=r"a stream's state has 13 words, found shape \(4,\)"):
        rng.set_state(rng.stream(0, "oracle", 0), np.zeros(4, np.uint64))


def test_prediction_and_training_of_a_member_share_their_streams():
    prediction, training = (Context(role, index=2, seed=5) for role in ("prediction", "training"))
    assert prediction.rng("init").random() == training.rng("init").random()
    assert prediction.random_seed() == training.random_seed()
    assert Context("generator", index=2, seed=5).random_seed() != training.random_seed()
