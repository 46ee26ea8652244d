"""Numbers that other programs computed, and where they were published: hartree, hartree/bohr."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.units import Bohr
from samples import Sample, build

__all__ = ["REFERENCES", "Reference"]

_CO = [[0, 0, -1.21523562783025], [0, 0, 0.91142624844116]]  # bohr
_CO_NWCHEM = [[0, 0, -0.64628342], [0, 0, 0.48264375]]
_WATER_TURBOMOLE = [[0, 0, -0.12947694], [0, -1.49418734, 1.02744651], [0, 1.49418734, 1.02744651]]  # bohr
_WATER_GAUSSIAN = [[0, 0, 0.135446], [0, 0.866812, -0.541782], [0, -0.866812, -0.541782]]
_WATER_PSI4 = [[0, 0, -0.06851621931], [0, -0.790689573744, 0.543701060724], [0, 0.790689573744, 0.543701060724]]
_ANGLE = np.deg2rad(104.5)
_WATER_ION = [[0, 0, 0], [1, 0, 0], [np.cos(_ANGLE), np.sin(_ANGLE), 0]]
_FORMALDEHYDE = [[-0.00872487, -0.68498262, 0], [0.00401562, 0.54500235, 0], [-0.934263, 1.15321853, 0]]
_FORMALDEHYDE.append([0.95433234, 1.13412348, 0])
_ETHYLENE = [
    [-0.631215914751, -0.008774217681, -0.167085348273],
    [0.631162838546, 0.008742449543, 0.167287328141],
    [-1.140953849022, -0.921708105672, -0.445329885621],
    [-1.234951124641, 0.888929992018, -0.185293162749],
    [1.235266859772, -0.888741154657, 0.184091718333],
    [1.141270083176, 0.921897526086, 0.444126390353],
]

_QCENGINE = "QCEngineRecords (MolSSI), Turbomole 7.3 output"
_CCLIB = "cclib test data, Turbomole 7.4.1 output"
_GAUSSIAN = "tests of Psi4 (tdscf_reference_data.json), by Gaussian 09"
_PSI4 = "tests of Psi4 (test_dft1.py)"
_NWCHEM = "tests of NWChem (tddftgrad_co, tddftgrad_co_cis, tddftgrad_ch2o)"
_HAZEL = "tests of Hazel (energy_hf_ethylene_631g)"


@dataclass(frozen=True)
class Reference:
    """One calculation: what another program found, and how far ours may be off."""

    name: str
    source: str
    sample: Sample
    options: dict[str, Any]
    energy: float | None = None
    energy_tolerance: float = 2e-6
    excitations: tuple[float, ...] = ()
    excitation_tolerance: float = 2e-6
    strengths: tuple[float, ...] = ()
    gradient: tuple[tuple[float, ...], ...] = ()
    gradient_tolerance: float = 1e-5


def _ion(charge: int) -> Sample:
    return build([8, 1, 1], _WATER_ION, charge, 2)


_B3LYP = {"functional": "b3lyp-gaussian", "basis": "sto-3g", "density_fitting": "coulomb-exchange", "grid": "fine"}
_WATER_STATES = {"basis": "cc-pvdz", "states": 4, "gradients": []}

REFERENCES = [
    Reference(
        "water, PBE0/def2-SVP",
        _QCENGINE,
        build([8, 1, 1], np.multiply(_WATER_TURBOMOLE, Bohr)),
        {"functional": "pbe0", "basis": "def2-svp"},
        energy=-76.27371135900,
    ),
    Reference(
        "CO, HF/6-311++G**, triplets",
        _CCLIB,
        build([6, 8], np.multiply(_CO, Bohr)),
        {"functional": "hf", "basis": "6-311++g**", "states": 5, "spin": "triplet", "gradients": []},
        energy=-112.7699541433,
        excitations=(0.1970671135, 0.1970671135, 0.2347872184, 0.2928534516, 0.2928534516),
    ),
    Reference("water, B3LYP/STO-3G, RI-JK", _PSI4, build([8, 1, 1], _WATER_PSI4), _B3LYP, energy=-75.3200834739),
    Reference("water cation, B3LYP/STO-3G, RI-JK", _PSI4, _ion(1), _B3LYP, energy=-74.9678744373),
    Reference("water anion, B3LYP/STO-3G, RI-JK", _PSI4, _ion(-1), _B3LYP, energy=-74.8158925335),
    Reference(
        "water, PBE0/cc-pVDZ, TDDFT",
        _GAUSSIAN,
        build([8, 1, 1], _WATER_GAUSSIAN),
        {"functional": "pbe0", **_WATER_STATES},
        excitations=(0.24152586085, 0.30322756085, 0.33978356085, 0.39892056085),
        excitation_tolerance=6e-5,
        strengths=tuple(
            2 / 3 * e * m**2 for e, m in ((0.241526, 0.280090), (0, 0), (0.339784, 0.619699), (0.398921, 0.398005))
        ),
    ),
    Reference(
        "water, PBE0/cc-pVDZ, TDA",
        _GAUSSIAN,
        build([8, 1, 1], _WATER_GAUSSIAN),
        {"functional": "pbe0", "response": "tda", **_WATER_STATES},
        excitations=(0.24295396085, 0.30370986085, 0.34393616085, 0.40143556085),
        excitation_tolerance=6e-5,
        strengths=tuple(
            2 / 3 * e * m**2 for e, m in ((0.242954, 0.274356), (0, 0), (0.343936, 0.645747), (0.401436, 0.399100))
        ),
    ),
    Reference(
        "water, HF/cc-pVDZ, triplets by TDA",
        _GAUSSIAN,
        build([8, 1, 1], _WATER_GAUSSIAN),
        {"functional": "hf", "response": "tda", "spin": "triplet", **_WATER_STATES},
        excitations=(0.24288353931, 0.29549603931, 0.30883873931, 0.33788563931),
        excitation_tolerance=6e-5,
    ),
    Reference(
        "CO, HF/3-21G, triplets",
        _NWCHEM,
        build([6, 8], _CO_NWCHEM),
        {"functional": "hf", "basis": "3-21g", "spin": "triplet", "states": 3, "gradients": [1]},
        energy=-112.093298983723,
        excitations=(0.202688187, 0.202688187, 0.227277500),
        gradient=((0, 0, 0.202729), (0, 0, -0.202729)),
    ),
    Reference(
        "CO, HF/3-21G, triplets by TDA",
        _NWCHEM,
        build([6, 8], _CO_NWCHEM),
        {"functional": "hf", "basis": "3-21g", "spin": "triplet", "states": 3, "gradients": [1], "response": "tda"},
        energy=-112.093298983722,
        excitations=(0.217282200, 0.217282200, 0.282341672),
        gradient=((0, 0, 0.189606), (0, 0, -0.189606)),
    ),
    Reference(
        "formaldehyde, SVWN/6-31G, triplets",
        _NWCHEM,
        build([8, 6, 1, 1], _FORMALDEHYDE),
        {"functional": "svwn5", "basis": "6-31g", "spin": "triplet", "states": 2, "gradients": [1], "grid": "fine"},
        energy=-113.546029027224,
        excitations=(0.107588003, 0.220126199),
        gradient=(
            (0.001210, 0.118367, 0),
            (-0.001359, -0.135175, 0),
            (-0.006839, 0.008469, 0),
            (0.006989, 0.008339, 0),
        ),
        gradient_tolerance=2e-5,
    ),
    Reference(
        "ethylene, HF/6-31G",
        _HAZEL,
        build([6, 6, 1, 1, 1, 1], _ETHYLENE),
        {"functional": "hf", "basis": "6-31g"},
        energy=-78.00394203061683,
    ),
]
