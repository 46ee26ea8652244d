"""Calls that execute what they read, found in source text."""

from __future__ import annotations

import ast
from collections.abc import Iterator

__all__ = ["dangers"]

MODULES = frozenset(
    ("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "shelve", "yaml")
)
"""Modules that execute what they read, or may."""
CALLS = frozenset(("eval", "exec", "compile", "os.system", "os.popen", "tempfile.mktemp", "subprocess.getoutput"))
LISTENING = frozenset(("listen", "create_server"))
"""Nothing of PAL listens on a network."""


def dangers(text: str) -> list[str]:
    """What is dangerous in a module's text, each with its line."""
    return [f"{node.lineno}: {what}" for node in ast.walk(ast.parse(text)) for what in _found(node)]


def _found(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (f"import {a.name}" for a in node.names if a.name.partition(".")[0] in MODULES)
    elif isinstance(node, ast.ImportFrom):
        if str(node.module).partition(".")[0] in MODULES:
            yield f"from {node.module} import"
        full = (f"{node.module}.{a.name}" for a in node.names)
        yield from (f"import of {name}" for name in full if name in CALLS)
    elif isinstance(node, ast.Call):
        yield from _in_call(node)


def _in_call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    given = {k.arg: ast.unparse(k.value) for k in node.keywords if k.arg}
    if name in CALLS:
        yield name
    if name.rpartition(".")[2] in LISTENING:
        yield f"{name} listens"
    if name.endswith(("torch.load", "jit.load")) and given.get("weights_only") != "True":
        yield f"{name} without weights_only=True"
    if name in ("np.load", "numpy.load") and given.get("allow_pickle") != "False":
        yield f"{name} without allow_pickle=False"
    yield from (f"{key}={value}" for key, value in given.items() if (key, value) in _ARGUMENTS)


_ARGUMENTS = {("shell", "True"), ("allow_pickle", "True"), ("weights_only", "False")}
