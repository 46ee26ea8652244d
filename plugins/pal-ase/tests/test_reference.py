from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from click.testing import CliRunner

from pal_ase.commands import parse_option, reference
from pal_ase.formats import extxyz
from pal_ase.schema import LABEL, SAMPLE, STRESS

EMT_OPTION = "calculator=ase.calculators.emt:EMT"


@pytest.fixture
def run(tmp_path):
    """Run the command on four atoms of copper."""
    path = tmp_path / "start.extxyz"
    atoms = bulk("Cu", cubic=True)
    ase.io.write(path, atoms)

    def invoke(*arguments, output="test.extxyz", option=EMT_OPTION):
        base = ["--oracle", "ase.calculator", "-O", option, "--structure", str(path), "-o", str(tmp_path / output)]
        return CliRunner().invoke(reference, [*base, *arguments])

    return invoke


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("accuracy=0.1", ("accuracy", 0.1)),
        ("name = plain text", ("name", "plain text")),
        ('solvent="water"', ("solvent", "water")),
        ("parameters={a = 1, b = [true]}", ("parameters", {"a": 1, "b": [True]})),
        (EMT_OPTION, ("calculator", "ase.calculators.emt:EMT")),
        ("equation=a=b", ("equation", "a=b")),
    ],
)
def test_options_are_toml_or_plain_words(text, wanted):
    assert parse_option(text) == wanted


def test_frames_are_labelled_by_the_oracle(run, tmp_path):
    result = run("--frames", "4", "--interval", "3", "--equilibrate", "5", "--temperature", "600", "-O", "stress=true")
    assert result.exit_code == 0, result.output
    assert f"4 frames in {tmp_path / 'test.extxyz'}, mean kinetic temperature" in result.output
    images = ase.io.read(tmp_path / "test.extxyz", ":")
    assert [a.info["pal_step"] for a in images] == [5, 8, 11, 14]
    assert {a.info["pal_oracle"] for a in images} == {"ase.calculator"}
    assert not list(tmp_path.glob("*.part"))
    schema = SAMPLE | LABEL | {"stress": STRESS}
    batch = extxyz.read(tmp_path / "test.extxyz", schema)
    for atoms, sample in zip(images, batch, strict=True):
        atoms.calc = EMT()
        np.testing.assert_allclose(sample["forces"], atoms.get_forces(), atol=1e-10)
        np.testing.assert_allclose(sample["stress"], atoms.get_stress(voigt=False), atol=1e-10)
        np.testing.assert_allclose(sample["energy"], atoms.get_potential_energy(), atol=1e-10)


def test_seed_decides(run, tmp_path):
    for seed, output in ((1, "a.xyz"), (1, "b.xyz"), (2, "c.xyz")):
        run("--frames", "2", "--equilibrate", "2", "--seed", str(seed), output=output)
    a, b, c = ((tmp_path / name).read_text() for name in ("a.xyz", "b.xyz", "c.xyz"))
    assert a == b
    assert a != c


def test_first_frame_without_equilibration_is_the_start(run, tmp_path):
    assert run("--frames", "1", "--equilibrate", "0").exit_code == 0
    atoms = ase.io.read(tmp_path / "test.extxyz")
    np.testing.assert_allclose(atoms.positions, bulk("Cu", cubic=True).positions, atol=1e-8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-O", "calculator=nonsense"], "Error: ase.calculator: calculator: Value error, found 'nonsense', expected"),
        (["-O", "wrong=1"], "wrong: Extra inputs are not permitted; `pal kernels ase.calculator` shows its options"),
        (["-O", "wrong"], "found 'wrong', expected key=value"),
        (["--oracle", "ase.langevin"], "'ase.langevin', a generator of pal-ase"),
        (["--oracle", "ase.calculatr"], "did you mean 'ase.calculator'?"),
        (["--frames", "0"], "0 is not in the range x>=1"),
    ],
)
def test_mistakes_are_explained(arguments, message, run):
    result = run(*arguments)
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output


def test_failed_calculation_keeps_the_frames_so_far(run, tmp_path):
    (tmp_path / "fragile.py").write_text(
        "from ase.calculators.emt import EMT\n"
        "class Fragile(EMT):\n"
        "    calls = 0\n"
        "    def calculate(self, *args, **kwargs):\n"
        "        Fragile.calls += 1\n"
        "        if Fragile.calls > 6:\n"
        "            raise RuntimeError('out of memory')\n"
        "        super().calculate(*args, **kwargs)\n"
    )
    arguments = ["--frames", "9", "--interval", "2", "--equilibrate", "1"]
    result = run(*arguments, option=f"calculator={tmp_path / 'fragile.py'}:Fragile")
    assert result.exit_code == 1
    assert "ase.calculator failed (crashed: fragile.py:Fragile raised RuntimeError: out of memory)" in result.output
    assert "3 of 9 frames are in" in result.output
    assert len(ase.io.read(tmp_path / "test.extxyz.part", ":", format="extxyz")) == 3
    assert not (tmp_path / "test.extxyz").exists()
