"""JSON schema of settings files, with the options of the installed kernels."""

from __future__ import annotations

from typing import Any

from pal_core.errors import PalError
from pal_core.plugins.host import PluginHost
from pal_core.settings.model import Settings
from pal_core.spec import KernelSpec, Role

__all__ = ["settings_schema"]

_TABLES = {
    Role.GENERATOR: "GeneratorTable",
    Role.MODEL: "ModelTable",
    Role.ORACLE: "OracleTable",
    Role.SELECTION: "SelectionTable",
    Role.CHECK: "CheckTable",
}


def settings_schema(host: PluginHost) -> dict[str, Any]:
    """Schema (draft 2020-12) that completes and checks settings in editors.

    Every kernel table says: if `kernel` is this name, `options` are those of that kernel. Kernels given as file or
    module may have any options. A kernel whose options can't be imported is left unchecked.
    """
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}
    schema["title"] = "PAL settings"
    definitions = schema["$defs"]
    for role, name in _TABLES.items():
        specs = host.kernels(role)
        kernel = definitions[name]["properties"]["kernel"]
        kernel["anyOf"] = [{"enum": [s.name for s in specs]}, {"pattern": ":"}]
        branches = [_branch(spec, host, definitions) for spec in specs]
        definitions[name]["allOf"] = [b for b in branches if b]
    return dict(_for_toml(schema))


def _branch(spec: KernelSpec, host: PluginHost, definitions: dict[str, Any]) -> dict[str, Any] | None:
    """If this kernel is named, its options apply; they move to `definitions`."""
    try:
        model = host.load_options(spec)
    except PalError:
        return None
    options = model.model_json_schema(ref_template=f"#/$defs/{spec.name}.{{model}}")
    for name, definition in options.pop("$defs", {}).items():
        definitions[f"{spec.name}.{name}"] = definition
    options["title"] = spec.name
    options["description"] = spec.summary
    definitions[spec.name] = options
    then: dict[str, Any] = {"properties": {"options": {"$ref": f"#/$defs/{spec.name}"}}}
    if options.get("required"):
        then["required"] = ["options"]
    # Without `required`, the branch of a table's default kernel must not hold for the others: only that one may
    # be left out.
    condition: dict[str, Any] = {"properties": {"kernel": {"const": spec.name}}}
    default = definitions[_TABLES[spec.role]]["properties"]["kernel"].get("default")
    return {"if": condition if spec.name == default else {**condition, "required": ["kernel"]}, "then": then}


def _for_toml(part: Any) -> Any:
    """Units in the descriptions, which editors show, and no null, which TOML doesn't have."""
    if isinstance(part, list):
        return [_for_toml(p) for p in part]
    if not isinstance(part, dict):
        return part
    out = {key: _for_toml(value) for key, value in part.items() if not (key == "default" and value is None)}
    if isinstance(out.get("unit"), str) and isinstance(out.get("description"), str):
        out["description"] += f" [{out['unit']}]"
    kinds = out.get("anyOf")
    if isinstance(kinds, list) and {"type": "null"} in kinds:
        kinds = [k for k in kinds if k != {"type": "null"}]
        out.pop("anyOf")
        out = {**kinds[0], **out} if len(kinds) == 1 else {**out, "anyOf": kinds}
    return out
