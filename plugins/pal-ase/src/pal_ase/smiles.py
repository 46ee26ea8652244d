"""Structures from SMILES, by RDKit where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from pal_core.errors import PalError

__all__ = ["read_smiles"]

_SEED = 20240229  # any number: the same text gives the same structures
_RELAXATION = 500  # steps of the force field


def read_smiles(path: Path) -> list[Atoms]:
    """One structure for every line ``SMILES [name]``, with hydrogen atoms, relaxed by RDKit's universal force field.

    Charge and multiplicity (unpaired electrons plus one) stand in `info`, as does the name. Empty lines and those that
    begin with ``#`` are passed over.

    Raises
    ------
    PalError
        Without RDKit, or for a line that gives no structure; says which.
    """
    try:
        from rdkit import Chem, RDLogger
        from rdkit.Chem import AllChem
    except ImportError as e:
        raise PalError(f"{path} holds SMILES, which RDKit reads; it is not installed", "pip install rdkit") from e
    RDLogger.DisableLog("rdApp.*")  # it writes to stderr what is raised below
    images = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split(maxsplit=1)
        if not words or line.startswith("#"):
            continue
        try:
            molecule = Chem.AddHs(Chem.MolFromSmiles(words[0]))
            placed = AllChem.EmbedMolecule(molecule, randomSeed=_SEED) == 0
        except Exception as e:  # RDKit's errors have no common base; for text that is no SMILES it is a TypeError
            raise PalError(f"{path}, line {number}: {words[0]} is no SMILES that RDKit understands") from e
        if not placed:
            raise PalError(f"{path}, line {number}: RDKit finds no structure for {words[0]}", "give one in a file")
        if AllChem.UFFHasAllMoleculeParams(molecule):
            AllChem.UFFOptimizeMolecule(molecule, maxIters=_RELAXATION)
        images.append(_atoms(molecule, Chem.GetFormalCharge(molecule), words[1:]))
    if not images:
        raise PalError(f"{path} holds no SMILES")
    return images


def _atoms(molecule: Any, charge: int, name: list[str]) -> Atoms:
    unpaired = sum(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms())
    info = {"charge": int(charge), "multiplicity": unpaired + 1, **({"name": name[0]} if name else {})}
    numbers = [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
    return Atoms(numbers, np.array(molecule.GetConformer().GetPositions()), info=info)
