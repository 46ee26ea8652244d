from __future__ import annotations

import traceback
from pathlib import Path

import drivers
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.optimize import BFGS
from ase_engine import FreshEMT, Player, feedback_of
from pal_core.errors import PalError
from pal_core.kernels import Stop

from pal_ase.driver import DriverWalker
from pal_ase.options import DriverOptions

FILE = Path(drivers.__file__)


class Recorder(FreshEMT):
    """Keeps every geometry that it is asked for."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def calculate(self, atoms=None, properties=None, system_changes=None):
        super().calculate(atoms, properties, system_changes)
        self.seen.append(self.atoms.get_positions())


def _options(structure, name, file=True, **keywords):
    target = f"{FILE}:{name}" if file else f"drivers:{name}"
    return DriverOptions(structure=structure, function=target, **keywords)


@pytest.mark.parametrize("file", [True, False])
def test_bfgs_asks_for_the_same_geometries_as_without_pal(file, save, context):
    crystal = bulk("Cu", cubic=True)
    crystal.rattle(0.1, seed=2)
    path = save(crystal)
    player = Player(DriverWalker(_options(path, "relax", file, jobs=1), context()))
    player.play()
    assert player.stop == Stop("1 jobs done")

    seen = []
    atoms = player.walker.structures[0].copy()
    atoms.calc = Recorder(seen)
    BFGS(atoms, logfile=None).run(fmax=0.05, steps=30)
    assert 3 < len(seen) < 30
    np.testing.assert_array_equal(player.positions, seen)


@pytest.mark.parametrize("shared", [True, False])
def test_neb_asks_for_the_same_geometries_as_without_pal(shared, save, context):
    path = save(drivers.hop_ends()[0], name="hop.traj")  # keeps constraints to the bit
    options = _options(path, "neb", jobs=1, parameters={"shared": shared}, resume_from="start", isolated=0)
    player = Player(DriverWalker(options, context()))
    player.play()
    assert player.stop is not None

    seen = []
    one = Recorder(seen)
    drivers.band(player.walker.structures[0].copy(), lambda: one if shared else Recorder(seen), shared)
    assert len(seen) > 12
    np.testing.assert_array_equal(player.positions, seen)


def test_function_runs_again_with_the_next_structure(crystal, save, context):
    images = []
    for k in range(3):
        images.append(crystal.copy())
        images[-1].rattle(0.03, seed=10 + k)
    path = save(*images)
    player = Player(DriverWalker(_options(path, "relax", jobs=4, parameters={"fmax": 100.0}), context(index=2)))
    player.play()
    assert player.stop == Stop("4 jobs done")
    expected = [images[k].positions for k in (2, 0, 1, 2)]
    np.testing.assert_allclose(player.positions, expected, atol=1e-7)


def test_function_gets_the_walkers_own_random_numbers(crystal, save, context):
    options = _options(save(crystal), "relax", parameters={"rattle": 0.05, "fmax": 100.0})
    first, again, other = (DriverWalker(options, context(i)).propose(None)["positions"] for i in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_exception_in_the_function_surfaces_with_its_traceback(crystal, save, context):
    walker = DriverWalker(_options(save(crystal), "stumble"), context())
    sample = walker.propose(None)
    sample = walker.propose(feedback_of(sample, EMT()))
    with pytest.raises(ArithmeticError, match="the planted mistake") as caught:
        walker.propose(feedback_of(sample, EMT()))
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert (Path(frames[-1].filename).name, frames[-1].name) == ("drivers.py", "stumble")


def test_function_that_calculates_nothing_is_refused(crystal, save, context):
    walker = DriverWalker(_options(save(crystal), "idle"), context())
    with pytest.raises(PalError, match=r"ase.driver: drivers.py:idle returned without having used atoms.calc"):
        walker.propose(None)


@pytest.mark.parametrize("where", ["trusted", "start"])
def test_restored_walker_begins_the_function_anew(where, crystal, save, context):
    options = _options(save(crystal), "wander", resume_from=where)
    player = Player(DriverWalker(options, context()))
    player.play(4, lambda k: k < 3)
    state = player.walker.snapshot()
    restored = DriverWalker(options, context())
    restored.restore(state)
    # The third feedback has not been given yet when the snapshot is taken.
    expected = player.proposals[2]["positions"] if where == "trusted" else restored.structures[0].positions
    np.testing.assert_array_equal(restored.propose(None)["positions"], expected)


def test_stress_reaches_the_function(crystal, save, context, tmp_path):
    (tmp_path / "cell.py").write_text(
        "from ase.filters import FrechetCellFilter\n"
        "from ase.optimize import BFGS\n"
        "def relax_cell(atoms, rng):\n"
        "    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.02, steps=3)\n"
    )
    crystal.set_cell(crystal.cell * 1.02, scale_atoms=True)
    target = tmp_path / "cell.py:relax_cell"
    options = DriverOptions(structure=save(crystal), function=target, stress=True, jobs=1)
    assert list(options.interface().consumes) == ["energy", "forces", "stress"]
    player = Player(DriverWalker(options, context()), FreshEMT(), stress=True)
    player.play()
    sizes = [np.linalg.det(p["cell"]) for p in player.proposals]
    assert sizes[-1] < 0.99 * sizes[0]


def test_unknown_function_is_named(crystal, save, context):
    path = save(crystal)
    with pytest.raises(PalError, match=r"ase.driver: function = 'drivers.py:relaxx': there is no 'relaxx' in .*py"):
        DriverWalker(_options(path, "relaxx"), context())
    with pytest.raises(PalError, match=r"ase.driver: function = 'no_such_module:f': No module named 'no_such_module'"):
        DriverWalker(DriverOptions(structure=path, function="no_such_module:f"), context())
    with pytest.raises(PalError, match="is 3, not a function"):
        DriverWalker(_options(path, "not_a_function"), context())
