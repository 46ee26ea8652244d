"""The one place that reads a pickle: for `pal mace convert`, on the user's word that the file may be trusted."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

__all__ = ["load_pickle"]


def load_pickle(path: Path) -> Any:
    """What MACE has saved by ``torch.save``. This runs whatever code the file holds; no kernel may call it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # A whole module, which torch can't restrict to weights.
        return torch.load(path, map_location="cpu", weights_only=False)
