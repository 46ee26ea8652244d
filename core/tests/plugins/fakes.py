"""Small packages with metadata, written to a folder that a test puts on sys.path."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

PLUGIN = """
from pal_core.hookspecs import hookimpl
from pal_core.spec import KernelSpec, Role

@hookimpl
def pal_kernels():
    return [KernelSpec("{kernel}", Role.ORACLE, "{module}_oracle:Oracle", "{module}_options:Options", "fake")]
"""


def write_package(
    folder: Path, name: str, source: str, *, entry: str = "", requires: str = "pal-core>=0.1,<0.2", version: str = "1.2"
) -> None:
    """Write distribution `name` with the light module `source` under entry point `entry` (default: the module)."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(dedent(source))
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (info / "METADATA").write_text(metadata + (f"Requires-Dist: {requires}\n" if requires else ""))
    (info / "entry_points.txt").write_text(f"[pal]\n{entry or module} = {module}\n")


def oracle_package(folder: Path, name: str, kernel: str, **more: str) -> None:
    """A package with one oracle."""
    write_package(folder, name, PLUGIN.format(kernel=kernel, module=name.replace("-", "_")), **more)
