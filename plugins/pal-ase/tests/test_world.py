from __future__ import annotations

import subprocess
import sys

CODE = """
import sys, types
# What a rank of an MPI run looks like to ASE: mpi4py is there, and the world is large.
class World:
    rank, size = 1, 2
    def bcast(self, *args, **kwargs):
        raise SystemExit("ASE tried to broadcast")
mpi4py = types.ModuleType("mpi4py")
mpi4py.MPI = types.SimpleNamespace(COMM_WORLD=World())
sys.modules |= {"mpi4py": mpi4py, "mpi4py.MPI": mpi4py.MPI}
import ase.parallel
assert ase.parallel.world.size == 2
import pal_ase.dynamics
import ase.io, ase.build
from pathlib import Path
from pal_ase.options import LangevinOptions
from pal_core.kernels import Context, Feedback
path = Path(sys.argv[1])
ase.io.write(path, ase.build.molecule("H2O"))
walker = pal_ase.dynamics.LangevinWalker(LangevinOptions(structure=path), Context("generator", directory=path.parent))
sample = walker.propose(None)
import numpy as np
walker.propose(Feedback({"energy": np.array(0.0), "forces": np.zeros((3, 3))}, {}, 0.0, True, False, 1))
print("walked alone")
"""


def test_ase_does_not_wait_for_other_ranks(tmp_path):
    command = [sys.executable, "-c", CODE, str(tmp_path / "w.xyz")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.returncode) == ("walked alone", 0), done.stderr
