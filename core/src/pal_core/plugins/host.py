"""The plugin host: what plugins offer, found, checked and kept apart.

One broken plugin never stops another: a plugin whose requirement isn't met, whose import raises or whose hooks are
not as specified is kept with its error and gives nothing. A name that two packages give is given to neither, and
using it is an error that names both.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pal_core.errors import KernelNotFound, PluginError
from pal_core.plugins import targets
from pal_core.plugins.discover import PluginRecord, cause, installed
from pal_core.plugins.known import package_of
from pal_core.plugins.targets import FILE_DIGEST
from pal_core.plugins.validate import check_format, check_hooks, check_kernel, new_manager
from pal_core.plugins.words import a_role, did_you_mean
from pal_core.spec import FormatSpec, KernelSpec, Role

if TYPE_CHECKING:
    import click

    from pal_core.kernels import Kernel
    from pal_core.observe import Observer
    from pal_core.options import KernelOptions

__all__ = ["FILE_DIGEST", "PluginHost", "PluginRecord"]


class PluginHost:
    """Plugins of this environment and what they offer.

    Parameters
    ----------
    records : iterable of PluginRecord
        Plugins to load; those with an error are only listed.
    load : callable
        ``load(record)`` imports a plugin's light module.

    Examples
    --------
    >>> host = PluginHost.discover()
    >>> host.find_kernel("pal.threshold").role.value
    'selection'
    """

    def __init__(self, records: Iterable[PluginRecord], load: Callable[[PluginRecord], Any]) -> None:
        self._manager = new_manager()
        self._records = list(records)
        self._modules: dict[int, Any] = {}
        self._kernels: dict[str, list[tuple[int, KernelSpec]]] = {}
        self._formats: dict[str, list[tuple[int, FormatSpec]]] = {}
        for i, record in enumerate(self._records):
            if record.error is None:
                self._load(i, load)
        for i in self._modules:
            for kernel in self._ask(i, "pal_kernels", check_kernel):
                self._kernels.setdefault(kernel.name, []).append((i, kernel))
            for form in self._ask(i, "pal_formats", check_format):
                self._formats.setdefault(form.name, []).append((i, form))

    @classmethod
    def discover(cls) -> PluginHost:
        """The plugins installed in this environment."""
        return cls(installed(), lambda record: importlib.import_module(record.module))

    @classmethod
    def of(cls, modules: Mapping[str, Any] | Iterable[ModuleType]) -> PluginHost:
        """Given plugin modules, without looking at what is installed.

        Parameters
        ----------
        modules : mapping of str to module, or iterable of modules
            Name of each plugin (default: the module's name) and its light module.
        """
        named: Mapping[str, Any]
        named = modules if isinstance(modules, Mapping) else {m.__name__: m for m in modules}
        records = [PluginRecord(n, n, "", getattr(m, "__name__", n)) for n, m in named.items()]
        return cls(records, lambda record: named[record.name])

    def _load(self, i: int, load: Callable[[PluginRecord], Any]) -> None:
        try:
            module = load(self._records[i])
            check_hooks(module)
            self._manager.register(module, name=f"{i} {self._records[i].name}")
            self._modules[i] = module
        except PluginError as e:
            self._break(i, str(e))
        except (Exception, SystemExit) as e:
            self._break(i, f"importing {self._records[i].module} failed: {cause(e)}")

    def _break(self, i: int, error: str) -> None:
        self._records[i] = replace(self._records[i], error=self._records[i].error or error)

    def _ask(self, i: int, hook: str, check: Callable[[Any], Any]) -> list[Any]:
        """All that one plugin's hook gives, or nothing, and the plugin is broken."""
        others = [m for j, m in self._modules.items() if j != i]
        try:
            answers = self._manager.subset_hook_caller(hook, others)()
            return [check(item) for answer in answers for item in answer]
        except PluginError as e:
            self._break(i, str(e))
        except (Exception, SystemExit) as e:
            self._break(i, f"{hook} raised {cause(e)}")
        return []

    @property
    def plugins(self) -> tuple[PluginRecord, ...]:
        """Every plugin by name, broken ones included."""
        return tuple(self._records)

    @property
    def clashes(self) -> tuple[str, ...]:
        """One sentence for every kernel or format that two packages give."""
        kernels = [self._clash("kernel", n, [i for i, _ in g]) for n, g in self._kernels.items() if len(g) > 1]
        formats = [self._clash("format", n, [i for i, _ in g]) for n, g in self._formats.items() if len(g) > 1]
        return (*kernels, *formats)

    def _clash(self, kind: str, name: str, owners: list[int]) -> str:
        packages = sorted({self._records[i].package for i in owners})
        if len(packages) == 1:
            return f"{kind} {name!r} is given twice by {packages[0]}"
        return f"{kind} {name!r} is given by {' and by '.join(packages)}; uninstall one of them"

    def kernels(self, role: Role | None = None) -> list[KernelSpec]:
        """Kernels of sound plugins by name; names that clash are in `clashes` only."""
        found = [given[0][1] for _, given in sorted(self._kernels.items()) if len(given) == 1]
        return [k for k in found if role is None or k.role is role]

    def kernels_of(self, plugin: PluginRecord) -> list[str]:
        """Names of the kernels that a plugin gives, clashing ones included."""
        owners = {i for i, record in enumerate(self._records) if record == plugin}
        return sorted(name for name, given in self._kernels.items() if any(i in owners for i, _ in given))

    def find_kernel(self, name: str, role: Role | None = None, base: Path | None = None) -> KernelSpec:
        """A kernel by name, file or module.

        Parameters
        ----------
        name : str
            ``"<plugin>.<kernel>"``, ``"file.py:Class"`` or ``"module:Class"``. The latter two are imported.
        role : Role, optional
            Role that it must have.
        base : Path, optional
            Folder that files are relative to; default: the working directory.

        Raises
        ------
        KernelNotFound
            With near matches, or the package to install.
        PluginError
            If two packages give the name, or importing a file or module raises.
        """
        if targets.is_local(name):
            return targets.local_spec(name, role, base or Path.cwd())
        given = self._kernels.get(name, [])
        if not given:
            raise self._unknown(name, role)
        if len(given) > 1:
            raise PluginError(self._clash("kernel", name, [i for i, _ in given]))
        owner, spec = given[0]
        if role is not None and spec.role is not role:
            others = did_you_mean(name, [k.name for k in self.kernels(role)], f"installed {role.value} kernels")
            found = f"{name!r}, {a_role(spec.role)} of {self._records[owner].package}"
            raise KernelNotFound(found, a_role(role), others)
        return spec

    def _unknown(self, name: str, role: Role | None) -> KernelNotFound:
        expected = f"{a_role(role)} of an installed plugin" if role else "a kernel of an installed plugin"
        package = package_of(name)
        owners = [r for r in self._records if r.name == name.partition(".")[0] or r.distribution == package]
        broken = next((r for r in owners if r.error), None)
        if broken:
            return KernelNotFound(f"{name!r} of {broken.package}, which is broken ({broken.error})", expected)
        if package and not owners:
            return KernelNotFound(f"{name!r}", expected, f"pip install {package}")
        known = [k.name for k in self.kernels(role)]
        heading = f"installed {role.value} kernels" if role else "installed kernels"
        return KernelNotFound(f"{name!r}", expected, did_you_mean(name, known, heading))

    def load_kernel(self, spec: KernelSpec, base: Path | None = None) -> type[Kernel]:
        """See `pal_core.plugins.targets.load_kernel`."""
        return targets.load_kernel(spec, base)

    def load_options(self, spec: KernelSpec, base: Path | None = None) -> type[KernelOptions]:
        """See `pal_core.plugins.targets.load_options`."""
        return targets.load_options(spec, base)

    def provenance(self, kernel: KernelSpec | str) -> tuple[str, str]:
        """Package and version of a kernel; for a file, its path and a digest of its text.

        Raises
        ------
        KernelNotFound, PluginError
            As `find_kernel`.
        """
        spec = self.find_kernel(kernel) if isinstance(kernel, str) else kernel
        if spec.name in self._kernels:
            record = self._records[self._kernels[spec.name][0][0]]
            return record.distribution, record.version
        where = spec.target.rpartition(":")[0]
        if where.endswith(".py"):
            return where, targets.file_version(Path(where))
        return where, ""

    def formats(self) -> list[FormatSpec]:
        """File formats of sound plugins by name."""
        return [given[0][1] for _, given in sorted(self._formats.items()) if len(given) == 1]

    def find_format(self, name: str) -> FormatSpec:
        """A format by name.

        Raises
        ------
        PluginError
            If there is none, with near matches, or if two packages give it.
        """
        given = self._formats.get(name, [])
        if len(given) == 1:
            return given[0][1]
        if given:
            raise PluginError(self._clash("format", name, [i for i, _ in given]))
        hint = did_you_mean(name, [f.name for f in self.formats()], "installed formats")
        raise PluginError(f"no installed plugin has a format {name!r}", hint)

    def reader(self, path: Path) -> FormatSpec:
        """The format that reads files with the ending of `path`.

        Raises
        ------
        PluginError
            If no format does, or several do.
        """
        fits = [f for f in self.formats() if f.read and path.name.lower().endswith(f.suffixes)]
        if len(fits) == 1:
            return fits[0]
        if fits:
            owners = [f"{f.name} of {self._records[self._formats[f.name][0][0]].package}" for f in fits]
            raise PluginError(f"{path.name} could be read as {' or as '.join(owners)}", "uninstall one of them")
        readable = {f.name: f.suffixes for f in self.formats() if f.read}
        known = "; ".join(f"{n} reads {', '.join(s)}" for n, s in readable.items()) or "no installed plugin reads files"
        raise PluginError(f"no installed format reads {path.name}", known)

    def commands(self, taken: Collection[str] = ()) -> tuple[dict[str, click.Command], list[str]]:
        """Commands of plugins for `pal`, and a warning for each that was refused.

        Parameters
        ----------
        taken : collection of str
            Names that `pal` has itself.
        """
        given: dict[str, list[tuple[int, click.Command]]] = {}
        sound = {i for i in self._modules if self._records[i].error is None}
        for i in self._modules:
            for command in self._ask(i, "pal_commands", lambda c: c):
                given.setdefault(str(command.name), []).append((i, command))
        broken = [self._records[i] for i in sorted(sound) if self._records[i].error]
        warnings = [f"commands of {record.package} are left out: {record.error}" for record in broken]
        warnings += [
            f"command {name!r} of {self._records[group[0][0]].package} is left out: pal-core has a command of that name"
            for name, group in given.items()
            if name in taken
        ]
        free = {name: group for name, group in given.items() if name not in taken}
        warnings += [self._clash("command", n, [i for i, _ in g]) for n, g in free.items() if len(g) > 1]
        return {n: g[0][1] for n, g in sorted(free.items()) if len(g) == 1}, warnings

    def observers(self) -> list[Observer]:
        """Run observers of all plugins; a plugin whose hook raises gives none and is marked as broken."""
        return [o for i in self._modules for o in self._ask(i, "pal_observers", lambda o: o)]
