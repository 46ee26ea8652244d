"""Contract of plugins: light, complete and well named."""

# ruff: noqa: S101, D102  asserts are what contract tests are made of; their names say what they test
from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, ClassVar

from pal_core.options import Interface, KernelOptions
from pal_core.spec import FormatSpec, KernelSpec, load_target
from pal_core.testing.base import BASES, plugin_specs

__all__ = ["PluginContract"]

_LISTING = """
import importlib, json, sys
plugin = importlib.import_module(sys.argv[1])
for hook in ("pal_kernels", "pal_formats", "pal_commands"):
    for spec in getattr(plugin, hook, list)():
        if hook == "pal_kernels":
            importlib.import_module(spec.options.partition(":")[0])
print(json.dumps(sorted(sys.modules.keys() & set(sys.argv[2:]))))
"""


class PluginContract:
    """Tests what a plugin says of itself.

    Attributes
    ----------
    plugin : str
        The plugin's light module, the value of its entry point.
    options : mapping of str to mapping
        Options for kernels that can't do without, by kernel name.
    heavy : tuple of str
        Modules that listing the plugin must not import.
    capabilities : frozenset of str
        Capabilities that kernels may declare.

    Examples
    --------
    >>> class TestPlugin(PluginContract):
    ...     plugin = "pal_core.builtin.plugin"
    ...     options = {"pal.threshold": {"field": "energy", "upper": 1.0}}
    """

    plugin: ClassVar[str]
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    heavy: ClassVar[tuple[str, ...]] = ("torch", "ase", "mpi4py", "scipy", "tblite", "pyscf", "pytest")
    capabilities: ClassVar[frozenset[str]] = frozenset({"bootstrap", "snapshot", "use"})

    def specs(self) -> list[KernelSpec]:
        """Every kernel of the plugin."""
        return list(plugin_specs(self.plugin).values())

    def prefix(self) -> str:
        """Name of the plugin's entry point."""
        names = [point.name for point in entry_points(group="pal") if point.value == self.plugin]
        assert names, f"no installed package has an entry point in the group 'pal' with the value {self.plugin!r}"
        return names[0]

    def kernel_options(self, spec: KernelSpec) -> KernelOptions:
        """Validated options of one kernel."""
        model: type[KernelOptions] = load_target(spec.options)
        return model.model_validate(dict(self.options.get(spec.name, {})))

    def test_listing_imports_nothing_heavy(self) -> None:
        command = [sys.executable, "-c", _LISTING, self.plugin, *self.heavy]
        run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own command)
        assert run.returncode == 0, f"the plugin can't be listed in a fresh process:\n{run.stderr}"
        loaded = json.loads(run.stdout.splitlines()[-1])
        assert not loaded, f"listing {self.plugin} imports {', '.join(loaded)}"

    def test_kernels_are_named_after_the_plugin(self) -> None:
        prefix = self.prefix()
        for spec in self.specs():
            plugin, _, kernel = spec.name.partition(".")
            assert plugin == prefix, f"kernel {spec.name!r} of plugin {prefix!r} must be called '{prefix}.<kernel>'"
            assert kernel, f"kernel {spec.name!r} has no name after the dot"

    def test_kernel_names_are_unique(self) -> None:
        module = importlib.import_module(self.plugin)
        names = [spec.name for spec in getattr(module, "pal_kernels", list)()]
        assert len(set(names)) == len(names), f"a kernel name occurs twice: {sorted(names)}"

    def test_kernels_have_a_summary_of_one_line(self) -> None:
        for spec in self.specs():
            assert spec.summary.strip(), f"{spec.name} has no summary"
            assert "\n" not in spec.summary, f"the summary of {spec.name} has several lines"

    def test_capabilities_are_known(self) -> None:
        for spec in self.specs():
            unknown = spec.capabilities - self.capabilities
            assert not unknown, f"{spec.name} declares {sorted(unknown)}, known are {sorted(self.capabilities)}"

    def test_targets_are_kernels_of_their_role(self) -> None:
        for spec in self.specs():
            target, base = load_target(spec.target), BASES[spec.role]
            assert issubclass(target, base), f"{spec.name}: {spec.target} does not derive from {base.__name__}"

    def test_options_are_documented(self) -> None:
        for spec in self.specs():
            model = load_target(spec.options)
            assert issubclass(model, KernelOptions), f"{spec.name}: {spec.options} does not derive from KernelOptions"
            for key, field in model.model_fields.items():
                assert field.description, f"{spec.name}: the option {key!r} has no description"

    def test_unknown_options_are_refused(self) -> None:
        for spec in self.specs():
            extra = load_target(spec.options).model_config.get("extra")
            assert extra == "forbid", f"{spec.name}: the options ignore unknown keys (extra = {extra!r})"

    def test_interfaces_are_stated(self) -> None:
        for spec in self.specs():
            interface = self.kernel_options(spec).interface()
            assert isinstance(interface, Interface), f"{spec.name}: interface() gives {interface!r}"

    def test_formats_can_be_imported(self) -> None:
        module = importlib.import_module(self.plugin)
        formats: list[FormatSpec] = list(getattr(module, "pal_formats", list)())
        for spec in formats:
            assert all(s.startswith(".") for s in spec.suffixes), f"format {spec.name}: a suffix has no dot"
            assert spec.read or spec.write, f"format {spec.name} can neither be read nor written"
            for target in filter(None, (spec.read, spec.write)):
                assert callable(load_target(target)), f"format {spec.name}: {target} can't be called"
