"""Settings from a file or a dict: read, checked as a whole, with all problems at once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pal_core.errors import Problem, SettingsError
from pal_core.plugins.host import PluginHost
from pal_core.reading import parse_toml
from pal_core.settings.draft import Draft
from pal_core.settings.examine import examine
from pal_core.settings.kernels import validate
from pal_core.settings.lines import locate
from pal_core.settings.loaded import Loaded
from pal_core.settings.model import Settings
from pal_core.settings.report import Report

__all__ = ["Loaded", "from_dict", "load"]


def load(path: Path | str, host: PluginHost) -> Loaded:
    """Read and check a settings file.

    Parameters
    ----------
    path : Path or str
        A TOML file. Relative paths in it start from its folder.
    host : PluginHost
        Finds the kernels. Only light modules are imported, except for kernels given as file or module.

    Raises
    ------
    SettingsError
        With every problem of the file, by line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else "not UTF-8 text"
        hint = f"`pal init {path}` writes one" if isinstance(e, FileNotFoundError) else ""
        raise SettingsError([Problem("", str(reason).lower(), "a settings file", hint)], str(path)) from None
    try:
        data = parse_toml(text)
    except ValueError as e:
        raise SettingsError([_syntax(str(e), text)], str(path)) from None
    draft = Draft(data, path.resolve().parent, host, Report(locate(text)))
    return _checked(draft, path, text)


def from_dict(data: Mapping[str, Any], base: Path | str, host: PluginHost) -> Loaded:
    """Check settings given as a dict of the file's tables.

    Parameters
    ----------
    data : mapping
        Values as in TOML; paths and NumPy numbers and arrays are let in.
    base : Path or str
        Folder that relative paths start from.
    host : PluginHost

    Raises
    ------
    SettingsError
        With every problem.
    """
    text = json.dumps(data, default=_plain, indent=2)
    return _checked(Draft(json.loads(text), Path(base).resolve(), host, Report({})), None, text)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, (set, frozenset)) else str(value)


def _syntax(message: str, text: str) -> Problem:
    """The parser's complaint with its line."""
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", message)
    line = int(place.group(1)) if place and place.group(1) else text.rstrip("\n").count("\n") + 1
    return Problem("", f"no valid TOML: {re.sub(r' [(]at .*[)]$', '', message)}", line=line)


def _checked(draft: Draft, path: Path | None, text: str) -> Loaded:
    examine(draft)
    kernels = [draft.kernel(name) for name in ("generator", "model", "selection")]
    generator, model, selection = kernels
    if draft.report.problems or generator is None or model is None or selection is None:
        raise SettingsError(draft.report.problems, str(path) if path else "settings")
    return Loaded(
        validate(Settings, draft.data),
        path,
        draft.base,
        text,
        generator,
        model,
        draft.kernel("oracle"),
        selection,
        tuple(kernel for _, kernel in draft.checks),
        tuple(draft.report.warnings),
    )
