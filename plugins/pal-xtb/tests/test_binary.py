"""The xtb program: agreement with tblite, failures, and programs that misbehave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pal_core.kernels import OracleFailure

from pal_xtb.binary import XtbProgram
from pal_xtb.options import BinaryOptions, TbliteOptions
from pal_xtb.oracle import Gfn1, Gfn2
from pal_xtb.units import HARTREE

real = pytest.mark.skipif(
    shutil.which("xtb") is None, reason="the program xtb isn't installed (Debian: apt-get install xtb)"
)
BOTH = pytest.mark.parametrize(("method", "kernel"), [("gfn1", Gfn1), ("gfn2", Gfn2)])

# Stands in for xtb where it must misbehave: {0} is shell code, run in the scratch directory.
GOOD_FILES = """
printf '$energy\\n 1 -1.5 -1.5 -1.5\\n$end\\n' > energy
printf '$grad\\n cycle = 1 SCF energy = -1.5 |dE/dxyz| = 0\\n' > gradient
sed -e 's/^\\$.*//' -e '/^$/d' coord >> gradient
printf ' 1.0D+00 0.0 0.0\\n-1.0D+00 0.0 0.0\\n$end\\n' >> gradient
"""
GOOD_OUTPUT = "echo '*** convergence criteria satisfied after 7 iterations ***'; echo 'normal termination of xtb' >&2"


@pytest.fixture
def fake(tmp_path, context):
    def build(code: str, **options) -> XtbProgram:
        program = tmp_path / "fake-xtb"
        program.write_text(f"#!/bin/sh\n{code}\n")
        program.chmod(0o755)
        return XtbProgram(BinaryOptions(program=str(program), **options), context)

    return build


@pytest.fixture
def h2(make):
    return make([1, 1], [[0, 0, 0], [0.3, 0.4, 0.55]])


@real
@BOTH
def test_program_and_library_agree(make, ethanol, context, method, kernel):
    rng = np.random.default_rng(5)
    samples = [ethanol | {"positions": ethanol["positions"] + rng.normal(0, 0.05, (9, 3))}]
    samples += [make([8, 1], [[0, 0, 0], [0, 0, 1]], *state) for state in ((0, 2), (-1, 1), (1, 3))]
    samples += [make([83, 83], [[0, 0, 0], [0, 0, 2.7]]), make([58, 9, 9, 9], 2.1 * np.eye(4)[:, 1:])]
    program = XtbProgram(BinaryOptions(method=method, accuracy=0.01), context)
    library = kernel(TbliteOptions(accuracy=0.01), context)
    for sample in samples:
        a, b = program.label(sample), library.label(sample)
        assert abs(a["energy"] - b["energy"]) < 1e-6 * HARTREE
        np.testing.assert_allclose(a["forces"], b["forces"], atol=1e-3)


@real
@BOTH
def test_temperature_and_solvent_mean_the_same(ethanol, context, method, kernel):
    options = {"electronic_temperature": 5000, "solvent": "toluene", "accuracy": 0.1}
    # Off the axes, so that the program's geometry isn't turned: the grid of the solvent's surface doesn't turn with it.
    ethanol["positions"] = ethanol["positions"] + np.random.default_rng(2).normal(0, 0.05, (9, 3))
    program = XtbProgram(BinaryOptions(method=method, **options), context).label(ethanol)
    library = kernel(TbliteOptions(**options), context).label(ethanol)
    assert abs(program["energy"] - library["energy"]) < 1e-6 * HARTREE


@real
@BOTH
def test_forces_of_aligned_molecules_are_right(make, context, method, kernel):
    # xtb up to 6.7.1 gives -0.11 instead of 0.54 eV/Å for cerium here (GFN2), see pal_xtb.frame.
    sample = make([58, 9, 9, 9], 2.1 * np.eye(4)[:, 1:])
    program = XtbProgram(BinaryOptions(method=method, accuracy=0.01), context)
    step = np.zeros((4, 3))
    step[0, 0] = 1e-3
    up, down = ({**sample, "positions": sample["positions"] + s * step} for s in (1, -1))
    slope = (program.label(up)["energy"] - program.label(down)["energy"]) / 2e-3
    assert program.label(sample)["forces"][0, 0] == pytest.approx(-slope, abs=1e-3)


@real
def test_program_reproduces_its_recorded_energy(ethanol, context):
    label = XtbProgram(BinaryOptions(), context).label(ethanol)
    assert label["energy"] / HARTREE == pytest.approx(-11.3914246458, abs=1e-9)


@real
def test_too_few_iterations_are_a_failure_with_evidence(ethanol, context):
    with pytest.raises(OracleFailure, match="no SCF convergence in 3 iterations") as caught:
        XtbProgram(BinaryOptions(max_iterations=3), context).label(ethanol)
    assert caught.value.kind == "unconverged"
    assert "Self consistent charge iterator did not converge" in caught.value.evidence


@real
def test_multiplicity_without_room_in_the_basis_is_refused(make, context):
    with pytest.raises(OracleFailure, match="multiplicity 3 leaves no room for 2 electrons in 1 orbitals") as caught:
        XtbProgram(BinaryOptions(method="gfn1"), context).label(make([2], [[0, 0, 0]], 0, 3))
    assert caught.value.kind == "invalid_input"


def test_missing_program_says_what_to_install(context):
    with pytest.raises(
        FileNotFoundError, match=r"no program 'xtb-9' \(option program\). Install xtb \(Debian: apt-get"
    ):
        XtbProgram(BinaryOptions(program="xtb-9"), context)


def test_periodic_samples_are_refused(fake, make):
    oracle = fake("exit 1")
    for judge in (oracle.inspect, oracle.label):
        with pytest.raises(OracleFailure, match=r"periodic .* but xtb.binary labels molecules only") as caught:
            judge(make([1], [[0, 0, 0]], 0, 2, cell=np.eye(3)))
        assert caught.value.kind == "invalid_input"


def test_files_of_an_obedient_program_become_a_label(fake, h2):
    label = fake(GOOD_FILES + GOOD_OUTPUT).label(h2)
    assert label["energy"] == pytest.approx(-1.5 * HARTREE)
    np.testing.assert_allclose(label["forces"], [[-51.4220670, 0, 0], [51.4220670, 0, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (GOOD_FILES + "kill -SEGV $$", "crashed", "xtb was killed by signal 11"),
        (GOOD_FILES + GOOD_OUTPUT + "; exit 3", "crashed", "xtb ended with status 3"),
        (GOOD_FILES + "echo 'convergence criteria satisfied'", "crashed", "does not report its normal termination"),
        (GOOD_FILES + "echo 'normal termination of xtb'", "unconverged", "does not report that the SCF converged"),
        (GOOD_OUTPUT, "crashed", "xtb left no readable result: .*energy"),
        (GOOD_FILES + "echo > gradient;" + GOOD_OUTPUT, "crashed", "xtb left no readable result: file gradient"),
        (
            GOOD_FILES + "sed -i s/0.5669/0.5679/ gradient;" + GOOD_OUTPUT,
            "crashed",
            "another geometry, 0.001 bohr away",
        ),
        (
            GOOD_FILES + "sed -i 's/ h$/ d/' gradient;" + GOOD_OUTPUT,
            "crashed",
            "results are for d d, asked for was h h",
        ),
        (GOOD_FILES + "sed -i s/-1.5/-1.6/g energy;" + GOOD_OUTPUT, "crashed", "files energy and gradient disagree"),
        (
            "echo ': # atomic orbitals 2 : # electrons 1 :'; echo ':  Hamiltonian  GFN2-xTB  :';"
            + GOOD_FILES
            + GOOD_OUTPUT,
            "crashed",
            "xtb computed GFN2-xTB with 1 electrons, asked for were GFN2-xTB with 2",
        ),
    ],
)
def test_result_that_cannot_be_trusted_is_a_failure(fake, h2, code, kind, message):
    with pytest.raises(OracleFailure, match=message) as caught:
        fake(code).label(h2)
    assert caught.value.kind == kind


def test_options_reach_the_program(fake, make):
    oracle = fake(
        'echo "$@ threads $OMP_NUM_THREADS" > ../seen', method="gfn1", solvent="water", accuracy=1e-4, threads=3
    )
    with pytest.raises(OracleFailure):
        oracle.label(make([8, 1], [[0, 0, 0], [0, 0, 1]], 1, 3))
    seen = (oracle.context.directory / "seen").read_text().split()
    for pair in ("--gfn 1", "--chrg 1", "--uhf 2", "--alpb water", "--iterations 250", "threads 3"):
        assert pair in " ".join(seen)
    assert float(seen[seen.index("--acc") + 1]) == 1e-4
    assert float(seen[seen.index("--etemp") + 1]) == 300


def test_nothing_of_an_earlier_label_is_read(fake, h2, tmp_path):
    oracle = fake(f"test -e {tmp_path}/once && exit 0; touch {tmp_path}/once; {GOOD_FILES} {GOOD_OUTPUT}")
    oracle.label(h2)
    with pytest.raises(OracleFailure, match="normal termination"):
        oracle.label(h2)


def _is_gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def _pid(path: Path) -> int:
    for _ in range(200):
        if path.is_file() and path.read_text().endswith("\n"):
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")


def test_interrupt_ends_the_program(fake, h2, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    oracle = fake(f"echo $$ > {tmp_path}/pid; exec sleep 60")
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            oracle.label(h2)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert _is_gone(_pid(tmp_path / "pid"))


def test_killing_the_process_group_ends_the_program(tmp_path):
    program = tmp_path / "fake-xtb"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid; exec sleep 60\n")
    program.chmod(0o755)
    code = f"""
import numpy as np, pathlib
from pal_core.kernels import Context
from pal_xtb.binary import XtbProgram
from pal_xtb.options import BinaryOptions
sample = dict(numbers=np.array([2]), positions=np.zeros((1, 3)), cell=np.zeros((3, 3)), pbc=np.zeros(3, bool),
              charge=np.array(0), multiplicity=np.array(1))
context = Context("oracle", directory=pathlib.Path({str(tmp_path)!r}))
XtbProgram(BinaryOptions(program={str(program)!r}), context).label(sample)
"""
    worker = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    pid = _pid(tmp_path / "pid")
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    assert _is_gone(pid)
