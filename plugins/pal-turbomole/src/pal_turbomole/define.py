"""The dialogue with ``define``: geometry, basis sets, start orbitals and occupation of a composition.

`define` knows what no one else does: Turbomole's library of basis sets and core potentials, and the extended Hückel
guess. It is asked for these only; the method is written by `pal_turbomole.groups`. The prompts are those of Turbomole
5.9 to 7.8, as its manuals and public transcripts show them; any other one is an error with the last lines said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pal_core.kernels import FailureKind, OracleFailure

from pal_turbomole.conversation import Conversation

__all__ = ["Request", "converse"]

_GEOMETRY = r"#ATOMS=\s*(\d+)\s*SYMMETRY=\s*(\S+)\s*\)[\s\S]*?OF THAT COMMAND MAY BE GIVEN"
_ATOMIC = r"#atoms=\s*(\d+)\s*#bas=\s*(\d+)\s*#ecp=\s*(\d+)\s*\)[\s\S]*?GOBACK=& \(TO GEOMETRY MENU !\)"
_CARTESIAN = r"IF YOU DO NOT WANT TO USE INTERNAL COORDINATES ENTER\s+no"
_GENERAL = r"GENERAL MENU[\s\S]*?END OF DEFINE SESSION"
_FITTING = r"RI IS\s+(NOT\s+)?USED[\s\S]*?ENTER RI-OPTION TO BE MODIFIED"
_STEPS = 40

_REFUSALS: Mapping[str, tuple[FailureKind, str]] = {
    r"NO DATA SETS CATALOGUED IN FILE[\s\S]*?NICKNAME\s+(.+)\n": (
        "invalid_input",
        "Turbomole's library has no basis set or core potential {!r} (options basis and ecp)",
    ),
    r"CHOSEN OCCUPATION IMPOSSIBLE": ("invalid_input", "define finds the occupation impossible: charge, multiplicity?"),
    r"NO MORE DATA AVAILABLE FOR EHT": ("invalid_input", "define has no extended Hückel parameters for an element"),
    r"NO ATOMS, NO MOLECULE, NOTHING": ("crashed", "define found no atoms in the coord file"),
    r"define ended abnormally": ("crashed", "define ended abnormally"),
}


@dataclass(frozen=True)
class Request:
    """What define is asked for.

    Parameters
    ----------
    atoms : int
    basis : mapping of str to str
        Library name of each element's basis set.
    ecp : mapping of str to str or None
        Of each element's core potential; ``"none"`` removes it, None leaves it to the basis set.
    charge : int
    unpaired : int or None
        Unpaired electrons of an unrestricted reference; None for a closed shell.
    fitting : {"none", "coulomb", "coulomb-exchange"}
    """

    atoms: int
    basis: Mapping[str, str]
    ecp: Mapping[str, str | None]
    charge: int
    unpaired: int | None
    fitting: str = "none"


def converse(program: str, folder: Path, environment: Mapping[str, str], request: Request, limit: float) -> None:
    """Run define in a folder that holds a coord file, and nothing of an earlier calculation.

    Raises
    ------
    OracleFailure
    """
    with Conversation("define", program, folder, environment, limit=limit, refusals=_REFUSALS) as talk:
        _geometry(talk, request)
        _attributes(talk, request)
        _occupation(talk, request)
        _density_fitting(talk, request.fitting)
        talk.answer("*")
        talk.expect(end="define ended normally")


def _geometry(talk: Conversation, request: Request) -> None:
    talk.expect(default_file="IF YOU WANT TO READ DEFAULT-DATA FROM ANOTHER control-TYPE FILE")
    talk.answer("")
    talk.expect(title="INPUT TITLE OR")
    talk.answer("")
    talk.expect(geometry_menu=_GEOMETRY)
    talk.answer("a coord")
    found = talk.expect(geometry_menu=_GEOMETRY).match
    if int(found[1]) != request.atoms or found[2].lower() != "c1":
        text = f"define read {found[1]} atoms in symmetry {found[2]}, wanted are {request.atoms} in c1"
        raise OracleFailure("crashed", text)
    talk.answer("*")


def _attributes(talk: Conversation, request: Request) -> None:
    heard = talk.expect(internal_coordinates=_CARTESIAN, atomic_menu=_ATOMIC)
    if heard.name == "internal_coordinates":
        talk.answer("no")
        talk.expect(atomic_menu=_ATOMIC)
    last = None
    for command in _assignments(request):
        talk.answer(command)
        last = talk.expect(atomic_menu=_ATOMIC).match
    if last is not None and int(last[2]) != request.atoms:
        raise OracleFailure("crashed", f"define has basis sets for {last[2]} of {request.atoms} atoms")
    talk.answer("*")


def _assignments(request: Request) -> Sequence[str]:
    commands = [f'b "{element}" {name}' for element, name in request.basis.items()]
    for element, name in request.ecp.items():
        if name is not None:
            commands.append(f'ecprm "{element}"' if name == "none" else f'ecp "{element}" {name}')
    return commands


def _occupation(talk: Conversation, request: Request) -> None:
    """Extended Hückel guess: which questions come depends on the elements and on the occupation it finds."""
    talk.expect(orbital_menu=r"THE COMMANDS\s+use\s+OR\s+eht\s+OR\s+\*\s+OR q\(uit\) TERMINATE THIS MENU")
    talk.answer("eht")
    assigned = False
    for _ in range(_STEPS):
        heard = talk.expect(
            parameters="DO YOU WANT THE DEFAULT PARAMETERS FOR THE EXTENDED HUECKEL CALCULATION",
            these_orbitals="DO YOU WANT THESE",
            charge="ENTER THE (?:MOLECULAR|ATOMIC) CHARGE",
            atomic_occupation="DO YOU WANT THE DEFAULT OCCUPATION ASSIGNMENT FOR ATOMS",
            accept_occupation="DO YOU ACCEPT THIS OCCUPATION",
            occupation_menu=r"LIST OF MO-SHELL INDICES",
            natural_orbitals="DO YOU REALLY WANT TO WRITE OUT NATURAL ORBITALS",
            general_menu=_GENERAL,
        )
        if heard.name == "general_menu":
            return
        if heard.name == "occupation_menu":
            talk.answer("*" if assigned else _occupied(request))
            assigned = True
        else:
            talk.answer(_ANSWERS.get(heard.name) or _by_request(heard.name, request))
    raise OracleFailure("crashed", f"define asked {_STEPS} questions about the occupation and did not come to an end")


_ANSWERS = {"parameters": "y", "these_orbitals": "y", "atomic_occupation": "n", "natural_orbitals": "n"}


def _by_request(question: str, request: Request) -> str:
    if question == "charge":
        return str(request.charge)
    return "y" if request.unpaired is None else "n"


def _occupied(request: Request) -> str:
    """Command of the occupation menu, which comes where define has no proposal, or where it was refused."""
    if request.unpaired is None:
        raise OracleFailure(
            "invalid_input",
            "define proposes no closed shell: the extended Hückel guess has no gap between occupied and empty "
            "orbitals; take reference = 'unrestricted'",
        )
    return "s" if request.unpaired == 0 else f"u {request.unpaired}"


def _density_fitting(talk: Conversation, fitting: str) -> None:
    if fitting == "none":
        return
    talk.answer("ri" if fitting == "coulomb" else "rijk")
    talk.expect(fitting_menu=_FITTING)
    talk.answer("on")
    if talk.expect(fitting_menu=_FITTING).match[1]:
        raise OracleFailure("crashed", "define did not switch density fitting on")
    talk.answer("")
    talk.expect(general_menu=_GENERAL)
