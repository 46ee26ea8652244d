"""Functions and classes named by ``file.py:name`` or ``module:name``. Light until `load` is called."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["check_target", "load", "spelled"]


def spelled(target: Path) -> tuple[str, str]:
    """Where and what: ``("/path/file.py", "name")`` or ``("package.module", "name")``.

    Settings resolve paths against their own folder. A module has no folder, so only the last part of
    its path counts.
    """
    where, _, name = str(target).rpartition(":")
    return (where, name) if where.endswith(".py") else (Path(where).name, name)


def check_target(target: Path, what: str) -> Path:
    """Refuse what has not the right form, or a file that isn't there.

    Raises
    ------
    ValueError
    """
    where, name = spelled(target)
    if not where or not name.isidentifier():
        raise ValueError(f"found {target.name!r}, expected file.py:{what} or module:{what}")
    if where.endswith(".py") and not Path(where).is_file():
        raise ValueError(f"there is no file {where}")
    return target


def load(target: Path) -> Any:
    """Import what `target` names.

    Raises
    ------
    ImportError
        If there is no such module or name. What the module itself raises is passed on.
    """
    where, name = spelled(target)
    module = _from_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    if not hasattr(module, name):
        raise ImportError(f"there is no {name!r} in {where}")
    return getattr(module, name)


def _from_file(path: Path) -> ModuleType:
    path = path.resolve()
    # One module per file, however many walkers of a process use it.
    digest = hashlib.blake2s(str(path).encode(), digest_size=4).hexdigest()
    unique = f"pal_ase_file_{path.stem}_{digest}"
    if unique in sys.modules:
        return sys.modules[unique]
    spec = importlib.util.spec_from_file_location(unique, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} can't be imported")
    module = importlib.util.module_from_spec(spec)
    # Last, so that the file's neighbours can be imported but never hide an installed module.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    sys.modules[unique] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[unique]
        raise
    return module
