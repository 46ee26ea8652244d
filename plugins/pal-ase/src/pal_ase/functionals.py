"""Density functionals by names that mean one thing each, and what programs call them. Light.

Programs give one name to different functionals. The B3LYP of Turbomole (``b3-lyp``) and of ORCA has functional V of
Vosko, Wilk and Nusair in its local part; Gaussian's, Q-Chem's and PySCF's has their functional III, which is a fit to
the random-phase approximation. Water's energies by the two differ by 1.0 eV. In libxc the latter is
``hyb_gga_xc_b3lyp``; its ``hyb_gga_xc_b3lyp3`` is another one, equal to B3LYP with functional V for closed shells.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AMBIGUOUS", "FUNCTIONALS", "LIBXC", "Functional", "check_functional"]


@dataclass(frozen=True)
class Functional:
    """What a name means.

    Parameters
    ----------
    meaning : str
        In words that leave no doubt.
    libxc : str
        For `pyscf.dft`, by libxc's own names, which no setting of the user's changes; ``"hf"`` is Hartree-Fock.
    turbomole : str
        After ``functional`` in ``$dft``; empty for Hartree-Fock.
    damping : str
        Under which name dispersion corrections have parameters (s-dftd3, dftd4).
    dispersion : tuple of str
        Those that have.
    """

    meaning: str
    libxc: str
    turbomole: str
    damping: str = ""
    dispersion: tuple[str, ...] = ()


_BOTH = ("d3bj", "d4")

FUNCTIONALS = {
    "hf": Functional("Hartree-Fock", "hf", "", "hf", _BOTH),
    "svwn5": Functional("Slater exchange, VWN functional V", "lda_x,lda_c_vwn", "s-vwn"),
    "pwlda": Functional("Slater exchange, Perdew-Wang 1992 correlation", "lda_x,lda_c_pw", "pwlda"),
    "blyp": Functional("B88 exchange, LYP correlation", "gga_x_b88,gga_c_lyp", "b-lyp", "blyp", _BOTH),
    "bp86-vwn5": Functional(
        "B88 exchange, P86 correlation with VWN functional V in its local part",
        "gga_x_b88,gga_c_p86vwn",
        "b-p",
        "bp",
        _BOTH,
    ),
    "pbe": Functional("PBE", "gga_x_pbe,gga_c_pbe", "pbe", "pbe", _BOTH),
    "pbe0": Functional("PBE0 (25 % exact exchange)", "hyb_gga_xc_pbeh", "pbe0", "pbe0", _BOTH),
    "b3lyp-vwn5": Functional(
        "B3LYP with VWN functional V in its local part (Turbomole's b3-lyp)",
        "hyb_gga_xc_b3lyp5",
        "b3-lyp",
        "b3lyp",
        _BOTH,
    ),
    "b3lyp-gaussian": Functional(
        "B3LYP with VWN functional III, the fit to the RPA, in its local part (as in Gaussian)",
        "hyb_gga_xc_b3lyp",
        "b3-lyp_Gaussian",
        "b3lyp",
        _BOTH,
    ),
    "bhlyp": Functional(
        "half exact, half B88 exchange, LYP correlation", "hyb_gga_xc_bhandhlyp", "bh-lyp", "bhlyp", _BOTH
    ),
    "cam-b3lyp": Functional("CAM-B3LYP", "hyb_gga_xc_cam_b3lyp", "cam-b3lyp", "camb3lyp", _BOTH),
    "tpss": Functional("TPSS", "mgga_x_tpss,mgga_c_tpss", "tpss", "tpss", _BOTH),
    "tpssh": Functional("TPSSh (10 % exact exchange)", "hyb_mgga_xc_tpssh", "tpssh", "tpssh", _BOTH),
    "m06-2x": Functional("M06-2X (54 % exact exchange)", "hyb_mgga_x_m06_2x,mgga_c_m06_2x", "m06-2x"),
    "bmk": Functional("BMK (42 % exact exchange)", "hyb_mgga_x_bmk,gga_c_bmk", "bmk", "bmk", ("d3bj",)),
}
"""By the name in a settings file."""

AMBIGUOUS = {"b3lyp": ("b3lyp-vwn5", "b3lyp-gaussian"), "bp86": ("bp86-vwn5",), "svwn": ("svwn5",), "lda": ("svwn5",)}
"""Names that programs disagree about, and what to write instead."""

LIBXC = "libxc:"
"""Before anything else that PySCF understands, where the plugin takes it."""


def check_functional(name: str, *, libxc: bool = False) -> str:
    """Refuse a name that isn't in the table.

    Parameters
    ----------
    name : str
    libxc : bool
        Whether ``"libxc:..."`` is welcome.

    Raises
    ------
    ValueError
    """
    if name in FUNCTIONALS or (libxc and name.startswith(LIBXC) and len(name) > len(LIBXC)):
        return name
    if name in AMBIGUOUS:
        raise ValueError(f"programs disagree about what {name!r} is; take {' or '.join(AMBIGUOUS[name])}")
    other = ', or "libxc:..." with names of libxc' if libxc else ""
    raise ValueError(f"there is no functional {name!r}; known are {', '.join(FUNCTIONALS)}{other}")
