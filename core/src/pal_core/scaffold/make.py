"""Fills in the templates and writes them."""

from __future__ import annotations

from pathlib import Path
from string import Template

from pal_core.plugins.words import a_role
from pal_core.scaffold.examples import EXAMPLES
from pal_core.scaffold.names import Names, ScaffoldError

__all__ = ["make", "render"]

_TEMPLATES = Path(__file__).parent / "templates"
_SUFFIX = ".tmpl"


def make(names: Names, parent: Path) -> Path:
    """Write a package with a working example kernel.

    Parameters
    ----------
    names : Names
        What it and its kernel are called, and the kernel's role.
    parent : Path
        Folder in which the package's own folder is made.

    Returns
    -------
    Path
        The package's folder.

    Raises
    ------
    ScaffoldError
        If the folder exists and isn't empty. Nothing is written then.
    """
    target = parent / names.distribution
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ScaffoldError(
            f"{target} is already there and not empty",
            "choose another name or --directory, or remove it; nothing was written",
        )
    for name, text in render(names).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return target


def render(names: Names) -> dict[str, str]:
    """Texts of all files by path inside the package's folder."""
    words = _words(names)
    out = {}
    fields = ("fields",) if EXAMPLES[names.role].own_fields else ()
    for folder in ("common", *fields, names.role.value):
        for path in sorted((_TEMPLATES / folder).rglob(f"*{_SUFFIX}")):
            name = path.relative_to(_TEMPLATES / folder).as_posix()
            name = name.removesuffix(_SUFFIX).replace("PACKAGE", names.package)
            out[name] = Template(path.read_text(encoding="utf-8")).substitute(words)
    return out


def _words(names: Names) -> dict[str, str]:
    example = EXAMPLES[names.role]
    cast = {role.value: e.stand_in for role, e in EXAMPLES.items()}
    cast[names.role.value] = names.full_kernel
    rows = [f"| `{key}` | {default} | {meaning} |" for key, (default, meaning) in example.options.items()]
    capabilities = ", ".join(f'"{c}"' for c in example.capabilities)
    return {
        **{f"{role}_kernel": kernel for role, kernel in cast.items()},
        "distribution": names.distribution,
        "package": names.package,
        "plugin": names.plugin,
        "kernel": names.full_kernel,
        "cls": names.class_name,
        "module": names.role.value,
        "role": names.role.name,
        "a_role": a_role(names.role),
        "core_range": names.core_range,
        "summary": example.summary,
        "capabilities": f"frozenset({{{capabilities}}})" if capabilities else "frozenset()",
        "options_rows": "\n".join(rows),
        "limits": example.limits,
    }
