"""Which samples are held out for validation: a matter of the sample alone, so that none ever changes sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["by_content", "by_number"]

Bools = NDArray[np.bool_]


def by_content(digests: Iterable[bytes], share: float) -> Bools:
    """Hold out samples whose digest, as a number between 0 and 1, is below the share.

    The same sample is on the same side in every run with this share, whatever its number or the seed; with a larger
    share the same samples are held out and more.

    Parameters
    ----------
    digests : iterable of bytes
        Of the samples' content, see `pal_core.store.tables.digest`.
    share : float
    """
    return _below(digests, share, b"validation")


def by_number(seed: int, share: float, numbers: Sequence[int]) -> Bools:
    """The rule of runs begun before `by_content` was: by a hash of the run's seed and the sample's number."""
    return _below((f"{seed}/validation/{n}".encode() for n in numbers), share)


def _below(keys: Iterable[bytes], share: float, person: bytes = b"") -> Bools:
    digests = (hashlib.blake2s(key, digest_size=4, person=person[:8]).digest() for key in keys)
    return np.array([int.from_bytes(d, "little") / 2**32 < share for d in digests], np.bool_)
