"""Contract tests that plugins subclass; needs pytest (``pip install pal-core[test]``).

A kernel's test module subclasses the contract of its role and fills in what only it can know:

>>> from pal_core.testing import OracleContract, PluginContract
>>> class TestPlugin(PluginContract):
...     plugin = "pal_orca.plugin"
>>> class TestOrca(OracleContract):
...     plugin = "pal_orca.plugin"
...     name = "orca.dft"
...     options = {"functional": "PBE"}
...
...     def samples(self):
...         return [water(), hydroxide()]
"""

import pytest

_MODULES = ("base", "check", "generator", "helpers", "model", "oracle", "plugin", "selection")
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _MODULES))

from pal_core.testing.base import KernelContract  # noqa: E402 (asserts are rewritten at import)
from pal_core.testing.check import LabelCheckContract  # noqa: E402
from pal_core.testing.generator import GeneratorContract  # noqa: E402
from pal_core.testing.model import ModelContract  # noqa: E402
from pal_core.testing.oracle import OracleContract  # noqa: E402
from pal_core.testing.plugin import PluginContract  # noqa: E402
from pal_core.testing.selection import SelectionContract  # noqa: E402

__all__ = [
    "GeneratorContract",
    "KernelContract",
    "LabelCheckContract",
    "ModelContract",
    "OracleContract",
    "PluginContract",
    "SelectionContract",
]
