"""Turbomole's output formats, as in real files of versions 7.3 to 7.7. Standard library only."""

from __future__ import annotations

import math

from inputs import SYMBOLS

RULE = " " + "-" * 78
DESCRIBED = {
    "b3-lyp": (
        "Becke-3-Parameter hybrid functional: B3-LYP",
        "0.8*LDA + 0.72*B88 + 0.2*HF",
        "0.19*LDA(VWN) + 0.81*LYP",
    ),
    "b3-lyp_Gaussian": ("B3LYP hybrid functional", "0.8*LDA + 0.72*B88 + 0.2*HF", "0.19*LDA(VWNIII) + 0.81*LYP"),
    "b-p": ("B-P86 functional", "LDA + Becke (B88)", "LDA (VWN) + Perdew (P86)"),
    "pbe": ("PBE functional", "LDA + PBE", "LDA (PW) + PBE"),
    "pbe0": ("PBE0 hybrid functional", "3/4 (LDA+PBE) + 1/4 HF", "LDA (PW) + PBE"),
    "tpss": ("TPSS meta-GGA functional", "LDA + TPSS", "LDA (PW) + TPSS"),
    "bmk": ("BMK hybrid meta-GGA functional", "BMK + 0.42*HF", "BMK"),
}
POINTS = {"m3": "302", "m4": "434", "m5": "590", "7": "1202"}


def fortran(value: float, digits: int, width: int) -> str:
    """A number as Fortran's D format: mantissa below 1, no zero before the point of a negative one."""
    if value == 0:
        return f"{'0.' + '0' * digits + 'D+00':>{width}}"
    exponent = math.floor(math.log10(abs(value))) + 1
    mantissa = f"{abs(value) / 10.0**exponent:.{digits}f}"
    if mantissa.startswith("1"):
        exponent, mantissa = exponent + 1, f"{0.1:.{digits}f}"
    sign = "-" + mantissa[1:] if value < 0 else mantissa
    return f"{sign}D{exponent:+03d}".rjust(width)


def banner(name: str) -> list[str]:
    return [
        "",
        f" {name} (standin) : TURBOMOLE rev. V7.5.1 compiled 23 Dec 2020 at 11:32:14",
        " Copyright (C) 2020 TURBOMOLE GmbH, Karlsruhe",
        *["", "", "    2022-02-18 16:12:33.353 ", "", "", f"{' '.join(name):>45} - program", ""],
    ]


def atoms(elements: list[str], positions: list[list[float]], core: dict[str, int]) -> list[str]:
    rows = [
        "".join(f"{x:14.8f}" if i else f"{x:20.8f}" for i, x in enumerate(p))
        + f"    {e:<2}{SYMBOLS.index(e) - core.get(e, 0):11.3f}     0"
        for e, p in zip(elements, positions, strict=True)
    ]
    return [
        "              +--------------------------------------------------+",
        "              | Atomic coordinate, charge and isotop information |",
        "              +--------------------------------------------------+",
        "",
        "                    atomic coordinates            atom    charge  isotop",
        *rows,
        " ",
        "       center of nuclear mass  :    0.00000000    0.00000000    0.00000000",
        "",
    ]


def functional(name: str | None, grid: str) -> list[str]:
    if name is None:
        return []
    title, exchange, correlation = DESCRIBED[name]
    frame = f"{'------------------':>29}"
    return [
        *["  ", frame, f"{'density functional':>29}", frame],
        *[f" {title}", f" exchange:    {exchange}", f" correlation: {correlation}", ""],
        *([" iterations will be done with small grid"] if grid.startswith("m") else []),
        *["  ", " spherical integration : Lebedev's spherical grid"],
        *[f" spherical gridsize    : {grid.lstrip('m'):>21}", f"    i.e. gridpoints    : {POINTS[grid]:>21}"],
        *[" value for diffuse not defined", " radial integration    : Chebyshev 2nd kind (scaling 3)", "  ", ""],
    ]


def iterations(energies: list[float], last: float) -> list[str]:
    out = []
    shown = [*energies[:-1], last]
    for i, energy in enumerate(shown, 1):
        out += [
            "                                              current damping :  0.700",
            " ITERATION  ENERGY          1e-ENERGY        2e-ENERGY     NORM[dD(SAO)]  TOL",
            f"{i:4d}{energy:21.11f}{1.6 * energy:17.8f}{-0.5 * energy:17.9f}    0.419D+00 0.878D-11",
            "          max. resid. norm for Fia-block=  2.762D-01 for orbital      4a         ",
            " ",
        ]
    return out


def energy_box(energy: float) -> list[str]:
    return [
        "                  ------------------------------------------ ",
        f"                 |  total energy      = {energy:19.11f}  |",
        "                  ------------------------------------------ ",
        f"                 :  kinetic energy    = {-energy:19.11f}  :",
        "                  .......................................... ",
        "",
    ]


def moments(nuclear: int, electrons: int, unpaired: int | None) -> list[str]:
    spin = [] if unpaired is None else [f" a-b{unpaired:41.6f}"]
    return [
        " ==============================================================================",
        "                           electrostatic moments",
        " ==============================================================================",
        "",
        "              nuc           elec       ->  total",
        *[RULE, "                          charge      ", RULE],
        f"{nuclear:20.6f}{-electrons:16.6f}{nuclear - electrons:16.6f}",
        *spin,
        " ",
        *[RULE, "                       dipole moment  ", RULE],
        "   z       1.019078      -0.218142       0.800935",
        " ",
    ]


def ending(name: str) -> list[str]:
    return [
        "    ------------------------------------------------------------------------",
        "         total  cpu-time :   0.33 seconds",
        "         total wall-time :   0.20 seconds",
        "    ------------------------------------------------------------------------",
        *["", f"   ****  {name} : all done  ****", "", "", "    2022-02-18 16:12:34.839 ", ""],
    ]


def gradient_table(elements: list[str], gradient: list[list[float]], title: str) -> list[str]:
    line = "          ------------------------------------------------"
    out = [line, f"           {title}", line, ""]
    for start in range(0, len(elements), 5):
        block = range(start, min(start + 5, len(elements)))
        out.append("  ATOM" + "".join(f"{i + 1:>{7 if i == start else 12}d} {elements[i]:<2}" for i in block))
        for axis, name in enumerate("xyz"):
            out.append(f"dE/d{name}" + "".join(f"{fortran(gradient[i][axis], 7, 15)}" for i in block))
        out.append(" ")
    flat = [abs(x) for row in gradient for x in row]
    largest = max(range(len(flat)), key=flat.__getitem__) // 3
    norm = math.sqrt(sum(x * x for x in flat))
    stars = " **********************************************************************"
    return [
        *out,
        stars,
        f"  |maximum component of gradient| : {max(flat):.8E}  (atom {largest + 1:2d} {elements[largest]:<2})      ",
        f"   gradient norm                  : {norm:.8E}",
        *[stars, "", " <getgrd> : data group $grad  is missing ", ""],
        "   ***  cartesian gradients written onto <gradient>  ***",
        "",
    ]


def gradient_cycle(
    number: int,
    what: str,
    energy: float,
    elements: list[str],
    positions: list[list[float]],
    gradient: list[list[float]],
) -> list[str]:
    norm = math.sqrt(sum(x * x for row in gradient for x in row))
    return [
        f"  cycle = {number:6d}    {what} energy = {energy:18.10f}   |dE/dxyz| = {norm:9.6f}",
        *("".join(f"{x:22.14f}" for x in p) + f"      {e}" for e, p in zip(elements, positions, strict=True)),
        *("".join(fortran(x, 14, 22) for x in row) for row in gradient),
    ]


def solution(values: list[float], what: str, limit: float, converged: bool) -> list[str]:
    """Iterations of a response equation, and its table of solutions."""
    n = len(values)
    rows = [
        f"  {'a' if k == 1 else ' ':<7}{k:4d}    {fortran(v, 15, 21)}    {fortran(0.3 * limit, 15, 21)}"
        for k, v in enumerate(values, 1)
    ]
    out = [
        *["", "                       Nonorthonormal Krylov Space Iteration", "", ""],
        *[f" total number of roots to be determined: {n:2d}", "", ""],
        *[" Iteration IRREP Converged      Max. Euclidean", "                 roots          residual norm", ""],
        *[f"    1       a      {0:3d}        {fortran(0.2, 15, 21)}", " "],
    ]
    if not converged:
        return [*out, f"    2       a      {n - 1:3d}        {fortran(0.02, 15, 21)}", " "]
    return [
        *out,
        *[f"    2       a      {n:3d}        {fortran(0.5 * limit, 15, 21)}", " ", "", " converged!", ""],
        *[" Eigenpairs written on logfile sing_a   ", "", "", ""],
        *[f" IRREP   Vector     {what:<20}Euclidean residual norm", "", *rows, " ", "", ""],
    ]


def ground_state(scf: dict) -> list[str]:
    nuclear, electrons = scf["nuclear"], scf["electrons"]
    return [
        *["", "                            Ground state", "", ""],
        *[f" Total energy:             {scf['energy']:30.13f}    ", "", " Charge:", ""],
        *["               elec          nuc         total", ""],
        f"{-electrons:22.6f}{nuclear:14.6f}{nuclear - electrons:13.6f}",
        *["", "", " Electric dipole moment:", "", "               elec          nuc         total   ", ""],
        *["    x        0.000000     0.000000     0.000000    Norm:              0.000000", "", "", RULE],
        *["", "                              I R R E P   a   ", "", RULE, "", ""],
    ]


def state(title: str, ground: float, excitation: float, dipole: list[float]) -> list[str]:
    """An excited state; the velocity representation is filled with the length's."""
    strength = 2 / 3 * excitation * sum(x * x for x in dipole)
    moments = [
        line
        for gauge in ("velocity", "length")
        for line in (
            *[f" Electric transition dipole moment ({gauge} rep.):", ""],
            f"    x  {dipole[0]:14.6f}        Norm:          {math.sqrt(sum(x * x for x in dipole)):16.6f}",
            f"    y  {dipole[1]:14.6f}",
            f"    z  {dipole[2]:14.6f}        Norm / debye:  {0.0:16.6f}",
            *["", ""],
        )
    ]
    return [
        *["", "", f"{title:>55}", "", ""],
        *[f" Total energy:             {ground + excitation:30.13f}    ", ""],
        *[f" Excitation energy:        {excitation:30.16f}    ", "", "", " Oscillator strength:", ""],
        *[f"    velocity representation:        {strength:25.16E}", ""],
        *[f"    length representation:          {strength:25.16E}", ""],
        *[f"    mixed representation:           {strength:25.16E}", "", "", " Rotatory strength:", ""],
        *["    velocity representation:             0.0000000000000000E+00", ""],
        *["    length representation:               0.0000000000000000E+00", "", ""],
        *moments,
    ]
