"""The contracts of pal-core, and what may not be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
from pal_core.testing import OracleContract, PluginContract

from pal_cfd.channel_options import ChannelOptions
from pal_cfd.geometry import mask

SMALL: dict[str, object] = {"promoters": 1, "length": 2.0, "rows": 24, "columns": 24, "reynolds": 100.0}
ATOMISTIC = ("ase", "pal_ase", "schnetpack", "mace", "nequip", "tblite", "pyscf")


class TestPlugin(PluginContract):
    plugin = "pal_cfd.plugin"


class Channels(OracleContract):
    plugin = "pal_cfd.plugin"

    def samples(self):
        options = ChannelOptions(promoters=1, length=2.0, rows=24, columns=24)
        designs = (np.array([0.6, 0.9, 0.2, 0.3, 0.4]), np.array([1.6, 1.1, 0.3, 0.2, 1.0]))
        return [{"mask": mask(d, options), "design": d} for d in designs]


class TestEmbedded(Channels):
    name = "cfd.embedded"
    options: ClassVar = {**SMALL, "tolerance": 0.2, "stability": False}


class TestEmbeddedMask(Channels):
    name = "cfd.embedded"
    options: ClassVar = {**SMALL, "tolerance": 0.2, "stability": False, "source": "mask"}


def test_nothing_atomistic_is_imported():
    source = Path(sys.modules["pal_cfd"].__file__).parent
    modules = ", ".join(f"pal_cfd.{p.stem}" for p in source.glob("*.py") if p.stem != "__init__")
    code = f"import sys\nimport {modules}\nprint(sorted({set(ATOMISTIC)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    texts = "\n".join(p.read_text() for p in source.glob("*.py"))
    assert not any(f"import {name}" in texts or f"from {name}" in texts for name in ATOMISTIC)
