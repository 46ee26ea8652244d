from __future__ import annotations

import copy
import threading
import traceback

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.emt import EMT
from ase_engine import feedback_of

from pal_ase.codec import atoms_to_sample
from pal_ase.inside_out import Conversation, InsideOutCalculator


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
