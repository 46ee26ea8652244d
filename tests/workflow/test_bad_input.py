"""Input that can't work ends a run soon, with one message that names the kernel and the place in the settings."""

from __future__ import annotations

from pathlib import Path

import ase.io
import pytest
from ase import Atoms
from stack import ETHANOL, Done, Workflow

# Ten seconds are meant, on a machine that has nothing else to do.
SOON = 30.0


def attempt(workflow: Workflow, structure: Path, generator: str = "") -> Done:
    workflow.write(structure, generator=generator)
    done = workflow.pal("run", "--quiet", "small.toml", limit=60)
    print(f"exit code {done.code} after {done.seconds:.1f} s\n{done.err}")
    assert done.seconds < SOON
    assert "Traceback" not in done.out + done.err
    return done


def message(done: Done) -> str:
    """The one message of a run that failed after its start."""
    assert done.code == 1
    assert done.err.count("error:") == 1
    (text,) = [line for line in done.err.splitlines() if line.startswith("error:")]
    return text


@pytest.fixture
def one_bad_walker(tmp_path: Path) -> Path:
    """Start structures of which every second has two atoms in one place."""
    good = ase.io.read(ETHANOL, index=0)
    bad = good.copy()
    bad.positions[1] = bad.positions[0]
    file = tmp_path / "start.xyz"
    ase.io.write(file, [good, bad])
    return file


def test_missing_structure_file(workflow):
    done = attempt(workflow, workflow.folder / "missing.xyz")
    assert done.code == 2
    assert f"small.toml:10: generator.options.structure: there is no file {workflow.folder}/missing.xyz" in done.err
    assert "1 problem in small.toml" in done.err
    assert not (workflow.folder / "run").exists()


def test_element_that_xtb_does_not_know(workflow):
    file = workflow.folder / "fermium.xyz"
    ase.io.write(file, Atoms("FmH", positions=[[0, 0, 0], [0, 0, 2.0]]))
    text = message(attempt(workflow, file))
    assert "oracle xtb.gfn2" in text
    assert "settings table [oracle]" in text
    assert "atom 0 has atomic number 100; xTB has parameters for 1 (H) to 86 (Rn)" in text


def test_walker_that_starts_with_two_atoms_in_one_place(workflow, one_bad_walker):
    text = message(attempt(workflow, one_bad_walker))
    assert "kernel ase.langevin" in text
    assert "settings table [generator]" in text
    assert f"frame 1 of {one_bad_walker}: atoms too close: C0 and C1 are 0.00 Å apart" in text


def test_two_atoms_in_one_place_that_only_the_oracle_notices(workflow, one_bad_walker):
    text = message(attempt(workflow, one_bad_walker, generator=", closest = 0"))
    assert "oracle xtb.gfn2" in text
    assert "settings table [oracle]" in text
    assert "atoms 0 and 1 (C-C) are 0 Å apart, 0.1 Å are wanted (option closest)" in text
