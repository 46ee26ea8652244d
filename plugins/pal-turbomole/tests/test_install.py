"""What is said of a Turbomole that is missing, and the environment of one that is there."""

from __future__ import annotations

import shutil

import pytest
from installed import MACHINE, install
from pal_core.errors import PalError

from pal_turbomole.install import find
from pal_turbomole.options import DftOptions, TddftOptions
from pal_turbomole.oracle import Dft
from pal_turbomole.tddft import Tddft


def said(**options) -> str:
    with pytest.raises(PalError) as caught:
        find(["define", "ridft"], **options)
    return str(caught.value)


def test_programs_are_those_of_the_installation(turbomole):
    found = find(["define", "ridft"])
    assert found.programs["ridft"] == str(turbomole / "bin" / MACHINE / "ridft")
    assert found.environment["TURBODIR"] == str(turbomole)
    assert found.environment["OMP_NUM_THREADS"] == "1"
    assert "PARA_ARCH" not in found.environment
    assert "PARNODES" not in found.environment


@pytest.mark.parametrize(("parallel", "threads"), [("smp", "4"), ("mpi", "1")])
def test_parallel_programs_are_chosen_as_turbomole_does(tmp_path, monkeypatch, parallel, threads):
    folder = install(tmp_path / "turbomole", kinds=(f"_{parallel}",))
    serial = install(tmp_path / "serial", ("define",))
    shutil.move(serial / "bin" / MACHINE, folder / "bin" / MACHINE)
    (folder / "bin" / f"{MACHINE}_{parallel}" / "define").unlink()
    monkeypatch.setenv("PARA_ARCH", "MPI")
    monkeypatch.setenv("PARNODES", "99")
    found = find(["define", "ridft"], turbodir=folder, parallel=parallel, cores=4)
    assert found.programs["ridft"] == str(folder / "bin" / f"{MACHINE}_{parallel}" / "ridft")
    # Where an installation has it among the serial programs only.
    assert found.programs["define"] == str(folder / "bin" / MACHINE / "define")
    assert {k: found.environment[k] for k in ("PARA_ARCH", "PARNODES", "OMP_NUM_THREADS")} == {
        "PARA_ARCH": parallel.upper(),
        "PARNODES": "4",
        "OMP_NUM_THREADS": threads,
    }


def test_nothing_is_set(monkeypatch):
    monkeypatch.delenv("TURBODIR", raising=False)
    assert "neither the option turbodir nor the environment variable TURBODIR is set; load Turbomole's module" in said()


def test_folder_that_is_no_turbomole(turbomole, tmp_path, monkeypatch):
    monkeypatch.setenv("TURBODIR", str(tmp_path))
    assert f"TURBODIR is {tmp_path}, which has no scripts/sysname" in said()
    assert f"the option turbodir is {tmp_path}, which has no scripts/sysname" in said(turbodir=tmp_path)


def test_missing_programs_are_named_with_what_is_installed(turbomole, monkeypatch):
    place = turbomole / "bin" / f"{MACHINE}_smp"
    monkeypatch.setenv("PATH", f"{turbomole / 'bin' / MACHINE}:/bin:/usr/bin")
    text = said(parallel="smp", cores=2)
    assert f"Turbomole's ridft is not in {place}, where {turbomole / 'scripts' / 'sysname'} says" in text
    assert f"installed are: {MACHINE}; set the option parallel to what is installed" in text
    (turbomole / "bin" / MACHINE / "define").unlink()
    assert f"Turbomole's define and ridft are not in {place}" in said(parallel="smp", cores=2)


@pytest.mark.parametrize("code", ["exit 1", "echo", "echo a/b"])
def test_sysname_that_fails(turbomole, code):
    (turbomole / "scripts" / "sysname").write_text(f"#!/bin/sh\n{code}\n")
    assert "sysname ended with status" in said()


def test_licence_is_looked_for(turbomole, tmp_path, monkeypatch):
    (turbomole / "LICENSE" / "license.txt").unlink()
    text = said()
    assert f"has no licence file; looked for: {turbomole / 'LICENSE' / 'license.txt'}" in text
    assert "set TURBOMOLE_LICENSE to where it is" in text
    assert "check_licence = false" in text
    assert find(["ridft"], licence=False).programs
    (tmp_path / "license.txt").write_text("a licence\n")
    for place in (tmp_path, tmp_path / "license.txt"):
        monkeypatch.setenv("TURBOMOLE_LICENSE", str(place))
        assert find(["ridft"]).programs


def test_kernels_look_for_the_programs_of_their_options(turbomole, context):
    for name in ("ridft", "rdgrad", "escf", "grad"):
        (turbomole / "bin" / MACHINE / name).unlink()
    fitted = {"density_fitting": "coulomb"}
    for kernel, options, missing in (
        (Dft, DftOptions(**fitted), "ridft and rdgrad are"),
        (Dft, DftOptions(), "grad is"),
        (Tddft, TddftOptions(gradients=()), "escf is"),
        (Tddft, TddftOptions(gradients=(0,), **fitted), "ridft and rdgrad and escf are"),
    ):
        with pytest.raises(PalError, match=f"Turbomole's {missing} not in"):
            kernel(options, context)
        with pytest.raises(PalError, match=f"Turbomole's {missing} not in"):
            kernel.check_machine(options)
    Tddft(TddftOptions(surface=1), context)
    Tddft.check_machine(TddftOptions(gradients=(2,)))
