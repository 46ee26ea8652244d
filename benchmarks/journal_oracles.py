"""Oracles that write down on their own what they have labelled: for finding out whether a run loses anything.

Used as kernels from this file: ``kernel = "journal_oracles.py:JournalToy"``.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from pydantic import Field

from pal_core.builtin.options import ToyOracleOptions
from pal_core.builtin.oracle import ToyOracle
from pal_core.kernels import Label, Sample
from pal_core.store.tables import digest, pack

__all__ = ["JournalToy", "line_of"]


def line_of(sample: Sample, schema: Any) -> str:
    """What the journal says of a sample: a digest of its content, as the store has it."""
    return digest(pack(schema, sample)).hex()


def write_down(journal: Path, line: str) -> None:
    """Append a line in one write, so that lines of many processes don't mix."""
    file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, f"{line} {os.getpid()} {time.time():.3f}\n".encode())
    finally:
        os.close(file)


class JournalToyOptions(ToyOracleOptions):
    """Those of the toy oracle, and the journal."""

    journal: Path = Field(description="file that gets a line for every finished label")


class JournalToy(ToyOracle):
    """The toy oracle with a journal."""

    Options = JournalToyOptions
    options: JournalToyOptions

    def label(self, sample: Sample) -> Label:
        """Label, write down, return."""
        label = super().label(sample)
        write_down(self.options.journal, line_of(sample, self.options.interface().consumes))
        return label


try:
    from pal_xtb.options import TbliteOptions
    from pal_xtb.oracle import Gfn2
except ImportError:  # without the plugin there is the toy
    pass
else:

    class JournalXtbOptions(TbliteOptions):
        """Those of GFN2-xTB, the journal, and a pause that stands for a longer calculation."""

        journal: Path = Field(description="file that gets a line for every finished label")
        delay: float = Field(0.0, description="further time per label", json_schema_extra={"unit": "s"})

    class JournalXtb(Gfn2):
        """GFN2-xTB with a journal."""

        Options = JournalXtbOptions
        options: JournalXtbOptions

        def label(self, sample: Sample) -> Label:
            """Label, write down, return."""
            label = super().label(sample)
            time.sleep(self.options.delay)
            write_down(self.options.journal, line_of(sample, self.options.interface().consumes))
            return label

    __all__ += ["JournalXtb"]
