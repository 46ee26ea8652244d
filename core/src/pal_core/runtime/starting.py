"""Weights of another run to begin with: found, and checked before anything is trained from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import count, takewhile
from pathlib import Path

import numpy as np

from pal_core.errors import PalError
from pal_core.kernels import Model, State
from pal_core.runtime.checkpoint import load_state

__all__ = ["StartError", "check_weights", "find_start", "read_start", "shares"]


class StartError(PalError):
    """``model.start`` names no weights that can be used."""

    exit_code = 2


def find_start(folder: Path) -> list[Path]:
    """Files with the newest weights of every member, in order.

    Parameters
    ----------
    folder : Path
        A run directory, or a folder with files ``member-000.safetensors`` or folders ``member-000`` of such as a run
        keeps in ``models``.

    Raises
    ------
    StartError
        If there are none.
    """
    base = folder / "models" if (folder / "models").is_dir() else folder
    newest = (_newest(base, k) for k in count())
    found = [path for path in takewhile(lambda path: path is not None, newest) if path is not None]
    if not found:
        raise StartError(
            f"model.start: {folder} holds no weights of a member",
            "name a run directory after its first round, or a folder with member-000.safetensors, member-001...",
        )
    return found


def _newest(base: Path, member: int) -> Path | None:
    file = base / f"member-{member:03d}.safetensors"
    rounds = sorted((base / f"member-{member:03d}").glob("round-[0-9]*.safetensors"))
    return file if file.is_file() else rounds[-1] if rounds else None


def read_start(folder: Path, member: int, kernel: str) -> tuple[State, Path]:
    """Weights for a member, and where they are from; members take by turns what there is.

    Raises
    ------
    StartError
        If they are another kernel's.
    """
    files = find_start(folder)
    path = files[member % len(files)]
    weights, notes = load_state(path)
    if notes.get("kernel", kernel) != kernel:
        raise StartError(
            f"model.start: {path} holds weights of {notes['kernel']!r}, model.kernel is {kernel!r}",
            "take the same kernel, or weights of this one",
        )
    return weights, path


def shares(files: Sequence[Path], members: int) -> str:
    """Who begins with whose weights, in a sentence."""
    takers: dict[int, list[int]] = defaultdict(list)
    for k in range(members):
        takers[k % len(files)].append(k)
    pairs = ", ".join(f"{source} -> {' and '.join(map(str, taken))}" for source, taken in takers.items())
    text = f"members begin with weights of {len(files)} others ({pairs})"
    if members > len(files):
        return f"{text}: those with the same ones agree until they have been trained"
    left = len(files) - members
    return f"{text}; {left} {'are' if left > 1 else 'is'} not used" if left else text


def check_weights(model: Model, weights: State, path: Path) -> None:
    """Compare given weights with those that a new model has.

    Raises
    ------
    StartError
        If names or shapes differ. A model that has no weights before its first label can't be compared.
    """
    try:
        own = model.weights()
    except Exception:  # of the kernel: it will have its say when it loads them
        return
    if not own:
        return
    wrong = [f"{n!r} is missing" for n in sorted(own.keys() - weights.keys())]
    wrong += [f"{n!r} is unknown to it" for n in sorted(weights.keys() - own.keys())]
    wrong += [
        f"{n!r} has shape {np.shape(weights[n])}, {np.shape(own[n])} wanted"
        for n in sorted(own.keys() & weights.keys())
        if np.shape(own[n]) != np.shape(weights[n])
    ]
    if wrong:
        raise StartError(
            f"model.start: {path} doesn't fit the model: {'; '.join(wrong[:3])}",
            "give the model the options it was trained with",
        )
