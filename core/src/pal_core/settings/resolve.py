"""Kernels named by the settings: found, their options validated, their interfaces asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pal_core.errors import KernelNotFound, PalError
from pal_core.options import KernelOptions
from pal_core.plugins.discover import cause
from pal_core.settings.draft import Draft
from pal_core.settings.kernels import ResolvedKernel, salvaged, validate
from pal_core.settings.lines import KeyPath
from pal_core.settings.model import SelectionTable
from pal_core.settings.paths import resolve_paths
from pal_core.settings.tables import TABLES
from pal_core.spec import KernelSpec, Role

__all__ = ["resolve_kernels"]


def resolve_kernels(draft: Draft) -> dict[KeyPath, type[KernelOptions]]:
    """Fill `draft.kernels`; gives the options model of every kernel that was found, sound options or not."""
    models = {}
    for path, role, table in _named(draft.data):
        known = _find(draft, path, role, table)
        if known:
            models[path] = known[1]
            _resolve(draft, path, table, *known)
    return models


def _named(data: Mapping[str, Any]) -> list[tuple[KeyPath, Role, Any]]:
    """Every table that names a kernel, with the role it must have."""
    roles = {"generator": Role.GENERATOR, "model": Role.MODEL, "oracle": Role.ORACLE}
    found: list[tuple[KeyPath, Role, Any]] = [((n,), role, data[n]) for n, role in roles.items() if n in data]
    selection = data.get("selection", {})
    if isinstance(selection, dict):
        selection = {"kernel": SelectionTable.model_fields["kernel"].default, **selection}
    found.append((("selection",), Role.SELECTION, selection))
    checks = data.get("check", [])
    return found + [(("check", i), Role.CHECK, c) for i, c in enumerate(checks if isinstance(checks, list) else [])]


def _find(draft: Draft, path: KeyPath, role: Role, table: Any) -> tuple[KernelSpec, type[KernelOptions]] | None:
    name = table.get("kernel") if isinstance(table, dict) else None
    if not isinstance(name, str):
        return None
    try:
        spec = draft.host.find_kernel(name, role, draft.base)
        return spec, draft.host.load_options(spec, draft.base)
    except KernelNotFound as e:
        draft.report.add((*path, "kernel"), e.found, e.expected, e.hint)
    except PalError as e:
        draft.report.add((*path, "kernel"), e.message, "", e.hint)
    return None


def _resolve(
    draft: Draft, path: KeyPath, table: Mapping[str, Any], spec: KernelSpec, model: type[KernelOptions]
) -> None:
    """Validate the options in `table`; nothing comes of it if they are too wrong to know the interface."""
    written = table.get("options", {})
    if not isinstance(written, dict):
        return
    raw = resolve_paths(model, written, draft.base)
    options: KernelOptions | None
    try:
        options = validate(model, raw)
    except ValidationError as e:
        at = (*path, "options")
        draft.report.add_errors(at, model, written, e, lambda where: _misplaced(str(path[0]), where, spec))
        options = salvaged(model, raw, e)
    if options is None:
        return
    try:
        interface = options.interface()
    except Exception as e:
        draft.report.add((*path, "kernel"), f"interface() of the options of {spec.name!r} raised {cause(e)}")
        return
    draft.options[path] = options
    draft.kernels[path] = ResolvedKernel(spec, raw, interface, *draft.host.provenance(spec))


def _misplaced(name: str, where: KeyPath, spec: KernelSpec) -> str:
    """Advice for a key that stands among the options but belongs beside them."""
    if len(where) == 1 and where[0] in TABLES[name].model_fields:
        return f"it belongs in [{name}], not in the options of {spec.name}"
    return ""
