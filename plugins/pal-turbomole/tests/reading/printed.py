"""Logs and files in the words of the programs, with numbers of our own: what the real files here don't show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

B3LYP = (
    "Becke-3-Parameter hybrid functional: B3-LYP",
    "exchange: 0.8*LDA + 0.72*B88 + 0.2*HF",
    "correlation: 0.19*LDA(VWN) + 0.81*LYP",
)
WATER = (("o", "h", "h"), np.array([[0, 0, -0.12947694], [0, -1.49418734, 1.02744651], [0, 1.49418734, 1.02744651]]))
CHARGES = {"h": 1, "o": 8, "c": 6, "br": 35}


def log(program: str, *parts: str, version: str = "rev. V7.7.1 compiled 3 Feb 2023", end: str = "all done") -> str:
    """What stands around every program's output."""
    head = f"\n {program} (node7) : TURBOMOLE {version} at 10:13:59\n Copyright (C) 2023 TURBOMOLE GmbH, Karlsruhe\n\n"
    name = program.split("_", maxsplit=1)[0]
    return "\n".join([head, *parts, f"\n   ****  {name} : {end}  ****\n\n\n    2024-02-23 14:24:19.568 \n"])


def coordinates(symbols: Sequence[str], positions: np.ndarray) -> str:
    rows = [
        "".join(f"{x:14.8f}" for x in row).rjust(48) + f"    {s:<4}{CHARGES[s]:8.3f}     0"
        for s, row in zip(symbols, positions, strict=True)
    ]
    title = "              | Atomic coordinate, charge and isotop information |\n\n"
    head = "                    atomic coordinates            atom    charge  isotop"
    return "\n".join([title + head, *rows, " ", f"   total:{len(rows):5d}     38     24"])


def functional(lines: Sequence[str], *, small: bool = True) -> str:
    note = " iterations will be done with small grid\n" if small else ""
    rule = "           ------------------"
    box = f"{rule}\n           density functional\n{rule}\n" + "\n".join(f" {line}" for line in lines)
    return f"{box}\n{note}  \n spherical integration : Lebedev's spherical grid\n spherical gridsize    :{3:22d}\n"


def scf(
    energy: float = -76.5,
    *,
    program: str = "ridft",
    lines: Sequence[str] = B3LYP,
    charge: float = 0,
    unpaired: int | None = None,
    dispersion: bool = False,
    iterations: int = 2,
    small: bool = True,
) -> str:
    """A calculation of water that converged."""
    rows = [
        " ITERATION  ENERGY          1e-ENERGY        2e-ENERGY     NORM[dD(SAO)]  TOL\n"
        f"{i:4d}  {energy + 0.1 * (iterations - i):.12f}    -123.80966488     38.946516514    0.000D+00 0.133D-10\n"
        for i in range(1, iterations + 1)
    ]
    open_shell = unpaired is not None
    spin = f" a-b                               {unpaired:14.6f}\n" if open_shell else ""
    return log(
        program,
        coordinates(*WATER),
        functional(lines, small=small) if lines else "",
        "  DFT-D3 Energy contribution               =      -0.000458920\n" if dispersion else "",
        " number of occupied orbitals :     5\n",
        " UHF mode switched on !\n" if open_shell else "",
        *rows,
        f"\n convergence criteria satisfied after {iterations:5d} iterations\n",
        f"                 |  total energy      ={energy:20.11f}  |\n",
        "<S*S>     0.75205420\n" if open_shell else "",
        "                           electrostatic moments\n ====\n",
        f"                          charge      \n ----\n{10:18.6f}{charge - 10:16.6f}{charge:16.6f}\n{spin} \n",
    )


def table(title: str, symbols: Sequence[str], values: np.ndarray, *, label: str = "dE/d", norm: bool = True) -> str:
    """A table of vectors, five atoms in a row, and what stands below."""
    rule = "          " + "-" * 48
    text = [rule, title, rule, ""]
    for start in range(0, len(symbols), 5):
        part = range(start, min(start + 5, len(symbols)))
        text.append("  ATOM" + "".join(f"{i + 1:7d} {symbols[i]:<6}" for i in part))
        text += [label + axis + "".join(fortran(values[i, k]) for i in part) for k, axis in enumerate("xyz")]
        text.append("")
    if norm:
        atom = int(np.abs(values).max(axis=1).argmax())
        text += [
            " *****",
            f"  |maximum component of gradient| : {np.abs(values).max():.8E}  (atom {atom + 1:2d} {symbols[atom]:<2})",
            f"   gradient norm                  : {np.linalg.norm(values):.8E}",
            " *****",
        ]
    return "\n".join([*text, ""])


def fortran(value: float) -> str:
    """14 columns with 7 digits, as ``-0.2702505D-01``."""
    mantissa, exponent = f"{value:.6E}".split("E")
    shifted, power = (float(mantissa) / 10, int(exponent) + 1) if value else (0.0, 0)
    return f"{shifted:10.7f}D{power:+03d}"


GRADIENT = "           cartesian gradient of the energy (hartree/bohr)"


def state(number: int, irrep: str, spin: str, energy: float, ground: float, dipoles: np.ndarray) -> str:
    """An excited state, in one column or as many as there are dipole moments."""
    strength = 2 / 3 * energy * float((dipoles**2).sum())
    columns = [
        f"                              {i + 1}. column\n\n" * (len(dipoles) > 1)
        + "\n".join(
            f" Electric transition dipole moment ({gauge} rep.):\n\n"
            f"    x    {d[0]:12.6f}        Norm:    {np.linalg.norm(d):22.6f}\n"
            f"    y    {d[1]:12.6f}\n    z    {d[2]:12.6f}\n"
            for gauge in ("velocity", "length")
        )
        for i, d in enumerate(dipoles)
    ]
    name = " ".join(word for word in (str(number), spin, irrep, "excitation") if word)
    return "\n".join(
        [
            f"\n                         {name}\n\n",
            f" Total energy:                           {ground + energy:.13f}    \n",
            f" Excitation energy:                      {energy:.16f}    \n",
            f" Excitation energy / eV:                  {energy * 27.2:.14f}    \n",
            " Oscillator strength:\n",
            f"    velocity representation:            {strength:22.16f}    \n",
            f"    length representation:              {strength:22.16f}    \n",
            " Rotatory strength:\n",
            "    velocity representation:              0.000000000000000    \n",
            "    length representation:                0.000000000000000    \n",
            *columns,
        ]
    )


def krylov(
    what: str, roots: Sequence[tuple[str, int, float]], *, coarse: bool = False, residual: str = "7.65D-06"
) -> str:
    """Iterations that converge, and the table of solutions."""
    irreps = list(dict.fromkeys(irrep for irrep, _, _ in roots))
    counts = {irrep: sum(r[0] == irrep for r in roots) for irrep in irreps}
    head = " Iteration IRREP Converged      Max. Euclidean\n                 roots          residual norm\n"
    steps = [
        "\n".join(
            f"{f'{step:5d}' if not i else '     '}       {irrep:<4}{counts[irrep] if step == 2 else 0:5d}        {norm}"
            for i, irrep in enumerate(irreps)
        )
        for step, norm in ((1, "2.359401909412863D-01"), (2, "7.650341961108428D-06"))
    ]
    after = (
        "\n Switching to fine grid\n\n" + head + "\n    3       a        0        2.319384938479067D-04\n \n"
        "\n NOTE: Residual norms are larger than 1.00D-05 due to mgrid option!\n"
    )
    rows = [
        f"  {irrep if n == 1 else '':<6}{n:6d}    {value:.15E}".replace("E", "D") + f"    {residual}"
        for irrep, n, value in roots
    ]
    return "\n".join(
        [
            "                       Nonorthonormal Krylov Space Iteration\n",
            f" total number of roots to be determined: {len(roots)}\n",
            head,
            "\n \n".join(steps) + "\n ",
            "\n converged!\n",
            after if coarse else "",
            f"\n IRREP   Vector     {what:<10}           Euclidean residual norm\n",
            "\n".join(rows),
            "",
        ]
    )


Excitations = Sequence[tuple[str, int, float, np.ndarray]]


def response(
    excitations: Excitations,
    *tables: str,
    program: str = "escf",
    method: str = "RPA SINGLET-EXCITATION-CALCULATION",
    ground: float = -76.5,
    spin: str = "singlet",
    square: bool = True,
    coarse: bool = False,
    chosen: str = "",
    flags: str = "",
    residual: str = "7.65D-06",
) -> str:
    """A calculation of excited states of water: representation, number, energy and dipole moments of each."""
    roots = [(irrep, n, energy**2 if square else energy) for irrep, n, energy, _ in excitations]
    extra = krylov("Frequency", [("a", 1, 0.0)]) if program == "egrad" else ""
    summary = " SUMMARY OF EXCITATION ENERGIES AND DIPOLE OSCILLATOR STRENGTHS (velocity/length):\n"
    return log(
        program,
        coordinates(*WATER),
        " residuum convergence criterium   :  0.10E-04\n",
        f" {method} \n",
        flags,
        functional(B3LYP),
        krylov("Eigenvalue", roots, coarse=coarse, residual=residual),
        "                            Ground state\n",
        f" Total energy:                           {ground:.13f}    \n",
        " Charge:\n\n               elec          nuc         total\n\n"
        "           -10.000000    10.000000    -0.000000\n",
        " Electric dipole moment:\n",
        *(state(n, irrep, spin, energy, ground, dipoles) for irrep, n, energy, dipoles in excitations),
        summary,
        chosen,
        "                        CPKS right-hand side \n" if extra else "",
        extra,
        *tables,
    )


def gradient_file(cycles: Sequence[tuple[float, Sequence[str], np.ndarray, np.ndarray]], surface: str = "SCF") -> str:
    """A file ``gradient`` with several cycles: energy, elements, positions and gradient of each."""
    text = ["$grad          cartesian gradients"]
    for i, (energy, symbols, positions, gradient) in enumerate(cycles):
        norm = np.linalg.norm(gradient)
        text.append(f"  cycle = {i + 1:6d}    {surface} energy ={energy:20.10f}   |dE/dxyz| = {norm:9.6f}")
        for symbol, row in zip(symbols, positions, strict=True):
            text.append("".join(f"{x:22.14f}" for x in row) + f"      {symbol}")
        text += ["".join(f"{x:22.13E}".replace("E", "D") for x in row) for row in gradient]
    return "\n".join([*text, "$end", ""])
