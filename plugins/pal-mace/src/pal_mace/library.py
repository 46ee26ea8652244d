"""Imports mace and e3nn without their side effects. Everything in this package gets them here.

``import mace`` sets TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1, after which every ``torch.load`` of the process runs whatever
code is in the file it reads. e3nn 0.4.4 needs that for one file of its own, which holds nothing worse than a slice;
mace also prints to the terminal when cuEquivariance is missing. None of this is left behind.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator

import torch

__all__ = ["float64", "float_precision", "has_cuequivariance", "mace_modules", "o3"]

_SWITCH = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


@contextlib.contextmanager
def _contained() -> Iterator[None]:
    before = os.environ.get(_SWITCH)
    try:
        with (
            torch.serialization.safe_globals([slice]),
            contextlib.redirect_stdout(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            os.environ.pop(_SWITCH, None)
        else:
            os.environ[_SWITCH] = before


with _contained():
    # e3nn first: its file is read before mace turns the protection off.
    from e3nn import o3
    from mace import modules as mace_modules


@contextlib.contextmanager
def float_precision(dtype: torch.dtype) -> Iterator[None]:
    """Make MACE's constructors compute in this precision: they take torch's default.

    Their warnings about TorchScript say nothing to a user.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_default_dtype(before)


def float64() -> contextlib.AbstractContextManager[None]:
    """Double precision, in which networks are made, whatever they are converted to afterwards."""
    return float_precision(torch.float64)


def has_cuequivariance() -> bool:
    """Whether mace has found cuEquivariance."""
    from mace.modules.wrapper_ops import CUET_AVAILABLE

    return bool(CUET_AVAILABLE)
