"""Exit codes of `pal`. They are public: batch scripts decide by them."""

from __future__ import annotations

__all__ = ["DONE", "FAILED", "RESUME", "USAGE"]

DONE = 0
"""The run has ended by its stop rule, or the command has done its work."""
FAILED = 1
"""The run, or the command, has failed; the message says why."""
USAGE = 2
"""Wrong settings, wrong arguments, or a plugin that can't be used. Nothing has been started."""
RESUME = 75
"""The run was stopped before its stop rule (signal, wall time of the job): `pal run` again goes on with it.

75 is EX_TEMPFAIL of sysexits.h, which batch systems know as "try again".
"""
