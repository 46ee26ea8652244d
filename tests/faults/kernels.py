"""The toy's oracle with real faults, for runs that are to survive them: ``kernel = "kernels.py:FaultyOracle"``."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from typing import Literal

import numpy as np
from pydantic import Field, PositiveInt

from pal_core.builtin.hashing import sample_uniform
from pal_core.builtin.options import ToyOracleOptions
from pal_core.builtin.oracle import ToyOracle
from pal_core.kernels import Label, Sample

_SALT = 7
_BLOCK = 1_000_000
_DAEMON = """
import os, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
time.sleep(1000)
"""


class FaultyOracleOptions(ToyOracleOptions):
    """Options of `FaultyOracle`."""

    fault: Literal["none", "segfault", "flood", "memory", "hang", "orphan", "garbage"] = Field(
        "none",
        description="what goes wrong: after `flood` (output) and `orphan` (a daemon left behind) there is a label; "
        "`hang` wants oracle.timeout, `memory` oracle.memory below `largest`",
    )
    every: PositiveInt = Field(5, description="one of so many samples is hit, always the same ones")
    flood: PositiveInt = Field(1_000_000_000, description="output of a flood", json_schema_extra={"unit": "bytes"})
    largest: PositiveInt = Field(
        4_000_000_000, description="memory at which it stops by itself", json_schema_extra={"unit": "bytes"}
    )


class FaultyOracle(ToyOracle):
    """Labels as the toy's oracle does, except where something goes wrong."""

    Options = FaultyOracleOptions

    def label(self, sample: Sample) -> Label:
        """The toy's label, if it comes to that."""
        if self.hits(sample):
            getattr(self, f"_{self.options.fault}")()
        return super().label(sample)

    def hits(self, sample: Sample) -> bool:
        """Whether something goes wrong with this sample."""
        x = np.array(sample["x"], np.float64).reshape(1, 2)
        return self.options.fault != "none" and bool(sample_uniform(x, _SALT)[0] * self.options.every < 1)

    def _segfault(self) -> None:
        ctypes.string_at(0)

    def _flood(self) -> None:
        block = (b"x" * 99 + b"\n") * (_BLOCK // 100)
        for _ in range(-(-self.options.flood // _BLOCK)):
            os.write(1, block)

    def _memory(self) -> None:
        held = [b"x" * _BLOCK for _ in range(self.options.largest // _BLOCK)]
        raise MemoryError(f"{len(held)} MB are held, and nobody minds")

    def _hang(self) -> None:
        while True:
            time.sleep(1000)

    def _orphan(self) -> None:
        subprocess.run([sys.executable, "-c", _DAEMON], check=True)

    def _garbage(self) -> None:
        for file in range(3, 64):
            try:
                os.write(file, b"nonsense" * 100)
            except OSError:
                continue
        os._exit(0)
