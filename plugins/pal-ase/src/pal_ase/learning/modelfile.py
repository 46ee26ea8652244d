"""Files of numbers that models start from: safetensors, which hold no code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from pal_ase.learning_options import FineTuningOptions

__all__ = ["agree_on_charge", "read_arrays", "read_model", "write_model"]

Arrays = dict[str, NDArray[Any]]


def read_arrays(path: Path, option: str, advice: str = "") -> tuple[Arrays, dict[str, str]]:
    """Arrays and metadata of a safetensors file.

    Parameters
    ----------
    path : Path
    option : str
        The kernel and its option that names the file, ``"mace.committee: option model"``, for messages.
    advice : str
        What to do if it is no safetensors file, for the end of the message.

    Raises
    ------
    FileNotFoundError
    ValueError
        If it is no safetensors file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{option}: there is no file {path}")
    try:
        with safe_open(path, "numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except Exception as error:
        raise ValueError(f"{option}: {path} is not a safetensors file ({error}){advice}") from error


def read_model(
    path: Path, kernel: str, wanted: str, library: str, source: str = "model"
) -> tuple[Arrays, dict[str, str]]:
    """Arrays and metadata of a model file.

    Parameters
    ----------
    path : Path
    kernel : str
        Its name, for messages.
    wanted : str
        The metadata's entry ``format``, which tells a plugin's model files from other safetensors files.
    library, source : str
        Whose files are converted, and which: ``"NequIP"``, ``"checkpoint or package"``.

    Raises
    ------
    FileNotFoundError
    ValueError
        If it is something else.
    """
    option = f"{kernel}: option model"
    advice = f"; `pal {library.lower()} convert {path.name} OUT.safetensors` makes one of a {library} {source}"
    arrays, about = read_arrays(path, option, advice)
    if about.get("format") != wanted:
        raise ValueError(
            f"{option}: {path} holds tensors, but no {library} model ({wanted!r} is wanted in its metadata, "
            f"{about.get('format')!r} was found); weights of a run belong to option weights"
        )
    return arrays, about


def write_model(path: Path, arrays: Arrays, about: dict[str, str]) -> None:
    """Write a model file; `about` holds the ``format``."""
    save_file({name: np.array(value, order="C") for name, value in arrays.items()}, path, about)


def agree_on_charge(embeds: bool, options: FineTuningOptions, kernel: str) -> None:
    """Refuse options that are at odds with the network of their model file; samples hold what the options say.

    Raises
    ------
    ValueError
    """
    if embeds != options.charge_embedding:
        wanted, verb = ("true", "embeds") if embeds else ("false", "doesn't embed")
        raise ValueError(
            f"{kernel}: the network of {options.model} {verb} charge and multiplicity: "
            f"set option charge_embedding = {wanted}"
        )
