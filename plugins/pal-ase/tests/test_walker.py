from __future__ import annotations

import dataclasses

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase_engine import FreshEMT, Player, Springs, feedback_of, spoiled
from pal_core.errors import PalError

from pal_ase.dynamics import LangevinWalker, VerletWalker
from pal_ase.options import LangevinOptions, VerletOptions


@pytest.fixture
def player(ethanol, save, context):
    """A walker on springs around ethanol."""

    def make(index=0, **keywords):
        options = LangevinOptions(structure=save(ethanol), **{"trajectory": 0, "patience": 2, **keywords})
        return Player(LangevinWalker(options, context(index)), Springs(ethanol.positions))

    return make


def _same(proposal, other):
    return np.array_equal(proposal["positions"], other["positions"])


def test_walker_moves_on_while_patience_lasts_then_returns_to_the_last_trusted_frame(player):
    p = player()
    # proposals 0 to 3 trusted, 4 to 6 not: two are tolerated, after the third the walker goes back
    p.play(8, lambda k: k < 4)
    assert not any(_same(p.proposals[k], p.proposals[k + 1]) for k in range(6))
    assert _same(p.proposals[7], p.proposals[3])
    assert p.walker.counts.resets == 1


def test_trusted_prediction_restores_patience(player):
    p = player()
    p.play(30, lambda k: k % 3 == 0)
    assert p.walker.counts.resets == 0


def test_patience_zero_goes_back_at_once(player):
    p = player(patience=0)
    p.play(4, lambda k: k != 2)
    assert _same(p.proposals[3], p.proposals[1])


def test_after_a_reset_the_walker_goes_another_way(player):
    p = player()
    p.play(9, lambda k: k < 4)
    assert _same(p.proposals[7], p.proposals[3])
    assert not _same(p.proposals[8], p.proposals[4])


def test_second_reset_without_a_trusted_prediction_leads_to_the_start(player):
    p = player()
    p.play(11, lambda k: k < 4)
    assert _same(p.proposals[7], p.proposals[3])
    assert _same(p.proposals[10], p.proposals[0])


def test_prediction_that_is_not_finite_resets_at_once_and_says_so(player, notes):
    p = player()
    p.play(4)
    broken = p.proposals[3]
    forces = np.zeros((9, 3))
    forces[5, 1] = np.nan
    again = p.walker.propose(spoiled(feedback_of(broken, p.calculator), forces=forces))
    assert _same(again, p.proposals[2])
    assert notes == ["walker 0 goes back to its last trusted frame: predicted forces not finite"]


def test_refused_geometry_is_not_proposed_but_noted(player, notes, context):
    p = player(index=3, hot=0)
    p.play(3)
    forces = np.zeros((9, 3))
    forces[5] = 40000.0
    wild = spoiled(feedback_of(p.proposals[2], p.calculator), forces=forces)
    # The wild prediction was trusted, so its own geometry is where the walker goes back to. Once.
    assert _same(p.walker.propose(wild), p.proposals[2])
    assert _same(p.walker.propose(wild), p.proposals[0])
    assert [note.partition(": exploded: ")[0] for note in notes] == [
        "walker 3 goes back to its last trusted frame",
        "walker 3 goes back to its start structure",
    ]


def test_hot_walker_is_reset(player, notes):
    p = player(temperature=300, hot=700)
    p.calculator = Springs(p.calculator.places + np.random.default_rng(0).normal(0, 0.2, (9, 3)))
    p.play(60)
    assert any("too hot: kinetic temperature" in note and "limit 700 K" in note for note in notes)


def test_everyday_impatience_is_not_noted(player, notes):
    player().play(20, lambda k: False)
    assert notes == []


def test_proposing_again_without_feedback_gives_the_same_geometry(player):
    p = player()
    p.play(3)
    assert p.walker.propose(None) is p.walker.propose(None)


def test_feedback_before_a_proposal_is_an_error(player):
    p = player()
    p.play(1)
    with pytest.raises(RuntimeError, match="nothing had been proposed"):
        player().walker.propose(p._feedback)


def test_proposals_carry_charge_and_multiplicity(player, ethanol, save, context):
    p = player(charge=1, multiplicity=4)
    p.play(2)
    assert [int(p.proposals[1][n]) for n in ("charge", "multiplicity")] == [1, 4]
    ethanol.info |= {"charge": -1}
    walker = VerletWalker(VerletOptions(structure=save(ethanol, name="anion.extxyz")), context())
    assert [int(walker.propose(None)[n]) for n in ("charge", "multiplicity")] == [-1, 2]


def test_frames_are_dealt_to_walkers_in_turn(save, context):
    images = [Atoms("H2", [[0, 0, 0], [0, 0, z]]) for z in (0.7, 0.8, 0.9)]
    options = VerletOptions(structure=save(*images))
    found = [VerletWalker(options, context(i)).propose(None)["positions"][1, 2] for i in range(5)]
    assert found == [0.7, 0.8, 0.9, 0.7, 0.8]


def test_bootstrap_uses_several_amplitudes_around_every_structure(save, context):
    images = [Atoms("CH4", ase.build.molecule("CH4").positions + x) for x in (0, 100)]
    walker = VerletWalker(VerletOptions(structure=save(*images), rattle=0.08), context())
    samples = [walker.bootstrap() for _ in range(200)]
    place = np.array([s["positions"].mean() > 50 for s in samples])
    sizes = np.array([np.std(s["positions"] - images[int(k)].positions) for s, k in zip(samples, place, strict=True)])
    assert 0.3 < place.mean() < 0.7
    assert np.sqrt((sizes**2).mean()) == pytest.approx(0.08 * np.sqrt((1 + 4 + 9 + 16) / 64), rel=0.1)
    assert sizes.min() < 0.03
    assert sizes.max() > 0.07


def test_bootstrap_that_can_only_clash_is_refused(save, context, ethanol):
    walker = VerletWalker(VerletOptions(structure=save(ethanol), rattle=500.0), context())
    with pytest.raises(PalError, match=r"ase.verlet: rattle = 500 Å gave no acceptable structure in 100 tries"):
        walker.bootstrap()


def test_trajectory_is_written_while_the_walker_runs(player, tmp_path, context):
    p = player(index=7, trajectory=2)
    path = tmp_path / "run" / "trajectories" / "walker-007.extxyz"
    p.play(1)
    assert not path.exists()
    p.play(1)
    assert len(ase.io.read(path, ":")) == 1
    p.play(4)
    frames = ase.io.read(path, ":")
    assert [f.info["pal_step"] for f in frames] == [0, 2, 4]
    for frame, k in zip(frames, (0, 2, 4), strict=True):
        np.testing.assert_array_equal(frame.positions, p.proposals[k]["positions"])
        want = feedback_of(p.proposals[k], p.calculator).mean
        np.testing.assert_array_equal(frame.get_forces(), want["forces"])
        assert frame.get_potential_energy() == want["energy"]
    assert frames[0].info["pal_trusted"]
    assert frames[0].info["pal_version"] == 1


def test_new_walker_starts_its_trajectory_anew(player, tmp_path):
    player(trajectory=1).play(5)
    player(trajectory=1).play(3)
    assert len(ase.io.read(tmp_path / "run" / "trajectories" / "walker-000.extxyz", ":")) == 2


@pytest.mark.parametrize(
    ("atoms", "problem"),
    [
        (Atoms("CO", [[0, 0, 0], [0, 0, 0.01]]), "atoms too close: C0 and O1 are 0.01 Å apart, limit 0.71 Å"),
        (Atoms("CO", [[0, 0, 0], [0, 0, 9]]), "exploded: C0 has no neighbour within 3 times the sum"),
    ],
)
def test_unusable_start_structure_names_kernel_key_and_frame(atoms, problem, save, context):
    path = save(Atoms("CO", [[0, 0, 0], [0, 0, 1.1]]), atoms)
    with pytest.raises(PalError) as caught:
        LangevinWalker(LangevinOptions(structure=path), context())
    assert str(caught.value).startswith(f"ase.langevin: structure: frame 1 of {path}: {problem}")
    assert caught.value.hint == "correct it, or the option closest, isolated, spread or connected"


@pytest.mark.parametrize("text", ["3\nbut one\nH 0 0 0\n", "rubbish\n", "   \n"])
def test_unreadable_file_names_kernel_and_key(text, tmp_path, context):
    path = tmp_path / "bad.xyz"
    path.write_text(text)
    with pytest.raises(PalError, match=r"^ase.verlet: structure: .*bad.xyz (can't be read|holds no structure)"):
        VerletWalker(VerletOptions(structure=path), context())


def test_walker_that_finds_no_acceptable_geometry_gives_up(player):
    p = player(hot=700)
    p.play(2)
    p.walker._guards = dataclasses.make_dataclass("Refuse", [])()
    p.walker._guards.judge = lambda atoms: "never good enough"
    with pytest.raises(PalError, match=r"found no acceptable geometry in 100 tries; the last problem .* never good"):
        p.play(1)


def test_close_gives_up_the_running_code(player):
    p = player()
    p.play(2)
    p.walker.close()
    p.walker.close()
    assert p.walker._talk is None


def test_periodic_emt_walker_survives_wild_forces(crystal, save, context, notes):
    walker = VerletWalker(VerletOptions(structure=save(crystal), timestep=5.0, temperature=2000), context())
    player = Player(walker, FreshEMT())
    rng = np.random.default_rng(1)
    sample = player.play(1)[0]
    for _ in range(15):
        wild = spoiled(feedback_of(sample, player.calculator), forces=300 * rng.standard_normal((32, 3)))
        sample = walker.propose(wild)
        assert np.isfinite(sample["positions"]).all()
    assert notes


class TestBands:
    """Several geometries in one turn."""

    @pytest.fixture
    def bands(self, ethanol, save, context):
        """A walker whose function asks for three geometries in a turn, the middle one the anchor."""

        def make(lenient=False, **keywords):
            options = VerletOptions(structure=save(ethanol), **{"trajectory": 1, "patience": 2, **keywords})

            class BandWalker(VerletWalker):
                def _run(self, atoms):
                    while True:
                        images = [atoms.copy() for _ in range(3)]
                        for image, move in zip(images, (-0.01, 0.0, 0.01), strict=True):
                            image.positions[0] += move
                        atoms.calc.conversation.ask_all(images, [None, True, False], 1, lenient=lenient)
                        atoms.positions[8] += 0.01

            return Player(BandWalker(options, context()), Springs(ethanol.positions))

        return make

    def test_geometries_are_proposed_with_their_labels(self, bands, ethanol):
        p = bands()
        p.play(1)
        assert p.turns == [3]
        assert p.labels == [None, True, False]
        np.testing.assert_array_equal(p.proposals[1]["positions"], ethanol.positions)

    def test_walker_goes_back_to_the_anchor_of_the_last_band_that_was_trusted(self, bands):
        p = bands()
        p.play(8, lambda k: k < 4)
        assert p.walker.counts.resets == 1
        assert _same(p.proposals[7 * 3 + 1], p.proposals[3 * 3 + 1])

    def test_band_is_trusted_when_every_geometry_is(self, bands):
        p = bands()
        p.play(1)
        fine = p.walker.snapshot()
        found = [dataclasses.replace(p._feedback_of(s, True), trusted=k != 2) for k, s in enumerate(p.proposals)]
        assert "trusted.numbers" not in fine
        p.walker.propose(found)
        assert p.walker.trusted is None
        assert p.walker.counts.untrusted == 1

    def test_one_broken_prediction_resets(self, bands, notes):
        p = bands()
        p.play(1)
        found = [p._feedback_of(s, True) for s in p.proposals]
        found[2] = spoiled(found[2], energy=np.array(np.nan))
        again = p.walker.propose(found)
        assert notes == ["walker 0 goes back to its start structure: predicted energy not finite"]
        np.testing.assert_array_equal(again[1].sample["positions"], p.proposals[1]["positions"])

    def test_one_refused_geometry_holds_back_all(self, bands, notes, monkeypatch):
        p = bands()
        p.play(3)
        last = p.proposals[2 * 3 + 1]["positions"]
        answers = iter([None, None, "a planted problem"])
        monkeypatch.setattr(p.walker._guards, "judge", lambda atoms: next(answers, None))
        p.play(1)
        assert notes == ["walker 0 goes back to its last trusted frame: a planted problem"]
        np.testing.assert_array_equal(p.proposals[3 * 3 + 1]["positions"], last)

    def test_lenient_ones_cost_no_patience_and_anchor_nothing(self, bands):
        p = bands(lenient=True)
        p.play(20, lambda k: k % 7 == 0)
        assert p.walker.counts.resets == 0
        assert p.walker.trusted is None

    def test_every_geometry_may_stand_in_the_trajectory(self, bands, tmp_path):
        bands(trajectory=2).play(4)
        frames = ase.io.read(tmp_path / "run" / "trajectories" / "walker-000.extxyz", ":")
        assert [f.info["pal_step"] for f in frames] == [0, 2, 4, 6, 8]
