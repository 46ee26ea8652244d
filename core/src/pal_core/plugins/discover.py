"""Installed plugins, read from package metadata alone."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

from importlib_metadata import EntryPoint, entry_points
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

import pal_core

__all__ = ["GROUP", "PluginRecord", "cause", "check_range", "installed"]

GROUP = "pal"
"""Entry-point group of plugins."""


@dataclass(frozen=True)
class PluginRecord:
    """What is known of a plugin.

    Parameters
    ----------
    name : str
        Name of the entry point, by convention the prefix of its kernels.
    distribution, version : str
        The package that brings it.
    module : str
        Its light module.
    requires : str
        Range of pal-core that the package asks for; empty if it asks for none.
    error : str or None
        Why it can't be used, or which of its hooks raised; None for a sound plugin.
    """

    name: str
    distribution: str
    version: str
    module: str
    requires: str = ""
    error: str | None = None

    @property
    def package(self) -> str:
        """Package and version in words."""
        return f"{self.distribution} {self.version}".strip()


def installed() -> list[PluginRecord]:
    """Every plugin of this environment by name; those that ask for another pal-core carry the error."""
    return sorted(map(_record, entry_points(group=GROUP)), key=lambda r: (r.name, r.distribution))


def _record(entry: EntryPoint) -> PluginRecord:
    if entry.dist is None:
        return PluginRecord(entry.name, "unknown", "", entry.module)
    requires, error = check_range(entry.dist.requires or [], pal_core.__version__)
    return PluginRecord(entry.name, entry.dist.name, entry.dist.version, entry.module, requires, error)


def check_range(requirements: list[str], version: str) -> tuple[str, str | None]:
    """Range of pal-core in a package's requirements, and why `version` isn't in it.

    Parameters
    ----------
    requirements : list of str
        ``Requires-Dist`` of the package.
    version : str
        Version of pal-core.

    Returns
    -------
    range : str
        For example ``">=0.1,<0.2"``; empty if there is none.
    error : str or None
    """
    for text in requirements:
        try:
            found = Requirement(text)
        except InvalidRequirement as e:
            return "", f"its metadata hold the malformed requirement {text!r} ({e})"
        if canonicalize_name(found.name) != "pal-core" or (found.marker and not found.marker.evaluate({"extra": ""})):
            continue
        # Pre-releases are let in: the people who run them are those who test plugins against them.
        if not found.specifier.contains(version, prereleases=True):
            advice = "install a version of the plugin that goes with it"
            return str(found.specifier), f"needs pal-core {found.specifier}, {version} is installed; {advice}"
        return str(found.specifier), None
    return "", None


def cause(error: BaseException) -> str:
    """One line for a listing: the error and the place in the plugin that raised it."""
    text = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{text} ({Path(error.filename).name}:{error.lineno})"
    return f"{text} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else text
