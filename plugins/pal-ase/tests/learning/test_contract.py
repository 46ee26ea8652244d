"""The contract of potentials is kept by a sound one, and finds those that break it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from pal_ase.testing import AtomisticModelContract

ROTATION = "test_rotated_and_moved_structures_have_the_same_energy"
FORCES = "test_forces_are_the_derivative_of_the_energy"
SMOOTH = "test_energy_and_forces_are_smooth_where_atoms_come_into_reach"
REPLICATED = "test_replicated_cell_has_so_many_times_the_energy"
CHARGES = "test_charges_are_kept_apart_in_a_batch"
SINGLE = "test_single_atoms_feel_no_forces"


class TestTiny(AtomisticModelContract):
    plugin = "tiny"
    name = "tiny.model"
    options: ClassVar = {"batch_size": 4}


class Broken(AtomisticModelContract):
    plugin = "tiny"
    name = "tiny.model"
    options: ClassVar = {"batch_size": 4}
    kind = ""

    def spec(self):
        return replace(super().spec(), target=f"broken:{self.kind}")


@pytest.mark.parametrize(
    ("kind", "test", "arguments", "complaint"),
    [
        ("SeesDirections", ROTATION, ["molecule"], "rotation and translation change the energy"),
        ("SeesDirections", ROTATION, ["crystal"], "rotation and translation change the energy"),
        ("CountsAtoms", "test_order_of_atoms_does_not_matter", [], "the order of atoms changes the energy"),
        ("PullsTooHard", FORCES, ["molecule"], r"forces differ from finite differences by 1\.0e-03"),
        ("PullsTooHard", FORCES, ["crystal"], r"forces differ from finite differences by 1\.0e-03"),
        ("PullsTooHard", "test_stress_is_the_derivative_with_respect_to_strain", [], "stress differ from finite"),
        ("EndsHard", SMOOTH, [], "the energy jump at the cutoff"),
        ("EndsWithAKink", SMOOTH, [], "the forces jump at the cutoff"),
        ("SharesAmongAtoms", "test_far_fragments_add_up", [], "far fragments change each other's energy"),
        ("SharesAmongAtoms", REPLICATED, [True], "four cells don't have four times the energy"),
        ("OverlooksOwnImages", REPLICATED, [False], "four cells don't have four times the energy"),
        ("DividesByNeighbours", SINGLE, [], "the energies of single atoms are .*nan"),
        ("TakesTheBatchMean", "test_predictions_do_not_depend_on_the_rest_of_the_batch", [], "other samples matter"),
        ("TakesTheFirstCharge", CHARGES, [], "the other samples matter for the energy"),
        ("OverlooksTheCharge", CHARGES, [], "it makes no difference"),
        ("KeepsANumberToItself", "test_weights_in_a_file_are_all_that_another_member_needs", [], "of another member"),
        ("DropsOut", "test_restored_training_goes_on_exactly", [], "after a restart"),
        ("UsesAll", "test_samples_that_are_not_in_use_are_neither_trained_on_nor_measured", [], "not in use"),
    ],
)
def test_broken_potential_is_found(kind, test, arguments, complaint, tmp_path):
    subject = type(kind, (Broken,), {"kind": kind})()
    subject.open_workplace(tmp_path)
    with pytest.raises(AssertionError, match=complaint):
        getattr(subject, test)(*arguments)
