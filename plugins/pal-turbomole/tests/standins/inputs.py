"""How the stand-ins read Turbomole's input files. Standard library only, so that they start fast."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path

_TEXT = """
x h he li be b c n o f ne na mg al si p s cl ar k ca sc ti v cr mn fe co ni cu zn ga ge as se br kr rb sr y zr nb mo
tc ru rh pd ag cd in sn sb te i xe cs ba la ce pr nd pm sm eu gd tb dy ho er tm yb lu hf ta w re os ir pt au hg tl pb
bi
"""
SYMBOLS = _TEXT.split()


def ask(job: str, **request):
    """Have something computed by the process of the tests."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(os.environ["STANDIN_SOCKET"])
        line.sendall(json.dumps({"job": job, **request}).encode() + b"\n")
        answer = json.loads(line.makefile().readline())
    if "error" in answer:
        raise SystemExit(f"stand-in: {answer['error']}")
    return answer["answer"]


def groups(text: str) -> dict[str, list[str]]:
    """Lines of each data group by its title."""
    out: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("$end"):
            break
        if line.startswith("$"):
            title = line[1:].strip()
            out[title] = []
        elif line.strip():
            out[title].append(line)
    return out


def read(name: str) -> str:
    return Path(name).read_text()


def entry(found: dict[str, list[str]], name: str):
    """What stands behind a group's name, or None; and its lines."""
    for title, lines in found.items():
        if re.match(rf"{re.escape(name)}(\s|=|$)", title):
            return title[len(name) :].strip(), lines
    return None, []


def coordinates() -> tuple[list[str], list[list[float]]]:
    """Elements and positions [bohr] in the file coord."""
    rows = [line.split() for line in groups(read("coord"))["coord"]]
    return [r[3] for r in rows], [[float(x) for x in r[:3]] for r in rows]


def indices(text: str) -> list[int]:
    out: list[int] = []
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        out += range(int(first), int(last or first) + 1)
    return out


def attributes(found: dict[str, list[str]]) -> dict[str, dict[str, str]]:
    """Basis sets and core potentials by element, from $atoms and the file basis that it refers to."""
    out: dict[str, dict[str, str]] = {}
    element = ""
    for line in entry(found, "atoms")[1]:
        text = line.rstrip(" \\")
        if "=" in text:
            key, _, value = text.partition("=")
            out[element][key.strip()] = value.split(None, 1)[1].strip()
        elif text.strip() and not text[0].isspace():
            element = text.split()[0]
            out.setdefault(element, {})
    basis = read(entry(found, "basis")[0].partition("=")[2])
    for element, keys in out.items():
        for key in ("basis", "ecp"):
            if key in keys and f"\n{element} {keys[key]}\n" not in basis:
                raise SystemExit(f"{key} of {element} is not in file basis")
    return out


def occupation(found: dict[str, list[str]], name: str) -> int:
    return sum(len(indices(line.partition("(")[0].split(None, 1)[1])) for line in entry(found, name)[1])


def cores(keys: dict[str, dict[str, str]], basis: str) -> dict[str, int]:
    """Electrons in core potentials, by element."""
    out = {}
    for element, names in keys.items():
        text = basis.partition(f"\n{element} {names['ecp']}\n")[2] if "ecp" in names else ""
        out[element] = int(re.search(r"ncore = (\d+)", text)[1]) if text else 0
    return out


def job() -> tuple[dict, dict, dict]:
    """Molecule and method as control, coord, basis and mos say them; and the groups of control."""
    found = groups(read("control"))
    elements, positions = coordinates()
    keys = attributes(found)
    uhf = entry(found, "uhf")[0] is not None
    if uhf:
        alpha, beta = occupation(found, "alpha shells"), occupation(found, "beta shells")
    else:
        alpha = beta = occupation(found, "closed shells")
    core = cores(keys, read("basis"))
    charge = sum(SYMBOLS.index(e) - core[e] for e in elements) - alpha - beta
    molecule = {
        "elements": elements,
        "positions": positions,
        "basis": {e: k["basis"] for e, k in keys.items()},
        "ecp": {e: k["ecp"] for e, k in keys.items() if "ecp" in k},
        "charge": charge,
        "unpaired": alpha - beta,
    }
    dft = {line.split()[0]: line.split()[1] for line in entry(found, "dft")[1]}
    disp3, disp4 = entry(found, "disp3")[0], entry(found, "disp4")[0]
    method = {
        "uhf": uhf,
        "functional": dft.get("functional"),
        "grid": dft.get("gridsize"),
        "fitting": "rik" if entry(found, "rik")[0] is not None else "rij" if entry(found, "rij")[0] is not None else "",
        "dispersion": "d4" if disp4 is not None else "d3bj" if disp3 == "bj" else "",
        "convergence": 10.0 ** -int(entry(found, "scfconv")[0]),
        "density": float(entry(found, "denconv")[0].replace("d", "e")),
        "iterations": int(entry(found, "scfiterlimit")[0]),
    }
    return molecule, method, found
