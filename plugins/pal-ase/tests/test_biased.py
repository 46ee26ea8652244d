"""The walker of biased dynamics: what it proposes, forgets, keeps and refuses."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import ase.io
import numpy as np
import pytest
from ase import units
from ase.build import molecule
from ase_engine import Player, Springs, feedback_of
from pal_core.errors import PalError
from pal_core.kernels import Stop
from pydantic import ValidationError

from pal_ase.bias_options import BiasedOptions
from pal_ase.biased import BiasedWalker
from pal_ase.dynamics import LangevinWalker
from pal_ase.options import LangevinOptions

PULL = {"distance": [0, 1], "at": 1.5, "stiffness": 30.0, "to": 2.0, "over": 30}
HILLS = {"variables": [{"distance": [0, 1], "width": 0.1}], "height": 0.05, "every": 4}


@pytest.fixture
def make(ethanol, save, context, tmp_path):
    def walker(index=0, place="run", structure=None, **options):
        path = structure or save(ethanol)
        values = {"structure": path, "trajectory": 1, "patience": 2, "restraints": [PULL], **options}
        return BiasedWalker(BiasedOptions(**values), context(index, directory=tmp_path / place))

    return walker


def test_nobody_but_the_dynamics_sees_the_bias(make, ethanol, tmp_path):
    player = Player(make(restraints=[{**PULL, "stiffness": 1000.0}]), Springs(ethanol.positions))
    player.play(12)
    plain = LangevinOptions(structure=player.walker.options.structure, trajectory=0)
    unbiased = Player(LangevinWalker(plain, player.walker.context), player.calculator).play(12)
    assert set(player.proposals[5]) == set(unbiased[5])
    np.testing.assert_array_equal(player.proposals[0]["positions"], unbiased[0]["positions"])
    assert np.abs(player.proposals[2]["positions"] - unbiased[2]["positions"]).max() > 1e-4
    for frame, proposal in zip(ase.io.read(tmp_path / "run/trajectories/walker-000.extxyz", ":"), player.proposals):  # noqa: B905 - the last frame waits
        wanted = feedback_of(proposal, player.calculator).mean
        assert frame.get_potential_energy() == wanted["energy"]
        np.testing.assert_array_equal(frame.get_forces(), wanted["forces"])


@pytest.mark.parametrize("before", [1, 2, 9, 21])
def test_restored_walker_goes_on_bit_for_bit_with_hills_and_moving_centre(before, make, ethanol):
    calculator = Springs(ethanol.positions)
    options = {"metadynamics": HILLS, "steps": 15, "jobs": 2}

    def doubtful(k):
        return k % 9 not in (5, 6, 7)

    whole = Player(make(place="whole", **options), calculator)
    whole.play(32, doubtful)
    assert whole.walker.counts.resets > 1
    first = Player(make(place="parts", **options), calculator)
    first.play(before, doubtful)
    state = {name: np.array(value) for name, value in first.walker.snapshot().items()}
    first.play(4, doubtful)
    second = Player(make(place="parts", **options), calculator)
    second.walker.restore(state)
    done = before - 1
    second.play(32 - done, lambda k: doubtful(k + done))
    np.testing.assert_array_equal(second.positions, whole.positions[done:])
    for name, value in whole.walker.snapshot().items():
        np.testing.assert_array_equal(second.walker.snapshot()[name], value, err_msg=name)


def test_reset_takes_a_moving_restraint_back_to_where_it_stood(make, ethanol):
    walker = make(patience=1)
    player = Player(walker, Springs(ethanol.positions))
    player.play(11, lambda k: k < 9)
    assert walker.time == 9
    player.play(1, lambda k: False)
    assert walker.counts.resets == 1
    assert walker.time == 8


def test_reset_takes_the_work_back_that_is_done_again(make, ethanol):
    walker = make(patience=1)
    player = Player(walker, Springs(ethanol.positions))
    works = []
    for k in range(13):
        player.play(1, lambda _, k=k: k < 9)
        works.append(walker.biases[0].work)
    assert walker.counts.resets > 0
    at_trusted = works[9]
    assert (walker._trusted_time, walker._trusted_work.tolist()) == (8, [at_trusted])
    assert works[10] != at_trusted
    assert works[11] == at_trusted, "after two steps that were not trusted"


def test_next_job_begins_without_hills_at_time_zero_and_tells_the_work(make, ethanol, notes):
    walker = make(metadynamics=HILLS, steps=10, jobs=2)
    player = Player(walker, Springs(ethanol.positions))
    player.play(11)
    hills = walker.biases[1]
    assert (walker.time, len(hills.heights)) == (9, 2)
    work = walker.biases[0].work
    player.play(1)
    assert (walker.time, len(hills.heights), walker.biases[0].work) == (0, 0, 0.0)
    assert notes[0].startswith("walker 0: moving restraints have done ")
    assert float(notes[0].split()[-4]) == pytest.approx(work, abs=0.3)
    player.play()
    assert player.stop == Stop("20 steps made")


def test_hills_are_written_at_the_end_of_a_job_and_of_the_run(make, ethanol, tmp_path):
    turning = {"dihedral": [8, 2, 1, 0], "width": 15}
    hills = {**HILLS, "variables": [*HILLS["variables"], turning]}
    walker = make(2, metadynamics=hills, steps=10, jobs=2)
    player = Player(walker, Springs(ethanol.positions))
    player.play(18)
    kept = walker.biases[1].centres[-1] * [1, 180 / np.pi]
    walker.close()
    files = sorted((tmp_path / "run" / "hills").iterdir())
    assert [f.name for f in files] == ["walker-002-job-000.txt", "walker-002-job-001.txt"]
    assert files[0].read_text().splitlines()[0] == "# distance dihedral width_of_distance width_of_dihedral height"
    np.testing.assert_allclose(np.loadtxt(files[0])[:, 2:], [[0.1, 15, 0.05]] * 2)
    np.testing.assert_allclose(np.loadtxt(files[1]), [*kept, 0.1, 15, 0.05], rtol=1e-7)


def test_well_tempered_hills_shrink_by_the_bias_below_them(make, ethanol):
    walker = make(
        metadynamics={**HILLS, "every": 1, "bias_factor": 3, "variables": [{"distance": [0, 1], "width": 50}]}
    )
    Player(walker, Springs(ethanol.positions)).play(5)
    height, thermal = 0.05, units.kB * 300
    wanted = []
    for _ in range(3):  # hills so wide that each stands on all before it
        wanted.append(height * np.exp(-sum(wanted) / (2 * thermal)))
    np.testing.assert_allclose(walker.biases[1].heights[:3], wanted, rtol=1e-4)


def test_atom_that_a_structure_lacks_is_named(make, save, ethanol):
    path = save(ethanol, molecule("H2O"), name="both.extxyz")
    with pytest.raises(PalError, match=r"ase.biased-md: restraints\[0\]: angle names atom 8, but frame 1 of .* has 3"):
        make(structure=path, restraints=[{"angle": [0, 1, 8], "at": 90, "stiffness": 1}])
    with pytest.raises(PalError, match=r"ase.biased-md: metadynamics.variables\[0\]: distance names atom 4"):
        make(structure=path, restraints=[], metadynamics={**HILLS, "variables": [{"distance": [0, 4], "width": 1}]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restraints": []}, "found no bias, expected restraints, metadynamics, uncertainty or plumed"),
        ({"restraints": [{**PULL, "over": None}]}, "a moving restraint needs both `to` and `over`"),
        ({"metadynamics": {**HILLS, "bias_factor": 1}}, "greater than 1"),
        ({"metadynamics": {**HILLS, "variables": []}}, "at least 1 item"),
        ({"plumed": "/no/such.dat"}, "there is no file /no/such.dat"),
    ],
)
def test_impossible_options_are_refused(options, message, make):
    with pytest.raises(ValidationError, match=message):
        make(**options)


def test_only_the_bias_to_uncertainty_asks_for_covariances(save, ethanol):
    base = {"structure": save(ethanol), "restraints": [PULL]}
    assert BiasedOptions(**base).interface().covariances == ()
    asked = BiasedOptions(**base, uncertainty={"depth": 1, "width": 1}).interface().covariances
    assert asked == (("energy", "forces"),)


def test_missing_plumed_says_what_to_do(make, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plumed", None)
    (tmp_path / "plumed.dat").write_text("d: DISTANCE ATOMS=1,2\n")
    with pytest.raises(PalError, match=r"ase.biased-md: plumed: the Python package plumed is not installed") as caught:
        make(plumed=tmp_path / "plumed.dat")
    assert "pip install plumed" in caught.value.hint


class StandIn:
    """Takes PLUMED's commands as ASE gives them; its bias pulls atom 0 along x, and grows with the step."""

    made: list[StandIn]

    def __init__(self):
        self.said = {}
        self.lines = []
        self.steps = []
        self.made.append(self)

    def cmd(self, name, value=None):
        if name == "readInputLine":
            self.lines.append(value)
        elif name == "setStep":
            self.steps.append(value)
        elif name == "performCalc":
            self.said["setForces"][0, 0] += self.steps[-1]
        elif name == "getBias":
            value[0] = -float(self.steps[-1]) * self.said["setPositions"][0, 0]
        else:
            self.said[name] = value


def test_plumed_gets_the_walkers_steps_units_and_files(make, ethanol, tmp_path, monkeypatch):
    StandIn.made = []
    monkeypatch.setitem(sys.modules, "plumed", SimpleNamespace(Plumed=StandIn))
    (tmp_path / "plumed.dat").write_text("d: DISTANCE ATOMS=1,2\n\nPRINT ARG=d FILE={directory}/COLVAR-{walker}\n")
    options = {"restraints": [], "plumed": tmp_path / "plumed.dat", "timestep": 1.5, "friction": 1e-6}
    player = Player(make(3, **options), Springs(ethanol.positions))
    player.play(4)
    (plumed,) = StandIn.made
    folder = tmp_path / "run" / "plumed" / "walker-003"
    assert plumed.lines == ["d: DISTANCE ATOMS=1,2", f"PRINT ARG=d FILE={folder}/COLVAR-3"]
    assert plumed.steps == [0, 1, 2]
    assert plumed.said["setTimestep"] == pytest.approx(1.5 * units.fs)
    assert plumed.said["setKbT"] == pytest.approx(units.kB * 300)
    assert not plumed.said["setRestart"]
    mark = player.walker._mark
    plain = feedback_of(player.proposals[2], player.calculator).mean["forces"]
    np.testing.assert_allclose((mark.results["forces"] - plain)[0], [2, 0, 0], atol=1e-9)
    twin = make(3, **options)
    twin.restore(player.walker.snapshot())
    Player(twin, player.calculator).play(2)
    assert StandIn.made[1].said["setRestart"]
    assert StandIn.made[1].steps[0] == 3
