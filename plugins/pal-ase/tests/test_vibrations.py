from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixBondLength
from ase.vibrations import Vibrations
from ase_engine import FreshEMT, feedback_of
from pal_core.errors import PalError

from pal_ase.codec import atoms_to_sample
from pal_ase.inside_out import Band, Conversation, InsideOutCalculator
from pal_ase.vibrations import hessian, rigid_motions, vibrations


def inside(function, atoms, calculator):
    """Run function(atoms) in a conversation that a calculator answers; what it returns, and the turns' sizes."""
    result, sizes = [], []
    talk = Conversation(lambda: result.append(function(atoms)))
    atoms.calc = InsideOutCalculator(talk)
    asked = talk.start()
    while asked is not None:
        images = asked.images if isinstance(asked, Band) else [asked]
        sizes.append(len(images))
        found = [feedback_of(atoms_to_sample(image), calculator) for image in images]
        asked = talk.answer(found if isinstance(asked, Band) else found[0])
    return result[0], sizes


@pytest.mark.parametrize(("name", "modes"), [("H2O", 3), ("CO2", 4), ("CH4", 9), ("N2", 1)])
def test_frequencies_are_those_of_ases_own_vibrations(name, modes, tmp_path):
    atoms = molecule(name)
    second, sizes = inside(lambda a: hessian(a, 0.01), atoms, FreshEMT())
    assert sizes == [1 + 6 * len(atoms)]
    found = vibrations(atoms, second).frequencies
    assert len(found) == modes
    plain = molecule(name)
    plain.calc = EMT()
    theirs = Vibrations(plain, name=str(tmp_path / "vib"), delta=0.01)
    theirs.run()
    wave = theirs.get_frequencies()
    # EMT is no method for molecules that stand still: leave out what is only the turning of a molecule under forces.
    signed = np.sort(np.where(wave.imag > 0, -wave.imag, wave.real))
    stiff = [f for f in found if f > 800]
    assert stiff
    np.testing.assert_allclose(stiff, signed[-len(stiff) :], rtol=2e-3)


def test_oscillator_has_the_frequency_of_the_textbook():
    class Spring(FreshEMT):
        def calculate(self, atoms=None, properties=None, system_changes=None):
            self.atoms = atoms.copy()
            arm = atoms.positions[1] - atoms.positions[0]
            length = np.linalg.norm(arm)
            pull = 30.0 * (length - 1.1) * arm / length
            self.results = {"energy": 15.0 * (length - 1.1) ** 2, "forces": np.array([pull, -pull])}

    atoms = Atoms("N2", [[0, 0, 0], [0, 0, 1.1]])
    second, _ = inside(lambda a: hessian(a, 0.001), atoms, Spring())
    (frequency,) = vibrations(atoms, second).frequencies
    # 1302.79 cm^-1 for 1 mdyn/Å and 1 u (Herzberg); 1 mdyn/Å is 6.241509 eV/Å^2
    assert frequency == pytest.approx(1302.79 * np.sqrt(30 / 6.241509 / (14.007 / 2)), rel=1e-4)


@pytest.mark.parametrize(
    ("atoms", "count"),
    [
        (molecule("H2O"), 6),
        (molecule("CO2"), 5),
        (Atoms("H"), 3),
        (bulk("Cu", cubic=True), 3),
        (Atoms("H2", [[0, 0, 0], [0, 0, 1]], constraint=FixAtoms([0])), 0),
    ],
)
def test_motions_of_the_whole_are_counted(atoms, count):
    free = len(atoms) - sum(len(c.index) for c in atoms.constraints)
    rigid = rigid_motions(atoms, np.ones(free))
    assert rigid.shape == (count, 3 * free)
    np.testing.assert_allclose(rigid @ rigid.T, np.eye(count), atol=1e-12)


def test_fixed_atoms_are_not_displaced():
    atoms = molecule("CH4")
    atoms.set_constraint(FixAtoms([0, 1, 2]))
    second, sizes = inside(lambda a: hessian(a, 0.01), atoms, FreshEMT())
    assert second.shape == (6, 6)
    assert sizes == [13]
    assert len(vibrations(atoms, second).frequencies) == 6


def test_other_constraints_are_refused():
    atoms = molecule("CH4")
    atoms.set_constraint(FixBondLength(0, 1))
    with pytest.raises(PalError, match=r"allow for the constraint FixAtoms only, found FixBondLengths?"):
        inside(lambda a: hessian(a, 0.01), atoms, FreshEMT())
