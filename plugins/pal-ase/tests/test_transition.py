"""Whole searches for transition states, against other programs and against ASE run directly."""

from __future__ import annotations

import json

import ase.build
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.mep import NEB
from ase.optimize import BFGS
from ase_engine import FreshEMT, Player, Springs
from pal_core.errors import PalError
from pal_core.kernels import Stop
from surfaces import MINIMA, SADDLE_ENERGIES, SADDLES, SCALE, MullerBrown, on_surface

from pal_ase.search_options import TsSearchOptions
from pal_ase.transition import TsSearchWalker

OPEN = {"isolated": 0, "spread": 0, "closest": 0, "trajectory": 0}


def walker_of(context, structure, index=0, **keywords):
    return TsSearchWalker(TsSearchOptions(structure=structure, **{**OPEN, "confirm": 0, **keywords}), context(index))


def records(context):
    return json.loads((context().directory / "transition-states" / "walker-000.json").read_text())


@pytest.fixture
def valleys(save):
    """The two deepest minima of the surface, as a file of one pair."""
    return save(on_surface(*MINIMA[0]), on_surface(*MINIMA[1]), name="pair.traj")


def plane(context, structure, **keywords):
    """A search on the Müller-Brown surface, where steps are short."""
    short = {"longest": 0.1, "fmax": 0.001, "displacement": 0.001, "irc_step": 0.03, "rattle": 0.02, **keywords}
    return Player(walker_of(context, structure, **short), MullerBrown())


class TestBand:
    """From reactant and product."""

    def test_highest_saddle_point_between_two_minima_is_found(self, valleys, context):
        player = plane(context, valleys, pairs=True, images=11)
        player.play()
        assert player.stop == Stop("1 jobs done")
        (record,) = records(context)
        assert record["energy"] == pytest.approx(SADDLE_ENERGIES[0], abs=1e-4)
        assert record["barrier"] == pytest.approx(SADDLE_ENERGIES[0] + SCALE * 146.700, abs=2e-4)
        # Behind the saddle lies the shallow minimum in the middle, and not the product.
        assert [side["is"] for side in record["sides"]] == ["reactant", None]
        assert record["connects"] is False

    def test_band_takes_as_many_turns_as_steps_whatever_its_images(self, valleys, context):
        player = plane(context, valleys, pairs=True, images=11, relax_ends=False)
        player.play()
        bands = [n for n in player.turns if n == 11]
        assert len(bands) > 10
        assert player.turns[0] == 13, "the ends once, with the first band"
        assert len(player.turns) < len(player.proposals) / 4

    def test_barrier_of_an_adatom_is_that_of_ases_own_band(self, save, context):
        """Aluminium hops on Al(100) from hollow to hollow, over the bridge."""
        first = ase.build.fcc100("Al", size=(2, 2, 3))
        ase.build.add_adsorbate(first, "Al", 2.0, "hollow")
        first.center(axis=2, vacuum=4.0)
        first.set_constraint(FixAtoms(mask=[atom.tag > 1 for atom in first]))
        last = first.copy()
        last.positions[-1, 0] += first.cell[0, 0] / 2
        path = save(first, last, name="hop.traj")
        Player(walker_of(context, path, pairs=True, images=5, fmax=0.02), FreshEMT()).play()
        (record,) = records(context)

        images = [first, *(first.copy() for _ in range(5)), last]
        for image in images:
            image.calc = EMT()
        for end in (first, last):
            BFGS(end, logfile=None).run(fmax=0.02)
        neb = NEB(images, climb=True, method="improvedtangent")
        neb.interpolate(method="idpp")
        BFGS(neb, logfile=None).run(fmax=0.02, steps=200)
        barrier = max(i.get_potential_energy() for i in images) - first.get_potential_energy()
        assert record["barrier"] == pytest.approx(barrier, abs=2e-3)
        assert record["barrier_back"] == pytest.approx(barrier, abs=2e-3)
        assert record["connects"] is True

    def test_pair_without_a_barrier_is_a_failure_with_its_reason(self, save, context, notes):
        first, last = on_surface(0, 0), on_surface(0.3, 0.4)
        walker = walker_of(context, save(first, last, name="pair.traj"), pairs=True, images=3, relax_ends=False)
        Player(walker, Springs(first.positions)).play()
        (record,) = records(context)
        assert not record["found"]
        assert record["reason"].startswith("no barrier")
        assert notes == [f"walker 0: no transition state: {record['reason']}"]

    def test_bootstrap_samples_lie_along_the_paths(self, valleys, context):
        player = plane(context, valleys, pairs=True)
        x = np.array([player.walker.bootstrap()["positions"][0] for _ in range(40)])
        assert x[:, 0].min() < -0.4
        assert x[:, 0].max() > 0.5
        assert ((x[:, 0] > -0.2) & (x[:, 0] < 0.3)).sum() > 5


class TestGuess:
    """From a guess."""

    def test_saddle_point_near_a_guess_is_found(self, save, context):
        player = plane(context, save(on_surface(*(SADDLES[1] + 0.05)), name="guess.traj"))
        player.play()
        (record,) = records(context)
        assert record["energy"] == pytest.approx(SADDLE_ENERGIES[1], abs=2e-5)
        assert record["connects"] is None
        assert record["imaginary_frequency"] > 50
        frames = ase.io.read(context().directory / "transition-states" / "walker-000.extxyz", ":")
        roles = [f.info["pal_role"] for f in frames]
        assert (roles[0], roles[-1], roles.count("transition state")) == ("minimum", "minimum", 1)
        ends = np.array([frames[k].positions[0, :2] for k in (0, -1)])
        assert {int(np.argmin(np.linalg.norm(MINIMA - e, axis=1))) for e in ends} == {1, 2}

    def test_displacements_are_not_to_be_labelled_but_what_was_found_is(self, save, context):
        player = plane(context, save(on_surface(*(SADDLES[1] + 0.05)), name="guess.traj"), path=4)
        player.play()
        assert player.labels.count(True) == 5
        hessians = [n for n in player.turns if n == 7]
        assert player.labels.count(False) == 6 * len(hessians)
        wanted = [s["positions"] for s, w in zip(player.proposals, player.labels, strict=True) if w]
        np.testing.assert_allclose(wanted[0][0, :2], SADDLES[1], atol=1e-3)

    def test_minimum_is_no_transition_state(self, save, context, notes):
        start = save(on_surface(*MINIMA[0]), name="guess.traj")
        plane(context, start, steps=1, fmax=5.0).play()
        assert notes == ["walker 0: no transition state: 0 imaginary frequencies beyond 50 cm^-1"]
        assert records(context)[0]["reason"] == "0 imaginary frequencies beyond 50 cm^-1"

    def test_failure_of_a_model_that_is_not_trusted_there_is_not_the_last_word(self, save, context):
        start = save(on_surface(*MINIMA[0]), name="guess.traj")
        player = plane(context, start, steps=1, fmax=5.0, patience=1000)
        player.play(3, trusted=lambda k: False)
        assert not (context().directory / "transition-states").exists()
        assert player.walker.counts.setbacks == 2
        player.play()
        assert records(context)[0]["reason"] == "0 imaginary frequencies beyond 50 cm^-1"

    def test_next_structure_is_taken_after_a_failure_as_after_a_success(self, save, context):
        path = save(*(on_surface(*x) for x in (SADDLES[1] + 0.03, MINIMA[0], SADDLES[0] + 0.03)), name="g.traj")
        plane(context, path, steps=30).play()
        assert [(r["job"], r["found"]) for r in records(context)] == [(0, True), (1, False), (2, True)]


class TestConfirmation:
    """Newer models look at what was found."""

    def start(self, save, context, **keywords):
        return plane(
            context, save(on_surface(*(SADDLES[1] + 0.05)), name="guess.traj"), confirm=0.02, **{"newer": 1, **keywords}
        )

    def until_waiting(self, player):
        """Play until the transition state has been sent to the oracle and the walker looks around."""
        while True not in player.labels:
            player.play(1)
        player.play(3)

    def test_walker_waits_for_a_newer_model_and_ends_when_it_agrees(self, save, context):
        player = self.start(save, context)
        self.until_waiting(player)
        assert player.stop is None
        assert not records(context)[0]["confirmed"]
        assert player.labels[-7:] == [None] * 7, "around the path the selection decides"
        player.version = 2
        player.play()
        (record,) = records(context)
        assert record["confirmed"]
        assert record["version"] == 2
        assert player.labels.count(True) == 7

    def test_model_that_is_hardly_newer_is_no_news(self, save, context):
        player = self.start(save, context, newer=3)
        self.until_waiting(player)
        player.version = 3
        player.play(10)
        assert player.stop is None
        player.version = 4
        player.play()
        assert records(context)[0]["version"] == 4

    def test_transition_state_that_has_moved_is_sent_again(self, save, context):
        player = self.start(save, context)
        self.until_waiting(player)
        player.version, player.calculator = 2, Lifted(0.1)
        while player.labels.count(True) < 14:
            player.play(1)
        assert not records(context)[0]["confirmed"]
        assert records(context)[0]["energy"] == pytest.approx(SADDLE_ENERGIES[1] + 0.1, abs=2e-5)
        player.version = 3
        player.play()
        assert records(context)[0]["confirmed"]

    def test_model_that_doesnt_trust_itself_there_confirms_nothing(self, save, context):
        player = self.start(save, context, patience=1000)
        self.until_waiting(player)
        player.version = 2
        while player.labels.count(True) < 14:
            player.play(1, lambda k: False)
        assert not records(context)[0]["confirmed"]

    def test_without_a_newer_model_it_takes_what_it_has(self, save, context, notes):
        player = self.start(save, context, wait=1e-3)
        player.play()
        assert player.stop == Stop("1 jobs done")
        assert notes == ["walker 0: no newer model has looked at its transition state"]
        assert not records(context)[0]["confirmed"]

    def test_doubts_around_the_path_cost_no_patience(self, save, context):
        player = self.start(save, context, patience=0, wait=20)
        self.until_waiting(player)
        player.play(10, lambda k: False)
        assert player.walker.counts.resets == 0

    def test_what_was_found_stays_when_the_job_is_given_up(self, save, context, notes):
        player = self.start(save, context, patience=0, give_up_after=2)
        self.until_waiting(player)
        player.version = 2
        player.play(trusted=lambda k: False)
        assert player.stop == Stop("1 jobs done")
        assert (
            notes[-1]
            == "walker 0: job 0 is given up after 2 resets by the same model, the last time since patience is over"
        )
        (record,) = records(context)
        assert (record["found"], record["confirmed"], record["version"]) == (True, False, 1)


class Lifted(MullerBrown):
    """The surface, higher."""

    def __init__(self, height):
        super().__init__()
        self.height = height

    def calculate(self, atoms=None, properties=None, system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.results["energy"] += self.height


class TestRestart:
    """Resets and snapshots."""

    def test_search_goes_on_at_the_last_trusted_geometry_after_impatience(self, save, context):
        player = plane(context, save(on_surface(*MINIMA[2]), name="guess.traj"), patience=1, fmax=1e-5)
        player.play(6, lambda k: k < 3)
        centres = [player.proposals[sum(player.turns[:k])]["positions"] for k in range(6)]
        np.testing.assert_array_equal(centres[5], centres[2])

    def test_restored_walker_begins_at_the_last_trusted_geometry(self, save, context):
        path = save(on_surface(*MINIMA[2]), name="guess.traj")
        player = plane(context, path, fmax=1e-5)
        player.play(4)
        twin = plane(context, path, fmax=1e-5)
        twin.walker.restore(player.walker.snapshot())
        np.testing.assert_array_equal(twin.play(1)[0]["positions"], player.proposals[2 * 7]["positions"])

    def test_restored_walker_goes_on_with_its_band(self, valleys, context):
        player = plane(context, valleys, pairs=True, images=5, relax_ends=False)
        player.play(12)
        state = player.walker.snapshot()
        assert state["band"].shape == (7, 2, 3)
        twin = plane(context, valleys, pairs=True, images=5, relax_ends=False)
        twin.walker.restore(state)
        twin.play(1)
        found = [s["positions"] for s in twin.proposals[1:6]]
        np.testing.assert_allclose(found, state["band"][1:-1], atol=1e-12)


class TestOptions:
    """What is refused."""

    def test_reactants_and_products_must_be_as_many(self, save, context):
        one, three = save(*[on_surface(*MINIMA[0])] * 2), save(*[on_surface(*MINIMA[1])] * 3, name="more.extxyz")
        with pytest.raises(PalError, match=r"ase.ts-search: 2 reactants, but 3 products"):
            walker_of(context, one, product=three)

    def test_reactant_and_product_must_have_the_same_atoms(self, save, context):
        path = save(
            Atoms("HCN", [[0, 0, -1], [0, 0, 0], [0, 0, 1.2]]),
            Atoms("CHN", [[0, 0, -1], [0, 0, 0], [0, 0, 1]]),
        )
        with pytest.raises(
            PalError, match=r"reaction 0: reactant HCN and product CHN don't have the same atoms in the"
        ):
            walker_of(context, path, pairs=True)

    def test_one_source_of_products(self, valleys):
        with pytest.raises(ValueError, match="not both"):
            TsSearchOptions(structure=valleys, pairs=True, product=valleys)

    def test_file_of_products_must_be_there(self, valleys, tmp_path):
        with pytest.raises(ValueError, match="there is no file"):
            TsSearchOptions(structure=valleys, product=tmp_path / "none.xyz")


class TestXtb:
    """Hydrogen cyanide on GFN2-xTB; geomeTRIC 1.1.1 finds its transition state at -5.387374 Eh, run on the same xTB."""

    @pytest.fixture
    def pair(self, save):
        cyanide = Atoms("CNH", [[0, 0, 0], [0, 0, 1.16], [0, 0.04, -1.07]])
        isocyanide = Atoms("CNH", [[0, 0, 0], [0, 0, 1.17], [0, 0.04, 2.17]])
        return save(cyanide, isocyanide)

    @pytest.mark.parametrize("method", ["eigenvector", "dimer", "sella"])
    def test_transition_state_is_that_of_an_independent_program(self, method, pair, context):
        tblite = pytest.importorskip("tblite.ase")
        if method == "sella":
            pytest.importorskip("sella")
        xtb = tblite.TBLite(method="GFN2-xTB", accuracy=0.01, verbosity=0, cache_api=False)
        player = Player(walker_of(context, pair, pairs=True, method=method), xtb)
        player.play()
        (record,) = records(context)
        assert record["energy"] / 27.211386245988 == pytest.approx(-5.387374, abs=1e-5)
        assert sum(f < -50 for f in record["frequencies"]) == 1
        assert record["connects"] is True
        assert [side["is"] for side in record["sides"]] == ["reactant", "product"]
