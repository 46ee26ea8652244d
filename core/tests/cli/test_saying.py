"""Output whose reader goes away."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from pal_core.cli.progress import Progress
from pal_core.cli.saying import Saying
say = Saying({quiet})
say.out("first")
sys.stdin.readline()
say.out("second")
say.error("third")
say.progress("fourth")
say.out("fifth")
sys.exit(75)
"""


def talk(quiet=False, hang_up=False):
    process = subprocess.Popen(
        [sys.executable, "-c", CODE.format(quiet=quiet)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    first = process.stdout.readline()
    if hang_up:
        process.stdout.close()
        process.stderr.close()
    rest = ("", "")
    if hang_up:
        process.stdin.close()
    else:
        rest = process.communicate("\n", timeout=60)
    return first, rest, process.wait(60)


def test_results_go_to_stdout_and_the_rest_to_stderr():
    assert talk() == ("first\n", ("second\nfifth\n", "third\nfourth\n"), 75)
    assert talk(quiet=True) == ("first\n", ("second\nfifth\n", "third\n"), 75)


def test_nobody_listening_changes_neither_the_run_nor_its_exit_code():
    assert talk(hang_up=True) == ("first\n", ("", ""), 75)
