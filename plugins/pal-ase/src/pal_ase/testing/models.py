"""Contract of interatomic potentials."""

# ruff: noqa: S101, D102  asserts are what contract tests are made of; their names say what they test
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
from ase import Atoms
from numpy.typing import NDArray
from pal_core.data import Batch
from pal_core.options import KernelOptions
from pal_core.spec import load_target
from pal_core.testing import ModelContract
from pal_core.testing.helpers import copied
from safetensors.numpy import load_file, save_file

from pal_ase.codec import atoms_to_batch
from pal_ase.testing.structures import charged, diamond, frames, rattled

__all__ = ["AtomisticModelContract"]

Floats = NDArray[np.float64]


class AtomisticModelContract(ModelContract):
    """Tests that a potential keeps to physics, on top of what every model must do.

    The structures hold hydrogen, carbon and oxygen only. Options should make a small network that trains in seconds;
    its data order, batches and reference energies are tested too, so leave these as they are by default.

    Where they hold ``charge_embedding = True``, training data hold three charges, all structures but those that tell
    sizes are cations, and what charges do is tested.

    Attributes
    ----------
    precise : mapping
        Options on top of `options` with which predictions are exact and hold the stress.
    precision : float
        Largest difference of what should be the same then, relative to the largest value.
    reach : float
        Distance beyond which fragments don't feel each other, Å.
    """

    tolerance: ClassVar[float] = 1e-4
    precise: ClassVar[Mapping[str, Any]] = {"dtype": "float64", "stress": True}
    precision: ClassVar[float] = 1e-9
    reach: ClassVar[float] = 60.0

    _made_weights: ClassVar[Mapping[str, NDArray[Any]] | None] = None

    def labelled(self) -> Batch:
        """Twenty frames of molecules and crystals."""
        return self._frames("stress" in self.interface().labels)

    @property
    def embeds_charge(self) -> bool:
        """Whether the options say that the network is told charge and multiplicity."""
        return bool(self.option_values().get("charge_embedding", False))

    def _frames(self, stress: bool) -> Batch:
        batch = frames(20, stress=stress)
        return charged(batch) if self.embeds_charge else batch

    # --- what the tests are made of

    def exact_options(self) -> KernelOptions:
        """Options for double precision and stress."""
        model: type[KernelOptions] = load_target(self.spec().options)
        return model.model_validate({**self.option_values(), **self.precise})

    def exact(self, index: int = 0) -> Any:
        """A member in double precision that predicts with weights of three epochs; these are made once per class."""
        weights = vars(type(self)).get("_made_weights")
        if weights is None:
            trainer = self._exact_member(0, "training")
            batch = self._frames(stress=True)
            trainer.extend(batch, self.validation(batch))
            self.pull(trainer, 3)
            weights = copied(trainer.weights())
            type(self)._made_weights = weights
        model = self._exact_member(index, "prediction")
        model.load(copied(weights))
        return model

    def _exact_member(self, index: int, role: str) -> Any:
        kernel = load_target(self.spec().target)(self.exact_options(), self.context(index, None, role))
        self._made.append(kernel)
        return kernel

    def predicted(self, model: Any, *images: Atoms) -> dict[str, NDArray[Any]]:
        """Columns of what a model predicts of structures, cations where it embeds charge and they don't say."""
        states = [{"charge": 1, "multiplicity": 2} | dict(atoms.info) for atoms in images]
        if self.embeds_charge:
            images = tuple(atoms.copy() for atoms in images)
            for atoms, state in zip(images, states, strict=True):
                atoms.info = state
        return dict(model.predict(atoms_to_batch(images)).columns)

    def near(self, found: Any, wanted: Any, complaint: str) -> None:
        """Assert that numbers agree within `precision`, relative to the largest of them and at least to 1."""
        scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=self.precision * scale, err_msg=complaint)

    # --- symmetries

    @pytest.mark.parametrize("kind", ["molecule", "crystal"])
    def test_rotated_and_moved_structures_have_the_same_energy(self, kind: str) -> None:
        model, atoms = self.exact(), rattled("CH3CH2OH") if kind == "molecule" else diamond()
        turn = _rotation()
        moved = atoms.copy()
        moved.set_cell(atoms.cell.array @ turn.T)
        moved.positions = atoms.positions @ turn.T + [1.0, -3.0, 2.0]
        found, wanted = self.predicted(model, moved), self.predicted(model, atoms)
        self.near(found["energy"], wanted["energy"], "rotation and translation change the energy")
        self.near(found["forces"], wanted["forces"] @ turn.T, "forces don't rotate with the structure")
        self.near(found["stress"], turn @ wanted["stress"] @ turn.T, "the stress doesn't rotate with the structure")

    def test_order_of_atoms_does_not_matter(self) -> None:
        model, atoms = self.exact(), rattled("CH3CH2OH")
        order = np.random.default_rng(1).permutation(len(atoms))
        found, wanted = self.predicted(model, atoms[order]), self.predicted(model, atoms)
        self.near(found["energy"], wanted["energy"], "the order of atoms changes the energy")
        self.near(found["forces"], wanted["forces"][order], "forces don't go with their atoms")

    # --- derivatives

    @pytest.mark.parametrize("kind", ["molecule", "crystal"])
    def test_forces_are_the_derivative_of_the_energy(self, kind: str) -> None:
        atoms = rattled("CH3CH2OH") if kind == "molecule" else diamond()
        step = 1e-4
        images = []
        for index in np.ndindex(atoms.positions.shape):
            for sign in (1, -1):
                moved = atoms.copy()
                moved.positions[index] += sign * step
                images.append(moved)
        model = self.exact()
        energies = self.predicted(model, *images)["energy"].reshape(-1, 2)
        numeric = -((energies[:, 0] - energies[:, 1]) / (2 * step)).reshape(-1, 3)
        self._check_derivative(self.predicted(model, atoms)["forces"], numeric, "forces")

    def test_stress_is_the_derivative_with_respect_to_strain(self) -> None:
        model, atoms, step = self.exact(), diamond(), 1e-5
        images = []
        for index in np.ndindex(3, 3):
            for sign in (1, -1):
                strain = np.eye(3)
                strain[index] += sign * step
                bent = atoms.copy()
                bent.set_cell(atoms.cell.array @ strain.T, scale_atoms=True)
                images.append(bent)
        energies = self.predicted(model, *images)["energy"].reshape(3, 3, 2)
        found = self.predicted(model, atoms)["stress"][0]
        numeric = (energies[..., 0] - energies[..., 1]) / (2 * step) / atoms.get_volume()
        self._check_derivative(found, numeric, "stress")
        self.near(found, found.T, "the stress is not symmetric")

    def _check_derivative(self, found: Floats, numeric: Floats, what: str) -> None:
        scale = np.abs(numeric).max()
        assert scale > 0, f"the {what} of the test's structure vanish: it shows nothing"
        off = np.abs(found - numeric).max() / scale
        assert off < 1e-4, f"{what} differ from finite differences by {off:.1e} of the largest"

    def test_energy_and_forces_are_smooth_where_atoms_come_into_reach(self) -> None:
        """A carbon atom leaves a water molecule; whatever jumps where one of its distances is the cutoff is found."""
        water, cutoff = rattled("H2O"), float(self.exact_options().model_dump()["cutoff"])
        images = []
        for other in water.positions:
            for step in (1e-3, -1e-3, 1e-4, -1e-4):
                images.append(water + Atoms("C", [other + (cutoff + step) * _DIRECTION]))
        found = self.predicted(self.exact(), *images)
        energy, forces = found["energy"].reshape(3, 2, 2), found["forces"].reshape(3, 2, 2, 12)
        for what, values in (("energy", energy[..., None]), ("forces", forces)):
            wide, narrow = np.abs(values[:, :, 0] - values[:, :, 1]).max(axis=-1).T
            limit = 0.5 * wide + 1e-9 * np.abs(values).max()
            assert (narrow <= limit).all(), (
                f"the {what} jump at the cutoff: by {narrow.max():.1e} over 0.0002 Å, {wide.max():.1e} over 0.002 Å"
            )

    # --- sizes

    def test_far_fragments_add_up(self) -> None:
        """A charge belongs to all atoms of a sample, so this is asked of neutral ones only."""
        water, ethanol = _neutral(rattled("H2O")), _neutral(rattled("CH3CH2OH"))
        far = ethanol.copy()
        far.positions += [0, 0, self.reach]
        model = self.exact()
        together, apart = self.predicted(model, water + far), self.predicted(model, water, ethanol)
        self.near(together["energy"], apart["energy"].sum(), "far fragments change each other's energy")
        self.near(together["forces"], apart["forces"], "far fragments feel each other")

    @pytest.mark.parametrize("cubic", [True, False])
    def test_replicated_cell_has_so_many_times_the_energy(self, cubic: bool) -> None:
        model, cell = self.exact(), _neutral(diamond(cubic=cubic))
        small, large = self.predicted(model, cell), self.predicted(model, cell.repeat((2, 1, 2)))
        self.near(large["energy"], 4 * small["energy"], "four cells don't have four times the energy of one")
        self.near(large["forces"], np.tile(small["forces"], (4, 1)), "forces depend on the choice of the cell")
        self.near(large["stress"], small["stress"], "the stress depends on the choice of the cell")

    def test_molecule_in_a_large_periodic_box_is_the_free_one(self) -> None:
        free = rattled("CH3CH2OH")
        boxed = free.copy()
        boxed.set_cell(self.reach * np.diag([1.0, 1.1, 1.2]))
        boxed.pbc = True
        model = self.exact()
        found, wanted = self.predicted(model, boxed), self.predicted(model, free)
        self.near(found["energy"], wanted["energy"], "a large box changes the energy")
        self.near(found["forces"], wanted["forces"], "a large box changes the forces")
        assert not wanted["stress"].any(), "the stress of a molecule without a cell is not zero"

    def test_single_atoms_feel_no_forces(self) -> None:
        found = self.predicted(self.exact(), Atoms("H"), Atoms("C", [[3.0, 0, 0]]), Atoms("O"))
        assert not found["forces"].any(), "forces act on a single atom"
        assert np.isfinite(found["energy"]).all(), f"the energies of single atoms are {found['energy']}"

    # --- batches

    def test_predictions_do_not_depend_on_the_rest_of_the_batch(self) -> None:
        self._check_alone(
            [
                *(rattled(name) for name in ("CH3CH2OH", "H2O", "C6H6", "CO2")),
                Atoms("O"),
                diamond(cubic=False),
                diamond(),
                rattled("H2O", seed=1),
            ]
        )

    def test_charges_are_kept_apart_in_a_batch(self) -> None:
        images = []
        for charge, multiplicity in ((0, 1), (1, 2), (-1, 2), (0, 3)):
            atoms = rattled("CH3CH2OH")
            atoms.info |= {"charge": charge, "multiplicity": multiplicity}
            images.append(atoms)
        energies = self._check_alone(images)
        if "charge" in self.interface().consumes:
            assert len(set(energies[:3])) == 3, "the model reads the charge, but it makes no difference"

    def _check_alone(self, images: Sequence[Atoms]) -> Floats:
        """Assert that each is predicted in a batch as it is alone; returns the energies."""
        model = self.exact()
        together = model.predict(atoms_to_batch(images))
        for k, atoms in enumerate(images):
            for name, values in model.predict(atoms_to_batch([atoms])).columns.items():
                alone = values if name == "forces" else values[0]
                self.near(together[k][name], alone, f"{atoms.symbols}: the other samples matter for the {name}")
        energies: Floats = together.columns["energy"]
        return energies

    # --- charges

    def _needs_charges(self) -> None:
        if not self.embeds_charge:
            pytest.skip(f"the options of {self.name} don't embed charge")

    def test_charges_are_learned_together(self) -> None:
        """After three epochs, mean energies of charges differ as they should: by 4 eV and a tenth of EMT's energy."""
        self._needs_charges()
        neutral, model, means = frames(20), self.exact(), []
        for charge in (-1, 0, 1):
            columns = dict(neutral.columns)
            columns["charge"] = np.full_like(columns["charge"], charge)
            columns["multiplicity"] = np.full_like(columns["multiplicity"], 1 + charge**2)
            batch = Batch(neutral.schema, columns, neutral.offsets)
            means.append(model.predict(batch).columns["energy"].mean())
        wanted = 4 + 0.1 * neutral.columns["energy"].mean()
        np.testing.assert_allclose(np.diff(means), wanted, atol=0.4 * wanted, err_msg="energies of charges differ by")

    def test_committee_predicts_charges_together_as_alone(self) -> None:
        self._needs_charges()
        members = [self.exact(0), self._exact_member(1, "prediction")]
        images = []
        for charge, multiplicity in ((0, 1), (1, 2), (-1, 2), (1, 4), (0, 3)):
            images.append(rattled("H2O"))
            images[-1].info |= {"charge": charge, "multiplicity": multiplicity}
        together = type(members[0]).predict_together(members, atoms_to_batch(images))
        for member, found in zip(members, together, strict=True):
            for k, atoms in enumerate(images):
                alone = self.predicted(member, atoms)
                self.near(found.columns["energy"][k], alone["energy"][0], "the committee's other charges matter")
                self.near(found[k]["forces"], alone["forces"], "the committee's other charges matter")

    def test_unknown_charges_and_multiplicities_are_refused(self) -> None:
        self._needs_charges()
        options, model = self.exact_options().model_dump(), self.exact()
        beyond = int(options["charges"]) + 1
        for charge, multiplicity in ((beyond, 1), (-beyond, 1), (0, int(options["multiplicities"]) + 1)):
            atoms = rattled("H2O")
            atoms.info |= {"charge": charge, "multiplicity": multiplicity}
            with pytest.raises(ValueError, match="options charges and multiplicities"):
                self.predicted(model, rattled("H2O"), atoms)

    def test_weights_for_other_charges_are_refused(self) -> None:
        self._needs_charges()
        options = self.exact_options()
        more = options.model_copy(update={"charges": options.model_dump()["charges"] + 1})
        other = load_target(self.spec().target)(more, self.context(0, None, "prediction"))
        self._made.append(other)
        with pytest.raises(ValueError, match="charges"):
            other.load(copied(self.exact().weights()))

    def test_errors_are_told_for_every_charge(self) -> None:
        self._needs_charges()
        epoch = self.pull(self.make_trainer(), 1)[-1]
        batch = self.labelled().take(self.validation(self.labelled()))
        names = [f"[{charge:+d}]" if charge else "[0]" for charge in set(batch.columns["charge"].tolist())]
        assert len(names) == 3
        for what in ("energy_mae", "forces_mae"):
            missing = {f"validation_{what}{name}" for name in names} - set(epoch.metrics)
            assert not missing, f"no {', '.join(sorted(missing))} among the metrics {sorted(epoch.metrics)}"

    # --- broken samples

    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
    def test_broken_coordinates_spoil_their_sample_only(self, value: float) -> None:
        broken, whole = rattled("CH3CH2OH"), rattled("H2O")
        model = self.exact()
        wanted = self.predicted(model, whole)
        broken.positions[2, 1] = value
        found = self.predicted(model, broken, whole)
        assert np.isnan(found["energy"][0]), f"an atom at {value} has the energy {found['energy'][0]}"
        self.near(found["energy"][1:], wanted["energy"], "a broken sample spoils another's energy")
        self.near(found["forces"][9:], wanted["forces"], "a broken sample spoils another's forces")

    # --- weights and training

    def test_weights_in_a_file_are_all_that_another_member_needs(self) -> None:
        trained, other = self.exact(), self._exact_member(5, "prediction")
        save_file(copied(trained.weights()), self.directory / "weights.safetensors")
        other.load(load_file(self.directory / "weights.safetensors"))
        found, wanted = (self.predicted(model, rattled("CH3CH2OH"), diamond()) for model in (other, trained))
        for name, values in wanted.items():
            complaint = f"{name} of another member with the same weights"
            np.testing.assert_array_equal(found[name], values, err_msg=complaint)

    def test_training_interrupted_within_an_epoch_goes_on_exactly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.needs("snapshot")
        monkeypatch.setattr("pal_ase.learning.trainer._TURN", 0.0)
        trainer = self.make_trainer()
        parts = 0
        for stop in (3, 4, 6):
            iterator = trainer.train()
            for _ in range(stop):
                epoch = next(iterator)
            iterator.close()
            parts += not epoch.whole
            twin = self.make_trainer()
            twin.restore(copied(trainer.snapshot()))
            self._check_twins(twin, trainer)
        assert parts, "no epoch was interrupted: make the batches of the options smaller"
        for model in (trainer, twin):
            self.pull(model, 2)
        self._check_twins(twin, trainer)


def _neutral(atoms: Atoms) -> Atoms:
    atoms.info |= {"charge": 0, "multiplicity": 1}
    return atoms


_DIRECTION = np.array([0.36, 0.48, 0.8])
"""Of length 1, and along no axis."""


def _rotation() -> Floats:
    """A rotation by some angle about some axis."""
    turn: Floats = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    return turn
