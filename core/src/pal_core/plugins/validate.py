"""Whether a plugin's hooks, kernels and formats are what the host can use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import FunctionType
from typing import Any

import pluggy

from pal_core import hookspecs
from pal_core.errors import PluginError
from pal_core.spec import FormatSpec, KernelSpec, Role

__all__ = ["check_format", "check_hooks", "check_kernel", "new_manager"]

_NAME = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)+", re.IGNORECASE)
_TARGET = re.compile(r"[\w.]+:[\w.]+")


def new_manager() -> pluggy.PluginManager:
    """A pluggy manager that knows PAL's hooks."""
    manager = pluggy.PluginManager("pal")
    manager.add_hookspecs(hookspecs)
    return manager


def check_hooks(module: Any) -> None:
    """Refuse unknown hooks, unknown arguments, and hooks that aren't marked.

    Raises
    ------
    PluginError
    """
    # A manager of its own: pluggy leaves a plugin half registered when it refuses one of its hooks.
    trial = new_manager()
    try:
        trial.register(module)
        trial.check_pending()
    except pluggy.PluginValidationError as e:
        raise PluginError(_in_short(str(e))) from None
    known = ", ".join(n for n in hookspecs.__all__ if n.startswith("pal_"))
    for name, value in vars(module).items():
        own = isinstance(value, FunctionType) and value.__module__ == getattr(module, "__name__", value.__module__)
        if name.startswith("pal_") and own and not hasattr(value, "pal_impl"):
            raise PluginError(f"{name} is not marked with @hookimpl of pal_core.hookspecs")
    if not trial.get_hookcallers(module):
        raise PluginError(f"it has no hooks; a plugin defines at least one of {known}, marked with @hookimpl")


def _in_short(text: str) -> str:
    """Pluggy's message without the repr of the module."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    short = [re.sub(r"^Plugin .*? for hook (\S+)$", r"hook \1", line) for line in lines]
    return re.sub(r" in plugin <.*>$", "", "; ".join(short)) + f" (known hooks: {', '.join(_signatures())})"


def _signatures() -> Iterable[str]:
    for name in hookspecs.__all__:
        if name.startswith("pal_"):
            function: FunctionType = getattr(hookspecs, name)
            yield f"{name}({', '.join(function.__code__.co_varnames[: function.__code__.co_argcount])})"


def check_kernel(spec: Any) -> KernelSpec:
    """Refuse what isn't a usable `KernelSpec`.

    Raises
    ------
    PluginError
    """
    if not isinstance(spec, KernelSpec):
        raise PluginError(f"pal_kernels gave {spec!r}, a KernelSpec was expected")
    if not isinstance(spec.role, Role):
        roles = ", ".join(f"Role.{r.name}" for r in Role)
        raise PluginError(f"kernel {spec.name!r} has role {spec.role!r}, one of {roles} was expected")
    if not _NAME.fullmatch(spec.name):
        raise PluginError(f"kernel name {spec.name!r} is not of the form <plugin>.<kernel>")
    for key in ("target", "options"):
        if not _TARGET.fullmatch(getattr(spec, key)):
            raise PluginError(f"kernel {spec.name!r}: {key} {getattr(spec, key)!r} is not of the form module:Class")
    return spec


def check_format(spec: Any) -> FormatSpec:
    """Refuse what isn't a usable `FormatSpec`.

    Raises
    ------
    PluginError
    """
    if not isinstance(spec, FormatSpec):
        raise PluginError(f"pal_formats gave {spec!r}, a FormatSpec was expected")
    for key in ("read", "write"):
        target = getattr(spec, key)
        if target is not None and not _TARGET.fullmatch(target):
            raise PluginError(f"format {spec.name!r}: {key} {target!r} is not of the form module:function")
    if any(not s.startswith(".") for s in spec.suffixes):
        raise PluginError(f"format {spec.name!r}: suffixes {spec.suffixes} must begin with a dot")
    return spec
