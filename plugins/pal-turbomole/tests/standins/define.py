"""Stands in for define: its prompts are those of the dialogue of Turbomole 7.

The variable STANDIN_DEFINE adds questions that come for some molecules only: ``"orbitals natural"``; and ways to fail.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

import inputs as i

GEOMETRY = """
 SPECIFICATION OF MOLECULAR GEOMETRY ( #ATOMS={atoms:<5d} SYMMETRY={symmetry:<4})
 YOU MAY USE ONE OF THE FOLLOWING COMMANDS :
 sy <group> <eps> : DEFINE MOLECULAR SYMMETRY (default for eps=3d-1)
 a <file>         : ADD ATOMIC COORDINATES FROM FILE <file>
 *                : TERMINATE MOLECULAR GEOMETRY SPECIFICATION
                     AND WRITE GEOMETRY DATA TO CONTROL FILE

 IF YOU APPEND A QUESTION MARK TO ANY COMMAND AN EXPLANATION
 OF THAT COMMAND MAY BE GIVEN
"""
CARTESIAN = """
 IF YOU DO NOT WANT TO USE INTERNAL COORDINATES ENTER  no
"""
ATOMIC = """
 ATOMIC ATTRIBUTE DEFINITION MENU  ( #atoms={atoms:<5d} #bas={bas:<5d} #ecp={ecp:<5d} )

 b    : ASSIGN ATOMIC BASIS SETS
 ecp  : ASSIGN EFFECTIVE CORE POTENTIALS
 ecprm: REMOVE EFFECTIVE CORE POTENTIAL(S)
 *    : TERMINATE THIS SECTION AND WRITE DATA OR DATA REFERENCES TO control
 GOBACK=& (TO GEOMETRY MENU !)
"""
ORBITALS = """
 OCCUPATION NUMBER & MOLECULAR ORBITAL DEFINITION MENU

 CHOOSE COMMAND
 eht        : PROVIDE MOS && OCCUPATION NUMBERS FROM EXTENDED HUECKEL GUESS
 &          : MOVE BACK TO THE ATOMIC ATTRIBUTES MENU
 THE COMMANDS  use  OR  eht  OR  *  OR q(uit) TERMINATE THIS MENU !!!
 FOR EXPLANATIONS APPEND A QUESTION MARK (?) TO ANY COMMAND
"""
OCCUPATION = """
 OCCUPATION NUMBER ASSIGNMENT MENU ( #e={electrons} #c=0 #o=0)
 s        : CHOOSE UHF SINGLET OCCUPATION
 u <int>  : UHF WITH <int> UNPAIRED ELECTRONS
 *        : SAVE THESE OCCUPATION NUMBERS AND GO ON
 <int> = INTEGER
 <list> = LIST OF MO-SHELL INDICES (LIKE  1-5,7-8,11)
"""
GENERAL = """
 GENERAL MENU : SELECT YOUR TOPIC
 scf    : SELECT NON-DEFAULT SCF PARAMETER
 ri     : RI Parameters
 rijk   : RI-JK-HF Parameters
 &      : GO BACK TO OCCUPATION/ORBITAL ASSIGNMENT MENU

 * or q : END OF DEFINE SESSION
"""
FITTING = """
 STATUS OF RI-OPTIONS:
   RI IS{used} USED
   Memory for RI:         500 MB
   Filename for auxbasis: auxbasis
 ENTER RI-OPTION TO BE MODIFIED
   on: TO SWITCH ON  RI
"""


class Define:
    """One session."""

    def __init__(self) -> None:
        self.wishes = os.environ.get("STANDIN_DEFINE", "").split()
        self.elements: list[str] = []
        self.basis: dict[str, str] = {}
        self.ecp: dict[str, str] = {}
        self.core: dict[str, int] = {}
        self.shells: list[str] = []
        self.fitting = ""

    def ask(self, prompt: str, **values) -> str:
        print(prompt.format(**values), flush=True)
        line = sys.stdin.readline()
        if not line:
            raise SystemExit("define: end of input")
        return line.rstrip("\n")

    def wants(self, answer: str, wanted: str) -> None:
        """A wrong answer brings the same menu again in the real program; here it is an error."""
        if answer != wanted:
            print(f" WRONG ANSWER {answer!r}", flush=True)
            time.sleep(600)

    def session(self) -> None:
        print("\n *  TURBOMOLE`S  INTERACTIVE  INPUT  PROGRAM *\n\n DATA WILL BE WRITTEN TO THE NEW FILE control\n")
        if "hang" in self.wishes:
            self.ask(" AN UNKNOWN QUESTION ?")
            time.sleep(600)
        default = " IF YOU WANT TO READ DEFAULT-DATA FROM ANOTHER control-TYPE FILE,\n THEN ENTER ITS LOCATION/NAME OR "
        self.wants(self.ask(default + "OTHERWISE HIT >return<.\n"), "")
        self.ask(" INPUT TITLE OR \n ENTER & TO REPEAT DEFINITION OF DEFAULT INPUT FILE \n")
        self.wants(self.ask(GEOMETRY, atoms=0, symmetry="c1"), "a coord")
        self.elements, _ = i.coordinates()
        symmetry = "c2v" if "symmetry" in self.wishes else "c1"
        self.wants(self.ask(GEOMETRY, atoms=len(self.elements), symmetry=symmetry), "*")
        if len(self.elements) > 1:
            self.wants(self.ask(CARTESIAN), "no")
        self.attributes()
        self.occupation()
        self.general()
        self.write()

    def attributes(self) -> None:
        self.basis = dict.fromkeys(self.elements, "def-SV(P)")
        while True:
            ecps = sum(e in self.ecp for e in self.elements)
            answer = self.ask(ATOMIC, atoms=len(self.elements), bas=len(self.elements), ecp=ecps)
            if answer == "*":
                return
            command, element, name = re.fullmatch(r'(b|ecp|ecprm) "(\w+)" ?(.*)', answer).groups()
            if command == "ecprm":
                self.ecp.pop(element, None)
            else:
                self.assign(element, name, command == "ecp")

    def assign(self, element: str, name: str, ecp: bool) -> None:
        found = i.ask("library", element=element, name=name, ecp=ecp)
        spelled = name == name.lower() and name.startswith(("def", "dhf", "6-", "cc")) and not name.endswith("-ecp")
        if not found["known"] or spelled:
            folder = "ecp" if ecp else "basen"
            print(f" THERE ARE NO DATA SETS CATALOGUED IN FILE\n /turbomole/{folder}/{element}\n CORRESPONDING TO")
            self.ask(f" NICKNAME    {element} {name}\n\n nick    - REPEAT NICKNAME INPUT\n &       - GO BACK\n")
            time.sleep(600)
        elif ecp:
            self.ecp[element], self.core[element] = name, found["core"]
        else:
            self.basis[element] = name
            family = name.partition("-")[0]
            if i.SYMBOLS.index(element) > 36 and family in ("def2", "dhf") and "no-ecp" not in self.wishes:
                self.assign(element, f"{family}-ecp", ecp=True)

    def occupation(self) -> None:
        self.wants(self.ask(ORBITALS), "eht")
        if "orbitals" in self.wishes:
            found = "\n 2 SUITED DEFINITIONS OF ATOMIC ORBITALS FOR cu FOUND\n DO YOU WANT THESE ? DEFAULT=y\n"
            self.wants(self.ask(found), "y")
        question = " DO YOU WANT THE DEFAULT PARAMETERS FOR THE EXTENDED HUECKEL CALCULATION ?\n DEFAULT=y   HELP=?\n"
        self.wants(self.ask(question), "y")
        if len(self.elements) == 1:
            self.wants(self.ask(" DO YOU WANT THE DEFAULT OCCUPATION ASSIGNMENT FOR ATOMS ?"), "n")
        kind = "ATOMIC" if len(self.elements) == 1 else "MOLECULAR"
        charge = int(self.ask(f" ENTER THE {kind} CHARGE  (DEFAULT=0)\n"))
        electrons = sum(i.SYMBOLS.index(e) - self.core.get(e, 0) * (e in self.ecp) for e in self.elements) - charge
        accept = " DO YOU ACCEPT THIS OCCUPATION ?  DEFAULT=y\n"
        if "no-proposal" not in self.wishes and self.ask(accept) == "y":
            self.shells = ["$closed shells", f" a       1-{electrons // 2}                                    ( 2 )"]
        else:
            self.open_shells(electrons)
        if "wrong-occupation" in self.wishes:
            self.shells = ["$closed shells", " a       1-2                                    ( 2 )"]
        if "natural" in self.wishes or self.shells[0] == "$uhf":
            self.wants(self.ask(" DO YOU REALLY WANT TO WRITE OUT NATURAL ORBITALS ?  DEFAULT=n\n"), "n")

    def open_shells(self, electrons: int) -> None:
        answer = self.ask(OCCUPATION, electrons=electrons)
        unpaired = 0 if answer == "s" else int(answer.removeprefix("u "))
        if (electrons - unpaired) % 2 or unpaired > electrons:
            self.ask(" !!! CHOSEN OCCUPATION IMPOSSIBLE !!!\n" + OCCUPATION, electrons=electrons)
        self.wants(self.ask(OCCUPATION, electrons=electrons), "*")
        beta = (electrons - unpaired) // 2
        self.shells = ["$uhf", "$alpha shells", f" a       1-{beta + unpaired}              ( 1 )"]
        self.shells += ["$beta shells", f" a       1-{beta}              ( 1 )"] if beta else []

    def general(self) -> None:
        while (answer := self.ask(GENERAL)) != "*":
            assert answer in ("ri", "rijk")
            self.wants(self.ask(FITTING, used=" NOT"), "on")
            self.wants(self.ask(FITTING, used=" NOT" if "no-fitting" in self.wishes else ""), "")
            self.fitting = answer

    def write(self) -> None:
        atoms, jbas = [], {"ri": "jbas", "rijk": "jkbas", "": ""}[self.fitting]
        for element in dict.fromkeys(self.elements):
            where = ",".join(str(n) for n, e in enumerate(self.elements, 1) if e == element)
            keys = [f"   basis ={element} {self.basis[element]}"]
            keys += [f"   {jbas:<5} ={element} universal"] * bool(jbas)
            keys += [f"   ecp   ={element} {self.ecp.get(element)}"] * (element in self.ecp)
            head = f"{element}  {where}"
            atoms += [f"{line:<79}\\" for line in [head, *keys[:-1]]] + [keys[-1]]
        files = (
            ["$uhfmo_alpha   file=alpha", "$uhfmo_beta   file=beta"]
            if self.shells[0] == "$uhf"
            else ["$scfmo   file=mos"]
        )
        lines = ["$title", "$symmetry c1", "$user-defined bonds    file=coord", "$coord    file=coord"]
        lines += ["$optimize", " internal   off", " cartesian  on", "$atoms", *atoms, "$basis    file=basis"]
        lines += ["$ecp    file=basis"] if self.ecp else []
        lines += ["$rundimensions", f"   natoms={len(self.elements)}", *files, *self.shells, "$scfiterlimit       30"]
        lines += ["$scfconv        6", "$scfdamp   start=0.300  step=0.050  min=0.100"]
        lines += {"": [], "ri": ["$rij"], "rijk": ["$rik"]}[self.fitting]
        lines += [f"${jbas}    file=auxbasis"] if jbas else []
        Path("control").write_text("\n".join([*lines, "$last step     define", "$end", ""]))
        self.write_files()

    def write_files(self) -> None:
        basis = "".join(f"*\n{e} {b}\n*\n    1  s\n      1.0   1.0\n" for e, b in self.basis.items())
        ecp = "".join(f"*\n{e} {n}\n*\n  ncore = {self.core[e]}   lmax =  3\nf\n" for e, n in self.ecp.items())
        Path("basis").write_text(f"$basis\n{basis}*\n" + (f"$ecp\n{ecp}*\n" if ecp else "") + "$end\n")
        if self.fitting:
            Path("auxbasis").write_text("$jbas\n$end\n")
        for name in ("alpha", "beta") if self.shells[0] == "$uhf" else ("mos",):
            title = "scfmo" if name == "mos" else f"uhfmo_{name}"
            Path(name).write_text(f"${title}    expanded   format(4d20.14)\n# guess\n$end\n")


def run() -> int:
    session = Define()
    if "abnormal" in session.wishes:
        print(" define ended abnormally", file=sys.stderr)
        return 1
    session.session()
    print(" define ended normally", file=sys.stderr)
    return 0
