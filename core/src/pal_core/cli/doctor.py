"""``pal doctor``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pal_core.cli.common import print_json
from pal_core.cli.exit_codes import DONE, FAILED
from pal_core.cli.saying import say
from pal_core.cli.where import run_directory
from pal_core.doctor.examine import examine, repair
from pal_core.doctor.findings import Finding

__all__ = ["doctor"]

_SIGNS = {"ok": "+", "note": "-", "problem": "!"}


@click.command(short_help="Look for damage in a run directory, and repair it.")
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.option("--repair", "mend", is_flag=True, help="Repair what is safe to repair; no run may be at work.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(run: Path, mend: bool, as_json: bool) -> None:
    """Look through the directory of RUN (a settings file or a run directory) for damage and leftovers.

    One line each: + is well, - is worth knowing, ! is wrong. Exit code 0 if nothing is wrong, 1 if something is.
    """
    directory = run_directory(run)
    done = repair(directory) if mend else []
    findings = examine(directory)
    sound = all(f.severity != "problem" for f in findings)
    if as_json:
        repairs = [{**t.finding.to_json(), "done": t.done} for t in done]
        print_json({"directory": str(directory), "sound": sound, "repairs": repairs,
                    "findings": [f.to_json() for f in findings]})  # fmt: skip
    else:
        for treatment in done:
            say(f"= {treatment.finding.topic}: {treatment.finding.text}: {treatment.done}")
        for finding in findings:
            say(_line(finding))
    sys.exit(DONE if sound else FAILED)


def _line(finding: Finding) -> str:
    advice = f"; {finding.advice}" if finding.advice else ""
    return f"{_SIGNS[finding.severity]} {finding.topic}: {finding.text}{advice}"
