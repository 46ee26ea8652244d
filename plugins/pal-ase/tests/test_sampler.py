from __future__ import annotations

from pathlib import Path

import ase.io
import ase_engine
import numpy as np
import pytest
import test_modes
from ase import Atoms
from ase.build import molecule
from ase.data import covalent_radii
from ase_engine import Player, Springs, feedback_of, spoiled
from pal_core.errors import PalError
from pal_core.kernels import Stop
from pydantic import ValidationError
from scipy import stats

from pal_ase.placements import between, end_of_transfer, place_fragment, two_fragments
from pal_ase.sampler import Sampler
from pal_ase.sampler_options import SamplerOptions

REFERENCE = Path(__file__).resolve().parents[4] / "shared" / "reference" / "hat"
EMT = {"calculator": f"{ase_engine.__file__}:FreshEMT"}


@pytest.fixture
def complex_():
    """Methyl above ethane: H3C-CH2-H ... CH3. Carbons 0, 1 and 8; hydrogen 2 points to the radical."""
    ethane, methyl = molecule("C2H6"), molecule("CH3")
    way = ethane.positions[2] - ethane.positions[0]
    methyl.positions += ethane.positions[2] + 1.6 * way / np.linalg.norm(way) - methyl.positions[0]
    return ethane + methyl


@pytest.fixture
def make(save, context, complex_):
    def sampler(*structures, index=0, count=1, **options):
        path = save(*(structures or (complex_,)), name=f"list{len(structures)}.extxyz")
        base = {"structure": path, "trajectory": 0, "closest": 0.4, "spread": 0}
        return Sampler(SamplerOptions(**{**base, **options}), context(index, count=count))

    return sampler


def draws(sampler, count):
    return np.array([sampler.bootstrap()["positions"] for _ in range(count)])


# --- two fragments


def test_molecules_are_found_by_their_bonds(complex_):
    first, second = two_fragments(complex_)
    assert (first.tolist(), second.tolist()) == (list(range(8)), list(range(8, 12)))
    with pytest.raises(ValueError, match="1 molecules, expected two"):
        two_fragments(molecule("C2H6"))


def test_fragments_come_as_near_as_asked_for_and_keep_their_shape(make, complex_):
    sampler = make(fragments={"distance": [1.8, 3.0]}, rattle=0)
    found = draws(sampler, 300)
    nearest = np.linalg.norm(found[:, :8, None] - found[:, None, 8:], axis=-1).min(axis=(1, 2))
    assert stats.kstest(nearest, stats.uniform(1.8, 1.2).cdf).pvalue > 0.01
    for part in (slice(0, 8), slice(8, 12)):
        shape = np.linalg.norm(found[:, part, None] - found[:, None, part], axis=-1)
        own = complex_.positions[part]
        np.testing.assert_allclose(
            shape, np.linalg.norm(own[:, None] - own[None], axis=-1)[None] + 0 * shape, atol=1e-9
        )
    np.testing.assert_array_equal(found[:, :8], np.broadcast_to(complex_.positions[:8], (300, 8, 3)))


def test_directions_and_orientations_are_uniform():
    rng = np.random.default_rng(0)
    ball = molecule("CH3").positions
    positions = np.vstack([[[0, 0, 0]], ball])
    found = np.array([place_fragment(positions, np.array([0]), np.arange(1, 5), 2.0, rng) for _ in range(1500)])
    centre = found[:, 1:].mean(axis=1)
    ways = centre / np.linalg.norm(centre, axis=1)[:, None]
    axes = np.cross(found[:, 3] - found[:, 2], found[:, 4] - found[:, 2])
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    for arrows in (ways, axes):
        # A component of a vector uniform on the sphere is uniform between -1 and 1.
        for component in arrows.T:
            assert stats.kstest(component, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_atom_that_slips_through_a_ring_is_no_placement():
    angles = np.arange(6) * np.pi / 3
    ring = np.stack([3 * np.cos(angles), 3 * np.sin(angles), 0 * angles], axis=1)
    positions = np.vstack([ring, [[0, 0, 5]]])
    rng = np.random.default_rng(1)
    found = [place_fragment(positions, np.arange(6), np.array([6]), 1.5, rng) for _ in range(200)]
    assert any(f is None for f in found)
    for f in found:
        if f is not None:
            assert np.linalg.norm(f[:6] - f[6], axis=1).min() == pytest.approx(1.5)


# --- transfer of an atom


def test_starts_ends_and_points_between_come_in_their_shares(make, complex_):
    sampler = make(transfer={"atoms": [[0, 2, 8]], "shares": [1, 2, 3], "clearance": 0.5}, rattle=0)
    found = draws(sampler, 600)
    donor, acceptor = (np.linalg.norm(found[:, 2] - found[:, k], axis=1) for k in (0, 8))
    start = np.isclose(donor, complex_.get_distance(0, 2))
    end = np.isclose(acceptor, covalent_radii[1] + covalent_radii[6])
    assert not (start & end).any()
    shares = np.array([start.sum(), end.sum(), 600 - start.sum() - end.sum()])
    assert stats.chisquare(shares, [100, 200, 300]).pvalue > 0.01
    others = np.delete(np.arange(12), 2)
    np.testing.assert_array_equal(found[:, others], np.broadcast_to(sampler.start.positions[others], (600, 11, 3)))


def test_points_between_lie_in_the_sphere_about_the_middle():
    rng = np.random.default_rng(0)
    start, end = np.array([1.0, 0, 0]), np.array([1.0, 2.0, 0])
    found = np.array([between(start, end, rng) for _ in range(2000)]) - [1, 1, 0]
    away = np.linalg.norm(found, axis=1)
    assert stats.kstest(away, stats.uniform(0, 1).cdf).pvalue > 1e-3
    assert stats.kstest(found[:, 2] / away, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_transferred_atom_keeps_clear_of_all_others(make):
    sampler = make(transfer={"atoms": [[0, 2, 8]], "shares": [0, 0, 1], "clearance": 1.2}, rattle=0)
    found = draws(sampler, 200)
    distances = np.linalg.norm(np.delete(found, 2, axis=1) - found[:, 2:3], axis=-1)
    assert 1.2 <= distances.min() < 1.21


def test_environment_is_displaced_along_with_a_transfer(make, complex_):
    sampler = make(transfer={"atoms": [[0, 2, 8]]}, modes={"weight": 0, "reference": EMT, "temperature": 200})
    found = draws(sampler, 60)
    others = np.delete(np.arange(12), 2)
    spread = (found[:, others] - complex_.positions[others]).std(axis=(0, 2))
    assert (spread > 0.005).all()
    assert (spread < 1.0).all()


def _published():
    """Structures of published samples, three after another: start, a point between, end; with the atom that moves."""
    for name in ("aa_test_nms_hat", "aa_test_nms_hat_intra"):
        images = ase.io.read(REFERENCE / f"{name}_coords_sampled.xyz", ":")
        for k in range(0, len(images), 3):
            three = np.array([image.positions for image in images[k : k + 3]])
            (moving,) = np.flatnonzero(np.ptp(three, axis=0).max(axis=1) > 1e-6)
            yield images[k].numbers, three, moving


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the published samples are not there")
def test_donor_hydrogen_acceptor_distances_are_like_published_ones():
    """Data: aimat-lab/hat_pes_learning. Each published point is laid into the distribution that is drawn from here."""
    rng, ranks, ours, theirs = np.random.default_rng(0), [], [], []
    for numbers, (start, middle, end), moving in _published():
        heavy = np.flatnonzero(numbers != 1)
        donor, acceptor = (heavy[np.linalg.norm(p[heavy] - p[moving], axis=1).argmin()] for p in (start, end))
        reached = end_of_transfer(start, numbers, (donor, moving, acceptor))
        theirs.append(np.linalg.norm(end[moving] - end[acceptor]))
        ours.append(np.linalg.norm(reached - start[acceptor]))
        for atom in (donor, acceptor):
            drawn = [np.linalg.norm(between(start[moving], end[moving], rng) - start[atom]) for _ in range(1000)]
            published = np.linalg.norm(middle[moving] - start[atom])
            assert min(drawn) - 0.1 < published < max(drawn) + 0.1
            ranks.append(np.mean(np.array(drawn) < published))
    assert len(ranks) == 10
    assert stats.kstest(ranks, stats.uniform(0, 1).cdf).pvalue > 0.05
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.05)


# --- the walker


def test_weights_are_the_shares_of_the_ways(make, complex_):
    ways = {"modes": {"weight": 0, "reference": EMT, "temperature": 1}, "fragments": {"weight": 3, "distance": [6, 7]}}
    found = draws(make(**ways, transfer={"weight": 1, "atoms": [[0, 2, 8]]}), 400)
    far = np.linalg.norm(found[:, :8, None] - found[:, None, 8:], axis=-1).min(axis=(1, 2)) > 5
    assert stats.binomtest(int(far.sum()), 400, 0.75).pvalue > 0.01


def test_samples_and_bootstrap_have_one_distribution(make):
    sampler = make(fragments={"distance": [1.8, 3.0]}, rattle=0)
    walked = Player(sampler, Springs(sampler.start.positions)).play(300)
    nearest = [
        np.linalg.norm(p[:, :8, None] - p[:, None, 8:], axis=-1).min(axis=(1, 2))
        for p in (np.stack([s["positions"] for s in walked]), draws(sampler, 300))
    ]
    assert stats.ks_2samp(*nearest).pvalue > 0.01


def test_feedback_changes_nothing_but_the_count(make):
    first, second = make(transfer={"atoms": [[0, 2, 8]]}), make(transfer={"atoms": [[0, 2, 8]]})
    calm = Player(first, Springs(first.start.positions)).play(12)
    sample = second.propose(None)
    for k in range(1, 12):
        told = feedback_of(sample, Springs(second.start.positions), trusted=False)
        sample = second.propose(spoiled(told, energy=np.array(np.nan)))
        np.testing.assert_array_equal(sample["positions"], calm[k]["positions"])
    assert (second.counts.predictions, second.counts.resets) == (11, 0)


def test_sampler_goes_through_a_list(make, complex_):
    small = complex_.copy()
    del small[1]
    small.info["transfer"] = [0, 1, 7]
    complex_.info["transfer"] = [0, 2, 8]
    sampler = make(complex_, small, transfer={}, samples=3, jobs="list", isolated=0)
    player = Player(sampler, Springs(0))
    assert [len(p["numbers"]) for p in player.play()] == [12, 12, 12, 11, 11, 11]
    assert player.stop == Stop("6 samples proposed")


def test_second_derivatives_are_computed_once_and_kept(make, tmp_path, monkeypatch):
    options = {"modes": {"reference": EMT, "temperature": 100}}
    first = make(**options).bootstrap()
    (path,) = (tmp_path / "run" / "hessians").glob("*.npy")
    assert np.load(path).shape == (36, 36)
    monkeypatch.setattr("pal_ase.hessians.finite_differences", lambda *_: pytest.fail("computed again"))
    np.testing.assert_array_equal(make(**options).bootstrap()["positions"], first["positions"])


def test_stored_second_derivatives(make, complex_, tmp_path):
    path = tmp_path / "hessian.npy"
    np.save(path, np.stack([np.eye(36), 4.0 * np.eye(36)]))
    moved = complex_.copy()
    moved.positions += 50
    modes = {"hessian": path, "temperature": 300, "lowest": 1}
    found = draws(make(complex_, moved, modes=modes, isolated=0, closest=0), 600)
    second = found.mean(axis=(1, 2)) > 25
    spreads = [(found[chosen] - atoms.positions).var() for chosen, atoms in ((~second, complex_), (second, moved))]
    assert spreads[0] / spreads[1] == pytest.approx(4, rel=0.15)
    with pytest.raises(
        PalError, match=r"ase.sampler: modes.hessian: .*hessian.npy has no finite array of shape \(24, 24\)"
    ):
        make(molecule("C2H6"), modes=modes).bootstrap()


def test_failing_reference_is_named(make):
    reference = {"calculator": f"{test_modes.__file__}:Failing"}
    with pytest.raises(
        PalError, match=r"ase.sampler: modes.reference: second derivatives of frame 0: crashed: .*planted"
    ):
        make(modes={"reference": reference}).bootstrap()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fragments": {"first": [0, 12]}}, r"fragments.first: atoms \[0, 12\] are no part of the 12 of frame 0"),
        ({"fragments": {"first": list(range(12))}}, "are no part of the 12 of frame 0"),
        ({"transfer": {}}, r"transfer: frame 0 of .* with 12 atoms: found \[\[\]\], expected donor, hydrogen"),
        ({"transfer": {"atoms": [[0, 2, 12]]}}, r"found \[\[0, 2, 12\]\], expected donor"),
    ],
)
def test_atoms_that_are_not_there_are_named(options, message, make):
    with pytest.raises(PalError, match=message):
        make(**options)


def test_one_molecule_has_no_two_fragments(make):
    with pytest.raises(PalError, match=r"ase.sampler: fragments: frame 0 of .*: 1 molecules, expected two") as caught:
        make(molecule("C2H6"), fragments={})
    assert caught.value.hint == "name the atoms of one fragment by fragments.first"


def test_sampler_that_can_only_clash_gives_up(make):
    with pytest.raises(
        PalError, match=r"gave no acceptable geometry in 200 tries; the last problem was: the transferred"
    ):
        make(transfer={"atoms": [[0, 2, 8]], "shares": [0, 1, 0], "clearance": 2.0}).bootstrap()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "found no way of sampling with a weight, expected modes, fragments or transfer"),
        ({"fragments": {"weight": 0}}, "found no way of sampling with a weight"),
        ({"modes": {}}, "modes need second derivatives: either hessian or reference"),
        ({"modes": {"hessian": "/no/such.npy"}}, "there is no file /no/such.npy"),
        ({"fragments": {"distance": [3, 2]}}, r"distance = \[3.0, 2.0\]: the first number must not be above"),
        ({"transfer": {"atoms": [[0, 2, 0]]}}, "an atom occurs twice"),
        ({"transfer": {"atoms": [[0, 2, 8]], "shares": [0, 0, 0]}}, "shares are all zero"),
        ({"fragments": {}, "jobs": "list"}, "jobs = 'list' needs samples"),
    ],
)
def test_impossible_options_are_refused(options, message, make):
    with pytest.raises(ValidationError, match=message):
        make(**options)


def test_atoms_of_a_transfer_stand_in_the_structure(make, complex_):
    complex_.info["transfer"] = "0 2 8"
    sampler = make(transfer={"shares": [0, 1, 0]}, rattle=0)
    assert sampler._transfers == [((0, 2, 8),)]
    assert isinstance(sampler.start, Atoms)
