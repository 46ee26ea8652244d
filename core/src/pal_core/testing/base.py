"""What the contracts of all kernels share."""

# ruff: noqa: S101, D102  asserts are what contract tests are made of; their names say what they test
from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pal_core.kernels import Context, Generator, Kernel, LabelCheck, Model, Oracle, Selection
from pal_core.options import Interface, KernelOptions
from pal_core.spec import KernelSpec, Role, load_target

__all__ = ["BASES", "KernelContract", "plugin_specs"]

BASES: dict[Role, type[Kernel]] = {
    Role.GENERATOR: Generator,
    Role.MODEL: Model,
    Role.ORACLE: Oracle,
    Role.SELECTION: Selection,
    Role.CHECK: LabelCheck,
}


def plugin_specs(plugin: str) -> dict[str, KernelSpec]:
    """Kernels of the plugin module `plugin` by name."""
    module = importlib.import_module(plugin)
    return {spec.name: spec for spec in module.pal_kernels()} if hasattr(module, "pal_kernels") else {}


class KernelContract:
    """Finds a kernel in its plugin and builds it; the contracts of the roles derive from it.

    Attributes
    ----------
    plugin : str
        The plugin's light module, ``"pal_xtb.plugin"``.
    name : str
        The kernel's name, ``"xtb.gfn2"``.
    options : mapping
        Options as in a settings file. Override `option_values` where they need files.
    directory : Path
        An empty folder of the running test.
    notes : list of str
        What the kernels said by ``context.note``.
    """

    role: ClassVar[Role]
    plugin: ClassVar[str]
    name: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    seed: ClassVar[int] = 7

    directory: Path
    notes: list[str]
    _made: list[Kernel]

    @pytest.fixture(autouse=True)
    def _workplace(self, tmp_path: Path) -> Iterator[None]:
        self.open_workplace(tmp_path)
        yield
        self.close_workplace()

    def open_workplace(self, directory: Path) -> None:
        """Prepare for one test; pytest calls it through a fixture."""
        self.directory, self.notes, self._made = directory, [], []

    def close_workplace(self) -> None:
        """Close every kernel that the test made."""
        for kernel in self._made:
            kernel.close()

    def option_values(self) -> Mapping[str, Any]:
        """Options as in a settings file; may write files to `directory` first."""
        return self.options

    def spec(self) -> KernelSpec:
        """The plugin's word on this kernel."""
        specs = plugin_specs(self.plugin)
        assert self.name in specs, f"{self.plugin} has no kernel {self.name!r} (it has: {', '.join(specs) or 'none'})"
        return specs[self.name]

    def kernel_options(self) -> KernelOptions:
        """Validated options."""
        model: type[KernelOptions] = load_target(self.spec().options)
        return model.model_validate(dict(self.option_values()))

    def interface(self) -> Interface:
        """The kernel's interface with these options."""
        return self.kernel_options().interface()

    def make(self, index: int = 0, seed: int | None = None, role: str | None = None) -> Any:
        """Build the kernel for walker, member or worker `index`; it is closed after the test."""
        kernel = load_target(self.spec().target)(self.kernel_options(), self.context(index, seed, role))
        self._made.append(kernel)
        return kernel

    def context(self, index: int, seed: int | None, role: str | None) -> Context:
        """Where the kernel is told that it runs."""
        return Context(
            role=role or self.role.value,
            index=index,
            seed=self.seed if seed is None else seed,
            directory=self.directory,
            note=self.notes.append,
        )

    def needs(self, capability: str) -> None:
        """Skip the running test, and say why, unless the kernel declares `capability`."""
        if capability not in self.spec().capabilities:
            pytest.skip(f"{self.name} does not declare the capability {capability!r}")

    def test_target_is_a_kernel_of_its_role(self) -> None:
        spec = self.spec()
        target = load_target(spec.target)
        assert spec.role is self.role, (
            f"{self.name} has the role {spec.role.value!r}, this contract is for {self.role.value!r}"
        )
        assert issubclass(target, BASES[self.role]), f"{spec.target} does not derive from {BASES[self.role].__name__}"
