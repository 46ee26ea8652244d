"""Calculations made to fail: each gives a failure of the right kind, none gives numbers, none hangs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from pal_core.kernels import OracleFailure
from samples import FORMALDEHYDE, WATER, Sample, build

from pal_pyscf import oracle as module

H2 = [[0, 0, 0], [0, 0, 0.74]]
FAR = [[0, 0, 0], [0, 0, 3.0]]
NO_ATOMS = build([], np.zeros((0, 3)))
BROKEN = build([1, 1], [[0, 0, 0], [0, 0, np.nan]])
PERIODIC = WATER | {"cell": 5 * np.eye(3), "pbc": np.ones(3, bool)}
METHYL = build([6, 1, 1, 1], [[0, 0, 0], [0, 2.1, 0], [1.8, -1.1, 0], [-1.0, -0.6, 0.2]], 0, 2)


class Case(NamedTuple):
    """What is labelled, with which options, and what the failure says."""

    name: str
    sample: Sample
    options: dict
    kind: str
    message: str
    kernel: str = "dft"


CASES = [
    Case("no atoms", NO_ATOMS, {}, "invalid_input", "the sample has no atoms"),
    Case(
        "atoms in one place", build([8, 1, 1], np.zeros((3, 3))), {}, "invalid_input", "are 0 Å apart, 0.3 Å are wanted"
    ),
    Case("atoms too close", build([1, 1], [[0, 0, 0], [0, 0, 0.2]]), {}, "invalid_input", "are 0.2 Å apart"),
    Case("not a number", BROKEN, {}, "invalid_input", "atom 1 is at .0.0, 0.0, nan. Å"),
    Case("no such element", build([1, 119], H2), {}, "invalid_input", "atom 1 has atomic number 119"),
    Case("periodic", PERIODIC, {}, "invalid_input", "these oracles label molecules only"),
    Case(
        "multiplicity of other parity",
        WATER | {"multiplicity": np.int32(2)},
        {},
        "invalid_input",
        "needs an odd multip",
    ),
    Case("multiplicity too high", build([1, 1], H2, 0, 5), {}, "invalid_input", "multiplicity 3 is the highest"),
    Case("no electrons left", build([1, 1], H2, 3), {}, "invalid_input", "charge 3 takes 1 more electrons"),
    Case(
        "no room",
        build([1], [0, 0, 0], -1, 3),
        {},
        "invalid_input",
        "no room for 2 electrons of one spin in 1 functions",
    ),
    Case(
        "triplet, restricted",
        WATER | {"multiplicity": np.int32(3)},
        {"reference": "restricted"},
        "invalid_input",
        "multiplicity 3 needs another reference than restricted",
    ),
    Case("unknown basis set", WATER, {"basis": "nonsense"}, "invalid_input", "there is no basis set 'nonsense' for H"),
    Case(
        "basis set lacks element",
        build([83], [0, 0, 0], 0, 4),
        {"basis": "6-31g*"},
        "invalid_input",
        "'6-31g\\*' for Bi",
    ),
    Case("table lacks element", WATER, {"basis": {"O": "sto-3g"}}, "invalid_input", 'neither H nor "default"'),
    Case(
        "no potential for heavy", build([53], [0, 0, 0], 0, 2), {}, "invalid_input", "no effective core potential for I"
    ),
    Case(
        "unknown potential",
        WATER,
        {"ecp": {"O": "nonsense"}},
        "invalid_input",
        "no effective core potential 'nonsense'",
    ),
    Case(
        "linearly dependent",
        build([1, 1], [[0, 0, 0], [0, 0, 0.01]]),
        {"basis": "def2-tzvpd", "closest": 0.001},
        "invalid_input",
        "linearly dependent at this geometry",
    ),
    Case(
        "stretched radical",
        METHYL,
        {"max_iterations": 5, "rescue": False},
        "unconverged",
        "no SCF convergence in 5 iter",
    ),
    Case("rescue in vain", METHYL, {"max_iterations": 1}, "unconverged", "no SCF convergence in 1 iterations"),
    Case(
        "states not converged",
        FORMALDEHYDE,
        {"basis": "6-31g", "states": 6, "gradients": [], "response_convergence": 1e-9, "max_iterations": 10},
        "unconverged",
        "state . has not converged in 10 iterations",
        "tddft",
    ),
    Case(
        "too few excitations", build([1, 1], H2), {}, "invalid_input", "2 states .* has 1 single excitations", "tddft"
    ),
    Case(
        "reference above a state, TDA",
        build([1, 1], FAR),
        {"basis": "6-31g", "spin": "triplet", "response": "tda", "gradients": []},
        "unconverged",
        "the reference is not the ground state",
        "tddft",
    ),
    Case(
        "reference above a state, TDHF",
        build([1, 1], FAR),
        {"basis": "6-311g", "spin": "triplet", "gradients": [], "states": 1},
        "unconverged",
        "the reference is not the ground state, an excitation is imaginary",
        "tddft",
    ),
    Case(
        "plausible roots above a missing one",
        FORMALDEHYDE,
        {"spin": "triplet", "gradients": []},
        "unconverged",
        "the reference is not the ground state, an excitation is imaginary",
        "tddft",
    ),
    Case(
        "roots left out",
        build([1, 1], FAR),
        {"basis": "6-31g", "spin": "triplet", "gradients": []},
        "unconverged",
        "PySCF found 2 of 3 states",
        "tddft",
    ),
    Case(
        "reference above a state, pure functional",
        build([1, 1], FAR),
        {"functional": "pbe", "grid": "coarse", "basis": "6-31g", "spin": "triplet", "gradients": []},
        "unconverged",
        "the reference is not the ground state",
        "tddft",
    ),
    Case(
        "triplets of a radical",
        build([8, 1], [[0, 0, 0], [0, 0, 0.97]], 0, 2),
        {"spin": "triplet"},
        "invalid_input",
        "triplet states are those of a restricted singlet; multiplicity is 2",
        "tddft",
    ),
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_failure_has_the_right_kind_and_says_why(case, dft, tddft):
    oracle = (dft if case.kernel == "dft" else tddft)(**case.options)
    with pytest.raises(OracleFailure, match=case.message) as caught:
        oracle.label(case.sample)
    assert caught.value.kind == case.kind


def test_drill_is_as_long_as_it_should_be():
    assert len(CASES) >= 20


def test_what_needs_no_computation_is_found_by_inspection(dft, tddft):
    late = ("no room", "linearly dependent", "too few excitations")
    for case in CASES:
        if case.kind == "invalid_input" and case.name not in late:
            with pytest.raises(OracleFailure, match=case.message):
                (dft if case.kernel == "dft" else tddft)(**case.options).inspect(case.sample)


def test_evidence_shows_the_cycles(dft):
    with pytest.raises(OracleFailure) as caught:
        dft(max_iterations=2, rescue=False).label(WATER)
    assert "cycle= 2 E= " in caught.value.evidence


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            MemoryError("Unable to allocate 9 TiB"),
            "crashed",
            r"out of memory: Unable to allocate 9 TiB \(option memory\)",
        ),
        (NotImplementedError("NLC"), "invalid_input", "PySCF can't do this: NLC"),
        (np.linalg.LinAlgError("singular"), "crashed", "PySCF raised LinAlgError: singular"),
    ],
)
def test_what_pyscf_raises_becomes_a_failure(dft, monkeypatch, error, kind, message):
    def fail(*_):
        raise error

    monkeypatch.setattr(module, "converged_field", fail)
    with pytest.raises(OracleFailure, match=message) as caught:
        dft().label(WATER)
    assert caught.value.kind == kind


def test_numbers_that_are_not_finite_are_no_label(dft, monkeypatch):
    oracle = dft()
    monkeypatch.setattr(oracle, "_reference_forces", lambda _: np.full((3, 3), np.nan))
    with pytest.raises(OracleFailure, match="PySCF gave forces that are not finite") as caught:
        oracle.label(WATER)
    assert caught.value.kind == "crashed"
