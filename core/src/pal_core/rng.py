"""Counter-based random streams, one per walker, member and selection."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["get_state", "set_state", "stream", "stream_seed"]

_WORDS = 13


def _key(seed: int, role: str, index: int, purpose: str) -> NDArray[np.uint64]:
    text = f"{seed}/{role}/{index}/{purpose}".encode()
    return np.frombuffer(hashlib.blake2b(text, digest_size=16).digest(), dtype="<u8").astype(np.uint64)


def stream(seed: int, role: str, index: int, purpose: str = "") -> np.random.Generator:
    """Philox generator keyed by run seed, role, index and purpose.

    The numbers depend on these four only: not on the rank that draws them, nor on how many ranks there are.
    """
    return np.random.Generator(np.random.Philox(key=_key(seed, role, index, purpose)))


def stream_seed(seed: int, role: str, index: int, purpose: str = "") -> int:
    """A 63-bit seed of the same origin, for libraries with generators of their own (torch)."""
    return int(_key(seed, role, index, purpose)[0] >> np.uint64(1))


def get_state(rng: np.random.Generator) -> NDArray[np.uint64]:
    """State of a Philox generator as an array, shape (13,), for snapshots."""
    state = rng.bit_generator.state
    inner = state["state"]
    tail = [state["buffer_pos"], state["has_uint32"], state["uinteger"]]
    words = np.concatenate([inner["counter"], inner["key"], state["buffer"], np.array(tail, np.uint64)])
    return words.astype(np.uint64)


def set_state(rng: np.random.Generator, words: NDArray[np.uint64]) -> None:
    """Put a generator made by `stream` into a state from `get_state`."""
    words = np.asarray(words, np.uint64)
    if words.shape != (_WORDS,):
        raise ValueError(f"a stream's state has {_WORDS} words, found shape {words.shape}")
    rng.bit_generator.state = {
        "bit_generator": "Philox",
        "state": {"counter": words[0:4], "key": words[4:6]},
        "buffer": words[6:10],
        "buffer_pos": int(words[10]),
        "has_uint32": int(words[11]),
        "uinteger": int(words[12]),
    }
