from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.constraints import FixAtoms
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet
from ase_engine import FreshEMT, Player, Springs
from pal_core.kernels import Stop

from pal_ase.dynamics import LangevinWalker, VerletWalker
from pal_ase.options import LangevinOptions, VerletOptions
from pal_ase.structures import draw_momenta

STEPS = 25


def _ase_positions(dynamics, steps):
    found = [dynamics.atoms.get_positions()]
    for _ in range(steps):
        dynamics.run(1)
        found.append(dynamics.atoms.get_positions())
    return np.stack(found)


def test_verlet_is_bit_equal_to_ase(crystal, save, context):
    path = save(crystal)
    player = Player(VerletWalker(VerletOptions(structure=path, timestep=2.0, steps=STEPS), context()))
    player.play()
    assert player.stop == Stop(f"{STEPS} steps made")

    atoms = player.walker.structures[0].copy()
    draw_momenta(atoms, 300.0, context().rng())
    atoms.calc = FreshEMT()
    np.testing.assert_array_equal(player.positions, _ase_positions(VelocityVerlet(atoms, 2.0 * units.fs), STEPS))


def test_langevin_is_bit_equal_to_ase(crystal, save, context):
    path = save(crystal)
    options = LangevinOptions(structure=path, timestep=2.0, temperature=500, friction=0.02, steps=STEPS)
    player = Player(LangevinWalker(options, context()))
    player.play()

    rng = context().rng()
    atoms = player.walker.structures[0].copy()
    draw_momenta(atoms, 500.0, rng)
    atoms.calc = FreshEMT()
    keywords = {"temperature_K": 500, "friction": 0.02 / units.fs, "fixcm": False, "rng": rng}
    np.testing.assert_array_equal(player.positions, _ase_positions(Langevin(atoms, 2.0 * units.fs, **keywords), STEPS))


def test_verlet_conserves_energy(crystal, save, context):
    walker = VerletWalker(VerletOptions(structure=save(crystal), timestep=2.0, trajectory=0), context())
    energies, atoms, kinetic = [], walker.structures[0].copy(), []
    player = Player(walker)
    player.play(1)
    for _ in range(60):
        player.play(1)
        mark = walker._mark
        atoms.set_momenta(mark.momenta)
        kinetic.append(atoms.get_kinetic_energy())
        energies.append(kinetic[-1] + mark.results["energy"])
    assert np.ptp(kinetic) > 0.3
    assert np.ptp(energies[1:]) < 0.01 * np.ptp(kinetic)


def test_langevin_samples_the_temperature_of_oscillators(save, context):
    """Equipartition: every spring coordinate holds kT/2 on average, and every momentum as well."""
    atoms = Atoms("Ar27", np.stack(np.meshgrid(*[np.arange(3) * 4.0] * 3), -1).reshape(-1, 3))
    options = LangevinOptions(
        structure=save(atoms), temperature=200, timestep=10.0, friction=0.02, isolated=0, trajectory=0
    )
    walker = LangevinWalker(options, context())
    player = Player(walker, Springs(walker.structures[0].positions))
    player.play(200)
    potential, kinetic = [], []
    masses = atoms.get_masses()[:, None]
    for _ in range(1500):
        player.play(1)
        mark = walker._mark
        potential.append(2 * mark.results["energy"])
        kinetic.append((mark.momenta**2 / masses).sum())
    # 81 coordinates over about 300 correlation times: a standard error below 1.5 %
    scale = 81 * units.kB * 200
    assert np.mean(kinetic) / scale == pytest.approx(1, abs=0.05)
    assert np.mean(potential) / scale == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("walker", "options"), [(LangevinWalker, LangevinOptions), (VerletWalker, VerletOptions)])
@pytest.mark.parametrize("before", [0, 1, 2, 17])
def test_restored_walker_goes_on_bit_for_bit(walker, options, before, crystal, save, context, tmp_path):
    o = options(structure=save(crystal), timestep=2.0, patience=2, trajectory=3)

    def doubtful(k):
        return k % 7 not in (3, 4, 5, 6)

    calculator = Springs(crystal.positions)
    whole = Player(walker(o, context(directory=tmp_path / "whole")), calculator)
    whole.play(40, doubtful)
    assert whole.walker.counts.resets > 2

    first = Player(walker(o, context(directory=tmp_path / "parts")), calculator)
    first.play(before, doubtful)
    state = {name: np.array(value) for name, value in first.walker.snapshot().items()}
    bootstrap = first.walker.bootstrap()
    first.play(5, doubtful)  # what a killed run did after its last snapshot
    first.walker.close()

    second = Player(walker(o, context(directory=tmp_path / "parts")), calculator)
    second.walker.restore(state)
    done = max(before - 1, 0)
    second.play(40 - done, lambda k: doubtful(k + done))
    np.testing.assert_array_equal(second.positions, whole.positions[done:])
    np.testing.assert_array_equal(second.walker.bootstrap()["positions"], bootstrap["positions"])
    name = "trajectories/walker-000.extxyz"
    assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_finished_walker_stays_finished_after_restore(crystal, save, context):
    options = VerletOptions(structure=save(crystal), steps=3)
    player = Player(VerletWalker(options, context()))
    player.play()
    assert len(player.proposals) == 4
    again = VerletWalker(options, context())
    again.restore(player.walker.snapshot())
    assert again.propose(None) == Stop("3 steps made")


def test_snapshot_of_another_structure_is_refused(crystal, ethanol, save, context):
    walker = VerletWalker(VerletOptions(structure=save(crystal)), context())
    walker.propose(None)
    other = VerletWalker(VerletOptions(structure=save(ethanol, name="other.xyz")), context())
    with pytest.raises(Exception, match=r"ase.verlet: the snapshot of walker 0 has 32 atoms, its start structure 9"):
        other.restore(walker.snapshot())


def test_fixed_atoms_stay_and_the_temperature_counts_the_others(crystal, save, context):
    crystal.set_constraint(FixAtoms(range(8)))
    path = save(crystal, columns=["symbols", "positions", "move_mask"])
    player = Player(LangevinWalker(LangevinOptions(structure=path, timestep=2.0), context()))
    moved = np.ptp(player.play(20) and player.positions, axis=0)
    assert (moved[:8] == 0).all()
    assert (moved[8:] > 0).all()


def test_walkers_of_one_process_do_not_disturb_each_other(crystal, save, context, tmp_path):
    options = LangevinOptions(structure=save(crystal), timestep=2.0)
    calculator = Springs(crystal.positions)
    together = [Player(LangevinWalker(options, context(i, directory=tmp_path / "a")), calculator) for i in range(30)]
    for _ in range(6):
        for player in together:
            player.play(1)
    for i in (0, 13, 29):
        alone = Player(LangevinWalker(options, context(i, directory=tmp_path / "b")), calculator)
        alone.play(6)
        np.testing.assert_array_equal(alone.positions, together[i].positions)
    assert len({p.positions.tobytes() for p in together}) == 30
