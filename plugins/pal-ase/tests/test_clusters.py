from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from ase.data import covalent_radii
from ase_engine import Player, Springs, feedback_of, spoiled
from pal_core.kernels import Stop
from pydantic import ValidationError

from pal_ase.cluster_options import ClustersOptions
from pal_ase.clusters import random_cluster
from pal_ase.dynamics import LangevinWalker
from pal_ase.optimise import OptimizeWalker
from pal_ase.options import LangevinOptions
from pal_ase.search_options import OptimizeOptions, TsSearchOptions

BISMUTH = {"composition": "Bi", "sizes": [2, 4], "charges": [-1, 0, 1]}


def _drawn(count=1, seed=0, **options):
    """Clusters of every kind, each `count` times."""
    made = ClustersOptions(**{**BISMUTH, **options})
    rng = np.random.default_rng(seed)
    return [random_cluster(kind, made, rng) for kind in made.kinds() for _ in range(count)]


def _ratios(atoms):
    """Distances over sums of covalent radii; infinite on the diagonal."""
    radii = covalent_radii[atoms.numbers]
    found = atoms.get_all_distances() / (radii[:, None] + radii)
    np.fill_diagonal(found, np.inf)
    return found


def _heights(atoms):
    """Largest extent along each principal axis, in Å, smallest first."""
    arms = atoms.positions - atoms.positions.mean(axis=0)
    return np.abs(arms @ np.linalg.svd(arms)[2].T).max(axis=0)[::-1]


# --- shapes


@pytest.mark.parametrize("composition", ["Bi", "NaCl", "Bi2Te3"])
def test_clusters_are_connected_and_no_atoms_too_close(composition):
    for atoms in _drawn(20, composition=composition, sizes=[1, 3], bonds=[0.95, 1.2], clearance=0.9):
        ratios = _ratios(atoms)
        assert ratios.min() >= 0.9
        reached = {0}
        while found := {j for i in reached for j in np.flatnonzero(ratios[i] <= 1.2 + 1e-9)} - reached:
            reached |= found
        assert len(reached) == len(atoms)


def test_distances_fill_the_range_of_bonds():
    found = [_ratios(atoms)[0, 1] for atoms in _drawn(100, sizes=[2, 2], charges=[0])]
    assert 0.9 <= min(found) < 0.92 < 1.13 < max(found) <= 1.15


def test_shapes_are_what_they_are_called():
    by_shape = {"compact": [], "planar": [], "linear": []}
    for atoms in _drawn(30, sizes=[6, 6], charges=[0]):
        by_shape[atoms.info["shape"]].append(_heights(atoms))
    flat, wide, long = (np.median(by_shape[s], axis=0) for s in ("compact", "planar", "linear"))
    assert max(h[0] for h in by_shape["planar"]) < 1e-9
    assert flat[0] > 1.0  # three dimensions
    assert flat[2] < wide[2] < long[2]
    assert min(h[2] for h in by_shape["linear"]) > 6.0


def test_elements_are_mixed_at_random_and_stand_in_the_order_of_the_formula():
    clusters = _drawn(60, composition="NaCl", sizes=[2, 2], shapes=["linear"], charges=[0])
    assert {str(atoms.symbols) for atoms in clusters} == {"Na2Cl2"}
    neighbours = Counter(int(np.argmin(_ratios(atoms)[0])) for atoms in clusters)
    assert min(neighbours[k] for k in (1, 2, 3)) > 5


def test_clusters_are_turned_at_random():
    axes = np.array([np.diff(a.positions, axis=0)[0] for a in _drawn(300, sizes=[2, 2], charges=[0])])
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    np.testing.assert_allclose(axes.T @ axes / 300, np.eye(3) / 3, atol=0.08)


# --- kinds


def test_every_size_charge_and_shape_comes_once():
    kinds = list(ClustersOptions(**BISMUTH).kinds())
    assert len(kinds) == len(set(kinds)) == 3 * (1 + 2 + 3)
    assert {len(k.numbers) for k in kinds[:9]} == {2, 3, 4}
    shapes = {n: {k.shape for k in kinds if len(k.numbers) == n} for n in (2, 3, 4)}
    assert shapes == {2: {"linear"}, 3: {"planar", "linear"}, 4: {"compact", "planar", "linear"}}


def test_lowest_multiplicity_goes_with_the_electrons():
    found = {(len(k.numbers), k.charge): k.multiplicity for k in ClustersOptions(**BISMUTH).kinds()}
    assert found == {(n, q): 1 + (83 * n - q) % 2 for n in (2, 3, 4) for q in (-1, 0, 1)}


def test_multiplicities_are_those_asked_for_that_fit():
    kinds = ClustersOptions(**{**BISMUTH, "multiplicities": [1, 2, 3]}).kinds()
    assert {(k.multiplicity, (sum(k.numbers) - k.charge) % 2) for k in kinds} == {(1, 0), (3, 0), (2, 1)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"composition": "Bi 2"}, "found 'Bi 2', expected a formula"),
        ({"composition": "Bj2"}, "'Bj2': there is no element Bj"),
        ({"sizes": [4, 2]}, r"sizes = \[4, 2\]: the first number must not be above the second"),
        ({"clearance": 1.0}, "clearance = 1 must not be above the shortest bond, 0.9"),
        ({"composition": "H", "sizes": [1, 2]}, r"charges: \+1 leaves 1 atoms of H no electron"),
        ({"multiplicities": [1]}, "multiplicities = .1.: none goes with 2 atoms of charge -1, .* electrons is odd"),
    ],
)
def test_impossible_clusters_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        ClustersOptions(**{**BISMUTH, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"charge": 1}, "charge and multiplicity of random clusters are structure.charges"),
        ({"closest": 0.9}, "closest = 0.9 refuses structure.clearance = 0.85"),
        ({"connected": 1.1}, r"connected = 1.1 refuses structure.bonds = \[0.9, 1.15\]"),
        ({"structure": {**BISMUTH, "size": 3}}, "structure.clusters.size\n"),
        ({"structure": "nowhere.xyz"}, "there is no file nowhere.xyz"),
    ],
)
def test_settings_that_would_refuse_their_own_clusters_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        LangevinOptions(**{"structure": BISMUTH, "steps": 10, **changes})


def test_kernels_that_need_a_file_take_no_clusters():
    with pytest.raises(ValidationError, match="not a valid path"):
        TsSearchOptions(structure=BISMUTH)


# --- walkers


class Pairs(Springs):
    """Harmonic bonds of 3 Å between all atoms."""

    def __init__(self):
        super().__init__(None)

    def calculate(self, atoms=None, properties=None, system_changes=None):
        self.places = atoms.positions
        super().calculate(atoms, properties, system_changes)
        arms = atoms.positions[:, None] - atoms.positions
        length = np.linalg.norm(arms, axis=-1) + np.eye(len(atoms))
        off = (length - 3.0) * (1 - np.eye(len(atoms)))
        forces = -(off / length)[..., None] * arms
        self.results = {"energy": 0.25 * (off**2).sum(), "forces": forces.sum(axis=1)}


@pytest.fixture
def player(context):
    def make(index=0, count=2, **options):
        values = {"structure": BISMUTH, "steps": 5, "jobs": "endless", "timestep": 2.0, "trajectory": 0}
        return Player(LangevinWalker(LangevinOptions(**{**values, **options}), context(index, count=count)), Pairs())

    return make


def _kind(sample):
    return len(sample["numbers"]), int(sample["charge"])


def _jobs(proposals, length=6):
    return [proposals[k] for k in range(0, len(proposals), length)]


def test_walkers_take_every_kind_once_with_the_list(player):
    players = [player(index=k, jobs="list") for k in range(2)]
    found = Counter(_kind(s) for p in players for s in _jobs(p.play()))
    assert found == {(n, q): n - 1 for n in (2, 3, 4) for q in (-1, 0, 1)}
    assert [p.stop for p in players] == [Stop("45 steps made")] * 2


def test_no_two_jobs_begin_with_the_same_geometry_and_runs_can_be_repeated(player):
    firsts = [[_jobs(player(index=k, jobs=20).play()) for k in range(2)] for _ in range(2)]
    for one, other in zip(*firsts, strict=True):
        assert all(np.array_equal(a["positions"], b["positions"]) for a, b in zip(one, other, strict=True))
    lengths = [np.linalg.norm(np.diff(s["positions"][:2], axis=0)) for walker in firsts[0] for s in walker]
    assert len(set(lengths)) == len(lengths) == 40


@pytest.mark.parametrize("before", [1, 6, 9, 14])
def test_restored_walker_goes_on_bit_for_bit(before, player):
    whole = player(jobs=4)
    whole.play()
    first = player(jobs=4)
    first.play(before)
    second = player(jobs=4)
    second.walker.restore(first.walker.snapshot())
    second.play()
    for one, other in zip(second.proposals, whole.proposals[before - 1 :], strict=True):
        np.testing.assert_array_equal(one["positions"], other["positions"])


def _torn(sample):
    """Forces that pull the last atom away."""
    forces = np.zeros((len(sample["numbers"]), 3))
    forces[-1] = 500.0 * (sample["positions"][-1] - sample["positions"][:-1].mean(axis=0))
    return forces


def test_cluster_that_falls_apart_is_left_for_another_one_and_that_is_noted(player, notes):
    p = player(index=1, structure={**BISMUTH, "sizes": [4, 4]}, timestep=10.0, hot=0, steps=50, isolated=0, spread=0)
    p.play(3)
    left = p.proposals[0]
    wild = spoiled(feedback_of(p.proposals[2], p.calculator), forces=_torn(p.proposals[2]))
    following = p.walker.propose(wild)
    assert notes == [
        "walker 1 leaves Bi4 (charge +0, multiplicity 1, compact): fell apart into Bi3 and Bi, further from each other "
        "than 1.6 times the sum of the covalent radii"
    ]
    assert _kind(following) != _kind(left)
    assert p.walker.counts.resets == 1
    assert p.walker.counts.runs == 1


def test_next_cluster_gets_all_its_steps_although_the_last_one_was_left_early(player):
    p = player(structure={**BISMUTH, "sizes": [3, 4]}, timestep=10.0, hot=0, steps=20)
    p.play(3)
    p._feedback = spoiled(feedback_of(p.proposals[2], p.calculator), forces=_torn(p.proposals[2]))
    p.calculator, before = Pairs(), len(p.proposals)
    p.play(21)
    assert {_kind(s) for s in p.proposals[before : before + 21]} == {_kind(p.proposals[before])}
    assert p.walker.counts.runs == 1
    p.play(1)
    assert p.walker.counts.runs == 2


def test_untrusted_walker_stays_with_its_cluster(player, notes):
    p = player(patience=2, steps=50)
    p.play(20, lambda k: False)
    assert p.walker.counts.runs == 0
    assert p.walker.counts.resets > 3
    assert notes == []


def test_bootstrap_samples_are_clusters_of_all_kinds(player):
    walker = player(rattle=0.1).walker
    samples = [walker.bootstrap() for _ in range(200)]
    found = Counter(_kind(s) for s in samples)
    assert set(found) == {(n, q) for n in (2, 3, 4) for q in (-1, 0, 1)}
    assert len({s["positions"].tobytes() for s in samples}) == 200
    assert all(int(s["multiplicity"]) == 1 + (83 * n - q) % 2 for s in samples for n, q in [_kind(s)])


def test_minima_are_searched_from_random_clusters(context):
    options = OptimizeOptions(structure={**BISMUTH, "charges": [0]}, jobs="list", trajectory=0, isolated=0, connected=0)
    p = Player(OptimizeWalker(options, context()), Pairs())
    p.play()
    assert p.stop == Stop("6 jobs done")
    path = context().directory / "minima" / "walker-000.extxyz"
    assert path.read_text().count("pal_job=") == 6


def test_single_atoms_are_clusters_too(player):
    p = player(structure={"composition": "Bi", "sizes": [1, 1]}, steps=2)
    p.calculator = Springs(np.zeros((1, 3)))
    p.play(4)
    assert [len(s["numbers"]) for s in p.proposals] == [1] * 4


def test_example_structures_are_not_made_anew_for_every_walker(context):
    options = LangevinOptions(structure=BISMUTH, steps=1)
    one, other = (LangevinWalker(options, context(k, count=2)) for k in range(2))
    assert one.structures is other.structures
    assert all(isinstance(atoms, Atoms) for atoms in one.structures)
