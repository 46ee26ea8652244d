from __future__ import annotations

import copy
import dataclasses
import threading
import traceback

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.emt import EMT
from ase_engine import feedback_of

from pal_ase.codec import atoms_to_sample
from pal_ase.inside_out import Band, Conversation, InsideOutCalculator


def _talk(function, stress=False):
    """A conversation in which function(atoms) runs on N2, and its atoms."""
    atoms = Atoms("N2", [[0, 0, 0], [0, 0, 1.2]])
    talk = Conversation(lambda: function(atoms))
    atoms.calc = InsideOutCalculator(talk, stress)
    return talk, atoms


def _emt(atoms):
    return feedback_of(atoms_to_sample(atoms), EMT())


def test_calculate_returns_the_feedback_that_answer_gives():
    seen = []

    def function(atoms):
        seen.append(atoms.get_potential_energy())
        atoms.positions[1, 2] += 0.1
        seen.append(atoms.get_forces())

    talk, atoms = _talk(function)
    first = talk.start()
    assert first is atoms
    assert talk.answer(_emt(first)) is atoms
    feedback = _emt(atoms)
    assert talk.answer(feedback) is None
    assert talk.questions == 2
    assert seen[0] == _emt(Atoms("N2", [[0, 0, 0], [0, 0, 1.2]])).mean["energy"]
    np.testing.assert_array_equal(seen[1], feedback.mean["forces"])


def test_results_are_cached_until_the_geometry_or_the_charge_changes():
    def function(atoms):
        atoms.get_potential_energy()
        atoms.get_forces()
        atoms.get_potential_energy(force_consistent=True)
        atoms.info["charge"] = 1
        atoms.get_forces()
        atoms.get_forces()

    talk, _ = _talk(function)
    asked = talk.start()
    while asked is not None:
        asked = talk.answer(_emt(asked))
    assert talk.questions == 2


def test_results_do_not_share_memory_with_the_feedback():
    talk, atoms = _talk(lambda atoms: atoms.get_forces())
    feedback = _emt(talk.start())
    assert talk.answer(feedback) is None
    assert not np.shares_memory(atoms.calc.results["forces"], feedback.mean["forces"])


def test_exception_of_the_function_comes_out_with_its_traceback():
    def stumble(atoms):
        atoms.get_forces()
        raise ZeroDivisionError("planted")

    talk, _ = _talk(stumble)
    asked = talk.start()
    with pytest.raises(ZeroDivisionError, match="planted") as caught:
        talk.answer(_emt(asked))
    assert "stumble" in [f.name for f in traceback.extract_tb(caught.value.__traceback__)]


def test_close_runs_finally_blocks_even_if_they_calculate():
    cleaned = []

    def function(atoms):
        try:
            atoms.get_forces()
        finally:
            cleaned.append("outer")
            atoms.positions += 1
            atoms.get_forces()
            cleaned.append("never")

    talk, _ = _talk(function)
    talk.start()
    talk.close()
    talk.close()
    assert cleaned == ["outer"]


def test_call_from_outside_is_explained():
    talk, atoms = _talk(lambda atoms: atoms.get_forces())
    talk.start()
    atoms.positions += 0.1
    with pytest.raises(RuntimeError, match="from outside the function"):
        atoms.get_forces()


def test_call_from_another_thread_is_explained():
    errors = []

    def function(atoms):
        def work():
            try:
                atoms.get_forces()
            except RuntimeError as e:
                errors.append(str(e))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    talk, _ = _talk(function)
    assert talk.start() is None
    assert "NEB(parallel=True)" in errors[0]


def test_copies_of_the_atoms_get_calculators_of_the_same_walker():
    def function(atoms):
        twin = copy.deepcopy(atoms)
        twin.positions += 0.5
        assert twin.calc is not atoms.calc
        twin.get_forces()

    talk, _ = _talk(function)
    assert talk.start().positions[0, 0] == 0.5


def test_stress_only_where_the_committee_predicts_it():
    talk, _ = _talk(lambda atoms: atoms.get_stress())
    with pytest.raises(PropertyNotImplementedError):
        talk.start()
    cell = np.diag([1.0, 2.0, 3.0])
    found = []
    talk, _ = _talk(lambda atoms: found.append(atoms.get_stress(voigt=False)), stress=True)
    feedback = _emt(talk.start())
    talk.answer(type(feedback)({**feedback.mean, "stress": cell}, {}, 0.0, True, False, 1))
    np.testing.assert_array_equal(found[0], cell)


def _answered(talk):
    """Run a conversation to its end on EMT; the number of geometries in each turn."""
    sizes, asked = [], talk.start()
    while asked is not None:
        images = asked.images if isinstance(asked, Band) else [asked]
        sizes.append(len(images) if isinstance(asked, Band) else 0)
        found = [_emt(image) for image in images]
        asked = talk.answer(found if isinstance(asked, Band) else found[0])
    return sizes


def _stretched(atoms, *lengths):
    images = []
    for z in lengths:
        image = atoms.copy()
        image.positions[1, 2] = z
        image.calc = atoms.calc.another()
        images.append(image)
    return images


def test_several_geometries_are_answered_in_one_turn_and_in_their_order():
    found = []

    def function(atoms):
        images = _stretched(atoms, 1.1, 1.2, 1.3)
        found.extend(float(f.mean["energy"]) for f in atoms.calc.conversation.ask_all(images))

    talk, _ = _talk(function)
    assert _answered(talk) == [3]
    wanted = [_emt(Atoms("N2", [[0, 0, 0], [0, 0, z]])).mean["energy"] for z in (1.1, 1.2, 1.3)]
    assert found == wanted


def test_labels_and_anchor_travel_with_the_geometries():
    talk, _ = _talk(lambda atoms: atoms.calc.conversation.ask_all([atoms, atoms], [True, None], 1, lenient=True))
    band = talk.start()
    assert (band.label, band.anchor, band.lenient) == ((True, None), 1, True)
    assert band.images[0] is band.images[1]


def test_nothing_is_asked_for_no_geometry():
    talk, _ = _talk(lambda atoms: atoms.calc.conversation.ask_all([]))
    assert talk.start() is None


def test_images_that_are_fetched_before_are_not_asked_for_again():
    forces = []

    def function(atoms):
        images = _stretched(atoms, 1.1, 1.2, 1.3)
        atoms.calc.prefetch(images)
        forces.extend(image.get_forces()[1, 2] for image in images)
        images[1].positions[1, 2] = 1.25
        atoms.calc.prefetch(images)
        forces.append(images[1].get_forces()[1, 2])
        atoms.calc.prefetch(images)

    talk, _ = _talk(function)
    assert _answered(talk) == [3, 1]
    wanted = [_emt(Atoms("N2", [[0, 0, 0], [0, 0, z]])).mean["forces"][1, 2] for z in (1.1, 1.2, 1.3, 1.25)]
    assert forces == wanted


def test_geometries_beside_an_image_come_in_the_same_turn_and_want_no_label():
    def function(atoms):
        beside = atoms.calc.prefetch([atoms], _stretched(atoms, 1.1, 1.3))
        assert len(beside) == 2
        atoms.get_forces()

    talk, atoms = _talk(function)
    band = talk.start()
    assert band.label == (None, False, False)
    assert band.anchor == 0
    assert band.images[0] is atoms
    assert talk.answer([_emt(image) for image in band.images]) is None


def test_images_with_one_calculator_between_them_are_refused():
    def function(atoms):
        images = _stretched(atoms, 1.1, 1.2)
        images[1].calc = images[0].calc
        atoms.calc.prefetch(images)

    talk, _ = _talk(function)
    with pytest.raises(ValueError, match=r"images share a calculator: give each its own, atoms.calc.another\(\)"):
        talk.start()


def test_functions_side_by_side_ask_together_until_the_last_is_done():
    found = {}

    def steps(name, count, talk):
        atoms = Atoms("N2", [[0, 0, 0], [0, 0, 1.1]], calculator=InsideOutCalculator(talk))
        found[name] = []
        for _ in range(count):
            found[name].append(atoms.get_potential_energy())
            atoms.positions[1, 2] += 0.05

    def function(atoms):
        atoms.calc.conversation.together([lambda t: steps("short", 1, t), lambda t: steps("long", 3, t)])
        found["after"] = atoms.get_potential_energy()

    talk, _ = _talk(function)
    assert _answered(talk) == [2, 1, 1, 0]
    assert found["short"] == found["long"][:1]
    assert len(set(found["long"])) == 3
    assert talk.questions == 4


def test_exception_in_one_of_several_functions_gives_up_the_others():
    cleaned = []

    def wait(talk):
        atoms = Atoms("N2", [[0, 0, 0], [0, 0, 1.1]], calculator=InsideOutCalculator(talk))
        try:
            atoms.get_forces()
            atoms.rattle(0.1)
            atoms.get_forces()
        finally:
            cleaned.append(True)

    def stumble(talk):
        Atoms("N2", [[0, 0, 0], [0, 0, 1.1]], calculator=InsideOutCalculator(talk)).get_forces()
        raise ZeroDivisionError("planted")

    talk, _ = _talk(lambda atoms: atoms.calc.conversation.together([wait, stumble]))
    band = talk.start()
    with pytest.raises(ZeroDivisionError, match="planted"):
        talk.answer([_emt(image) for image in band.images])
    assert cleaned == [True]


def test_calculator_tells_the_uncertainty_of_its_last_results():
    def function(atoms):
        atoms.get_forces()
        seen.append(dict(atoms.calc.deviation))

    seen = []
    talk, atoms = _talk(function)
    feedback = _emt(talk.start())
    std = {"energy": np.array(0.25), "forces": np.array([[0.0, 0, 0.1], [3.0, 0, 4.0]])}
    talk.answer(dataclasses.replace(feedback, std=std, version=7))
    assert seen == [{"energy_std": 0.25, "forces_std": 5.0}]
    assert atoms.calc.version == 7
