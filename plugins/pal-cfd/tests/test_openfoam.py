"""The OpenFOAM oracle against the embedded one, and the failures of its programs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from pal_core.kernels import Context, OracleFailure

from pal_cfd.embedded import Embedded
from pal_cfd.embedded_options import EmbeddedOptions
from pal_cfd.foam_output import OutputError, read_field, read_log, read_mesh_quality
from pal_cfd.geometry import mask
from pal_cfd.openfoam import OpenFoam
from pal_cfd.openfoam_options import OpenFoamOptions

needs_openfoam = pytest.mark.skipif(
    shutil.which("simpleFoam") is None, reason="OpenFOAM isn't installed (Debian: apt-get install openfoam)"
)
SHAPE = {"length": 2.0, "rows": 48, "columns": 48, "reynolds": 200.0}
CASES = {
    "flat": ({"promoters": 0, "wall_points": 1}, [0.1, 0.05]),
    "ellipse": ({"promoters": 1}, [0.6, 0.8, 0.3, 0.15, 0.5]),
    "rectangle": ({"promoters": 1, "shape": "rectangle"}, [0.6, 1.1, 0.25, 0.1, 0.3]),
    "walls": ({"promoters": 0, "wall_points": 4}, [0.1, 0.4, 0.1, 0, 0, 0.1, 0.3, 0]),
    "all": (
        {"promoters": 2, "wall_points": 4, "reynolds": 100.0},
        [0.5, 0.7, 0.2, 0.12, 0.3, 1.5, 1.3, 0.2, 0.15, 2.0, 0.1, 0.1, 0, 0, 0, 0.1, 0.2, 0.1],
    ),
}


def compared(name, directory, **more):
    """Both oracles' labels of a case; the one by OpenFOAM has the more cells, the embedded one the higher order."""
    options, design = CASES[name]
    embedded = Embedded(EmbeddedOptions(**SHAPE | options, tolerance=0.005), Context("oracle"))
    sample = {"design": np.array(design), "mask": mask(np.array(design), embedded.options)}
    foam = OpenFoam(OpenFoamOptions(**SHAPE | options, **more), Context("oracle", directory=directory))
    return foam.label(sample), embedded.label(sample)


@needs_openfoam
@pytest.mark.parametrize("name", CASES if os.environ.get("PAL_CFD_OPENFOAM") else ["walls"])
def test_both_oracles_agree(name, tmp_path):
    foam, embedded = compared(name, tmp_path)
    assert foam["cf"] == pytest.approx(float(embedded["cf"]), rel=0.02)
    assert foam["st"] == pytest.approx(float(embedded["st"]), rel=0.02)


@needs_openfoam
def test_too_few_iterations_are_unconverged_with_evidence(tmp_path):
    with pytest.raises(OracleFailure, match="residuals are not below 1e-06 after 5 iterations") as caught:
        compared("ellipse", tmp_path, fineness=1.0, iterations=5)
    assert caught.value.kind == "unconverged"
    for word in ("370 cells", "greatest non-orthogonality", "initial residuals Ux", "continuity error"):
        assert word in caught.value.evidence


def pretended(folder: Path, text: str) -> OpenFoamOptions:
    """Options of an OpenFOAM whose programs only do what `text` says."""
    for name in ("checkMesh", "simpleFoam", "scalarTransportFoam"):
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    (folder / "project" / "etc").mkdir(parents=True)
    return OpenFoamOptions(**SHAPE, promoters=0, programs=str(folder / "bin"), project=str(folder / "project"))


def flat(options):
    return {"design": np.empty(0), "mask": np.zeros((options.rows, options.columns), np.uint8)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo --> FOAM FATAL ERROR; exit 1", "checkMesh ended with status 1"),
        ("echo 'Max skewness = 7'", "greatest skewness 7; the mesh is not OK"),
        ("echo Mesh OK.", "the log does not reach its end"),
    ],
)
def test_failing_program_is_a_crash(text, message, tmp_path):
    options = pretended(tmp_path, text)
    with pytest.raises(OracleFailure, match=message) as caught:
        OpenFoam(options, Context("oracle", directory=tmp_path)).label(flat(options))
    assert caught.value.kind == "crashed"


def test_missing_program_or_folder_is_named(tmp_path):
    options = pretended(tmp_path, "true")
    with pytest.raises(FileNotFoundError, match=r"no program 'checkMesh' on .*; use|apt-get install"):
        OpenFoam(options.model_copy(update={"programs": str(tmp_path)}), Context("oracle"))
    with pytest.raises(FileNotFoundError, match="is not OpenFOAM's folder, it has no etc/"):
        OpenFoam(options.model_copy(update={"project": str(tmp_path)}), Context("oracle"))


def test_relative_folders_are_refused():
    with pytest.raises(ValueError, match="an absolute path is wanted, found 'bin'"):
        OpenFoamOptions(programs="bin")


def test_broken_output_is_refused(tmp_path):
    with pytest.raises(OutputError, match="the log holds no residuals"):
        read_log("\nTime = 1\n\nEnd\n")
    with pytest.raises(OutputError, match="the mesh is not OK"):
        read_mesh_quality("Failed 1 mesh checks.")
    field = tmp_path / "T"
    with pytest.raises(OutputError, match="is not there"):
        read_field(field, 2)
    field.write_text("internalField nonuniform List<scalar> \n2\n(\n1\nnan\n)\n;\n")
    with pytest.raises(OutputError, match="has 2 numbers for 2 cells"):
        read_field(field, 2)
