"""Kernels and options from import paths and from Python files."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pal_core.errors import KernelNotFound, PluginError
from pal_core.plugins.discover import cause
from pal_core.plugins.words import a_role, did_you_mean
from pal_core.spec import KernelSpec, Role

if TYPE_CHECKING:
    from pal_core.kernels import Kernel
    from pal_core.options import KernelOptions

__all__ = ["FILE_DIGEST", "file_version", "is_local", "load_kernel", "load_options", "local_spec"]

FILE_DIGEST = "blake2s:"
"""How the version of a kernel begins that comes from a file: a digest of that file follows."""


def file_version(path: Path) -> str:
    """What stands for the version of a kernel's file: a digest of its text.

    Raises
    ------
    OSError
        If it can't be read.
    """
    return FILE_DIGEST + hashlib.blake2s(path.read_bytes(), digest_size=8).hexdigest()


def is_local(name: str) -> bool:
    """Whether `name` is ``file.py:Class`` or ``module:Class`` rather than a plugin's kernel."""
    return ":" in name


def local_spec(name: str, role: Role | None, base: Path) -> KernelSpec:
    """Describe a kernel that no plugin brings; imports it.

    Parameters
    ----------
    name : str
        ``"file.py:Class"`` (relative to `base`) or ``"module:Class"``.
    role : Role or None
        Wanted role; None takes the class as it is.
    base : Path
        Folder of the settings file.

    Raises
    ------
    KernelNotFound
        If there is no such file or class, or its role is another.
    PluginError
        If the import raises.
    """
    target = _absolute(name, base)
    cls = _attribute(name, target)
    found = _role_of(cls)
    if found is None or (role is not None and found is not role):
        what = a_role(found) if found else "not a subclass of a kernel in pal_core.kernels"
        raise KernelNotFound(f"{name!r}, {what}", a_role(role) if role else "a kernel class")
    summary = (inspect.getdoc(cls) or "").partition("\n")[0]
    # Equal strings mean: the options stand in the class.
    return KernelSpec(name, found, target, target, summary, _capabilities(cls))


def load_kernel(spec: KernelSpec, base: Path | None = None) -> type[Kernel]:
    """Import a kernel's class. This is what may import torch or ASE.

    Raises
    ------
    PluginError
        If the import raises, or gives something else than a class of the spec's role.
    """
    found = _attribute(spec.name, _absolute(spec.target, base or Path()))
    if not (isinstance(found, type) and _role_of(found) is spec.role):
        raise PluginError(f"kernel {spec.name!r}: {spec.target} is {found!r}, {a_role(spec.role)} class was expected")
    return found


def load_options(spec: KernelSpec, base: Path | None = None) -> type[KernelOptions]:
    """Import the options model of a kernel; light for kernels of plugins.

    Raises
    ------
    PluginError
        If the import raises, or gives something else than a subclass of `KernelOptions`.
    """
    from pal_core.options import KernelOptions

    found = _attribute(spec.name, _absolute(spec.options, base or Path()))
    options = _own_options(found) if spec.options == spec.target else found
    if not (isinstance(options, type) and issubclass(options, KernelOptions)):
        raise PluginError(
            f"kernel {spec.name!r}: options {options!r} are not a subclass of pal_core.options.KernelOptions"
        )
    return options


def _own_options(cls: Any) -> Any:
    """`Options` of a class, with its plain attribute `interface` where it has one."""
    from pal_core.options import Interface, KernelOptions

    options, interface = cls.Options, getattr(cls, "interface", None)
    if not isinstance(interface, Interface) or options.interface is not KernelOptions.interface:
        return options
    space = {"interface": lambda self: interface, "__module__": cls.__module__, "__doc__": options.__doc__}
    return type(f"{cls.__name__}Options", (options,), space)


def _role_of(cls: Any) -> Role | None:
    from pal_core import kernels

    bases = {
        Role.GENERATOR: kernels.Generator,
        Role.MODEL: kernels.Model,
        Role.ORACLE: kernels.Oracle,
        Role.SELECTION: kernels.Selection,
        Role.CHECK: kernels.LabelCheck,
    }
    if not isinstance(cls, type):
        return None
    return next((role for role, base in bases.items() if issubclass(cls, base)), None)


def _capabilities(cls: Any) -> frozenset[str]:
    """What a class can do, judged by what it overrides."""
    from pal_core.kernels import Generator, Model

    found = set()
    if issubclass(cls, Generator):
        found |= {"bootstrap"} if cls.bootstrap is not Generator.bootstrap else set()
        found |= {"snapshot"} if cls.restore is not Generator.restore else set()
    if issubclass(cls, Model):
        found |= {"snapshot"} if cls.restore is not Model.restore else set()
        found |= {"use"} if cls.use is not Model.use else set()
    return frozenset(found)


def _absolute(target: str, base: Path) -> str:
    """`target` with the path of a file made absolute."""
    where, _, attribute = target.rpartition(":")
    return f"{(base / where).resolve()}:{attribute}" if where.endswith(".py") else target


def _attribute(name: str, target: str) -> Any:
    where, _, attribute = target.rpartition(":")
    module = _module(name, where)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            classes = [n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__]
            raise KernelNotFound(
                f"no {attribute!r} in {where}", "a kernel class", did_you_mean(attribute, classes, "its classes")
            )
        found = getattr(found, part)
    return found


def _module(name: str, where: str) -> ModuleType:
    try:
        return _from_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    except FileNotFoundError as e:
        if e.filename == where:
            raise KernelNotFound(f"{name!r} (there is no file {where})", "a Python file with a kernel class") from None
        raise PluginError(f"kernel {name!r}: importing {where} failed: {cause(e)}") from e
    except (Exception, SystemExit) as e:
        raise PluginError(f"kernel {name!r}: importing {where} failed: {cause(e)}", _import_hint(e, where)) from e


def _import_hint(error: BaseException, where: str) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == where:
        return f"for a file beside the settings write '{where}.py:Class'"
    if isinstance(error, ModuleNotFoundError):
        return f"install the package that has {error.name!r}"
    return ""


def _from_file(path: Path) -> ModuleType:
    """Import a file once per process, under a name that no other file has."""
    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    digest = hashlib.blake2s(str(path).encode(), digest_size=4).hexdigest()
    name = f"pal_file_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    # Last, so that a file's neighbours can be imported but never hide an installed module.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before execution: dataclasses and pydantic look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
