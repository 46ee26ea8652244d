from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, InputError, SCFError, all_changes
from ase.calculators.emt import EMT
from pal_core.errors import PalError
from pal_core.kernels import OracleFailure
from pal_core.testing import OracleContract

from pal_ase.codec import atoms_to_sample
from pal_ase.label_options import CalculatorOptions
from pal_ase.oracle import CalculatorOracle

EMT_NAME = "ase.calculators.emt:EMT"


class Planted(Calculator):
    """Fails as it is told to; otherwise the energy is the charge plus ten times the multiplicity."""

    implemented_properties = ("energy", "free_energy", "forces", "stress")
    default_parameters: ClassVar = {"error": "", "charge": 0, "spin": 1, "from_info": False}
    made: ClassVar[list[Planted]] = []

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.made.append(self)

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        errors = {
            "scf": SCFError("no convergence in 50 cycles\nlast change 0.1"),
            "input": InputError("basis not known"),
            "element": KeyError("Cu"),
            "key": KeyError("grid"),
            "timeout": TimeoutError("60 s"),
            "crash": RuntimeError(),
        }
        if self.parameters.error in errors:
            raise errors[self.parameters.error]
        source = atoms.info if self.parameters.from_info else {**self.parameters, "multiplicity": self.parameters.spin}
        energy = source["charge"] + 10.0 * source["multiplicity"]
        bad = np.nan if self.parameters.error == "nan" else 0.0
        forces = np.full((len(atoms), 3), bad)
        self.results = {"energy": energy, "free_energy": energy + 0.5, "forces": forces, "stress": np.zeros(6)}


@pytest.fixture
def oracle(context):
    def make(calculator=EMT_NAME, **keywords):
        return CalculatorOracle(CalculatorOptions(calculator=calculator, **keywords), context(role="oracle"))

    return make


@pytest.fixture
def planted(oracle):
    Planted.made.clear()

    def make(error="", from_info=False, **keywords):
        return oracle(f"{__file__}:Planted", parameters={"error": error, "from_info": from_info}, **keywords)

    return make


@pytest.fixture(autouse=True)
def _same_module(monkeypatch):
    """The class that the oracle loads from this file is the one of this module."""
    monkeypatch.setattr("pal_ase.targets._from_file", lambda path: __import__(__name__))


class TestCalculator(OracleContract):
    plugin = "pal_ase.plugin"
    name = "ase.calculator"
    options: ClassVar = {"calculator": EMT_NAME, "stress": True}

    def samples(self):
        images = [bulk("Cu", cubic=True), bulk("Al", cubic=True), bulk("Cu", cubic=True).repeat((2, 1, 1))]
        for k, atoms in enumerate(images):
            atoms.rattle(0.1, seed=k)
        return [atoms_to_sample(atoms) for atoms in images]


def test_labels_are_the_calculators(oracle, crystal):
    label = oracle(stress=True).label(atoms_to_sample(crystal))
    crystal.calc = EMT()
    assert label["energy"] == crystal.get_potential_energy(force_consistent=True)
    np.testing.assert_array_equal(label["forces"], crystal.get_forces())
    np.testing.assert_array_equal(label["stress"], crystal.get_stress(voigt=False))


def test_free_energy_goes_with_the_forces(planted, ethanol):
    sample = atoms_to_sample(ethanol)
    assert planted().label(sample)["energy"] == 10.5
    assert planted(energy="plain").label(sample)["energy"] == 10.0


def test_charge_and_multiplicity_reach_the_calculator(planted, ethanol):
    ethanol.info |= {"charge": 1, "multiplicity": 4}
    oracle = planted(charge_parameter="charge", multiplicity_parameter="spin")
    assert oracle.label(atoms_to_sample(ethanol))["energy"] == 41.5
    ethanol.info |= {"charge": 0, "multiplicity": 1}
    assert oracle.label(atoms_to_sample(ethanol))["energy"] == 10.5
    reader = planted(from_info=True, reads_info=True)
    assert reader.label(atoms_to_sample(ethanol))["energy"] == 10.5
    ethanol.info |= {"charge": -1, "multiplicity": 2}
    assert reader.label(atoms_to_sample(ethanol))["energy"] == 19.5


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ({"charge": -1}, "Planted would ignore charge -1 .option charge_parameter.; name its keyword"),
        ({"multiplicity": 3}, "would ignore multiplicity 3 .option multiplicity_parameter."),
    ],
)
def test_charge_or_spin_that_would_be_ignored_is_refused(info, text, planted, ethanol):
    ethanol.info |= info
    with pytest.raises(OracleFailure, match=text) as caught:
        planted().inspect(atoms_to_sample(ethanol))
    assert caught.value.kind == "invalid_input"


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        ("scf", "unconverged", "Planted raised SCFError: no convergence in 50 cycles"),
        ("input", "invalid_input", "Planted raised InputError: basis not known"),
        ("element", "invalid_input", "Planted doesn't know element Cu"),
        ("key", "crashed", "Planted raised KeyError: 'grid'"),
        ("timeout", "timeout", "Planted raised TimeoutError: 60 s"),
        ("crash", "crashed", "Planted raised RuntimeError"),
        ("nan", "crashed", "Planted gave forces that are not finite"),
    ],
)
def test_every_failure_has_its_kind(error, kind, message, planted, crystal):
    oracle = planted(error)
    with pytest.raises(OracleFailure) as caught:
        oracle.label(atoms_to_sample(crystal))
    assert (caught.value.kind, caught.value.message) == (kind, message.replace("Planted", "test_oracle.py:Planted"))
    assert ("test_oracle.py" in caught.value.evidence) == (error != "nan")
    assert len(Planted.made) == 2  # a new calculator after a failure


def test_element_unknown_to_emt_is_invalid_input(oracle):
    with pytest.raises(OracleFailure, match="EMT raised NotImplementedError: No EMT-potential for Si") as caught:
        oracle().label(atoms_to_sample(bulk("Si")))
    assert caught.value.kind == "invalid_input"


def test_element_outside_of_the_option_is_refused_at_start_up(oracle, crystal):
    one = oracle(elements=("Cu", "Ni"))
    one.inspect(atoms_to_sample(crystal))
    with pytest.raises(OracleFailure, match=r"is not for H, C, O \(option elements\)"):
        one.inspect(atoms_to_sample(molecule("CH3CH2OH")))


def test_impossible_samples_are_refused(oracle, ethanol):
    with pytest.raises(OracleFailure, match="a structure without atoms"):
        oracle().inspect(atoms_to_sample(Atoms()))
    with pytest.raises(OracleFailure, match="stress is wanted of a structure that is not periodic"):
        oracle(stress=True).inspect(atoms_to_sample(ethanol))


def test_calculator_works_in_the_scratch_directory(oracle, context):
    assert oracle()._calculator.directory == str(context().directory)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"calculator": "ase.calculators.nothing:EMT"}, "calculator = 'ase.calculators.nothing:EMT': No module named"),
        (
            {"calculator": "ase.calculators.emt:Emt"},
            "there is no 'Emt' in ase.calculators.emt; is its package",
        ),
        (
            {"calculator": "ase.calculators.tip3p:TIP3P", "parameters": {"wrong": 2}},
            r"TIP3P with parameters {'wrong': 2} raised TypeError: .*; correct the option parameters",
        ),
        ({"calculator": "ase.calculators.lj:LennardJones", "elements": ("Xx",)}, "elements: no such element: Xx"),
        ({"calculator": "ase.calculators.tip3p:TIP3P", "stress": True}, "TIP3P doesn't compute stress"),
    ],
)
def test_unusable_calculator_names_kernel_and_key(keywords, message, oracle):
    with pytest.raises(PalError, match=r"^ase\.calculator: .*" + message):
        oracle(**keywords)
