"""Accuracy of one member on ethanol of the revised MD17 set after a stated training time.

    python benchmarks/rmd17.py schnet.committee --minutes 10 --data FOLDER features=64 interactions=3

950 frames are trained on, 50 choose when the learning rate falls, 1000 others are predicted. Behind the name: options
of the kernel as in TOML. FOLDER holds ``rmd17_ethanol_{train,test}_02.npz`` (kcal/mol and Å) [1]_.

Published errors with 950 + 50 frames, each after hours or days on a GPU: MACE 0.4 meV and 2.1 meV/Å [2]_, Allegro
0.4 and 2.1 [3]_, NequIP 0.4 and 2.8 [4]_; SchNet, 1000 frames of the set before its revision, 3.5 and 16.9 [5]_.

References
----------
.. [1] A. S. Christensen, O. A. von Lilienfeld, Mach. Learn.: Sci. Technol. 1, 045018 (2020).
.. [2] I. Batatia et al., NeurIPS (2022), arXiv:2206.07697.
.. [3] A. Musaelian et al., Nat. Commun. 14, 579 (2023).
.. [4] S. Batzner et al., Nat. Commun. 13, 2453 (2022).
.. [5] K. T. Schütt et al., NeurIPS (2017), arXiv:1706.08566.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from ase.units import kcal, mol
from numpy.typing import NDArray

from pal_ase.schema import LABEL, SAMPLE
from pal_core.data import Batch
from pal_core.kernels import Context, Model
from pal_core.plugins.host import PluginHost

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_UNIT = kcal / mol
_HELD_OUT = 50
_PIECE = 50


def frames(path: Path) -> Batch:
    """Samples with labels, in eV and Å."""
    with np.load(path) as file:
        numbers, positions = file["nuclear_charges"], file["coords"]
        energies, forces = file["energies"] * _UNIT, file["forces"] * _UNIT
    rest = {
        "numbers": numbers.astype(np.int32),
        "cell": np.zeros((3, 3)),
        "pbc": np.zeros(3, bool),
        "charge": np.int32(0),
        "multiplicity": np.int32(1),
    }
    parts = zip(positions, energies, forces, strict=True)
    samples = [{**rest, "positions": x, "energy": np.float64(e), "forces": f} for x, e, f in parts]
    return Batch.from_samples(SAMPLE | LABEL, samples)


def build(name: str, words: list[str], seed: int) -> Model:
    """The kernel of this name with options given as ``key=value``."""
    plugins = PluginHost.discover()
    spec = plugins.find_kernel(name)
    options = plugins.load_options(spec)(**tomllib.loads("\n".join(words)))
    model = plugins.load_kernel(spec)(options, Context("training", 0, seed))
    assert isinstance(model, Model)
    return model


def train(model: Model, data: Batch, seconds: float) -> tuple[int, float]:
    """Train for so much time of the processor, whatever else runs on the machine; epochs and seconds that it took."""
    validation = np.zeros(len(data), bool)
    validation[-_HELD_OUT:] = True
    model.extend(data, validation)
    begin, epochs = time.process_time(), 0
    for epoch in model.train():
        epochs, took = epoch.number, time.process_time() - begin
        if epoch.whole:
            shown = {k: f"{v:.4g}" for k, v in epoch.metrics.items() if k.startswith("validation_")}
            print(f"\r  epoch {epochs}, {took:.0f} s: {shown}", end="", file=sys.stderr, flush=True)
        if took > seconds:
            break
    print(file=sys.stderr)
    return epochs, time.process_time() - begin


def errors(model: Model, data: Batch) -> tuple[float, float]:
    """Mean absolute errors of energy, meV, and of force components, meV/Å."""
    predicted = Batch.concat([model.predict(data.slice(i, i + _PIECE)) for i in range(0, len(data), _PIECE)])
    off: list[NDArray[np.float64]] = [predicted.columns[n] - data.columns[n] for n in ("energy", "forces")]
    energy, forces = (1000 * float(np.abs(x).mean()) for x in off)
    return energy, forces


def main() -> None:
    """One row of the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kernel", help="name of a model, such as mace.committee")
    parser.add_argument("options", nargs="*", help="its options, key=value as in TOML")
    parser.add_argument("--data", type=Path, required=True, help="folder with the .npz files")
    parser.add_argument("--minutes", type=float, default=10.0, help="training time, of the processor")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_intermixed_args()
    model = build(arguments.kernel, arguments.options, arguments.seed)
    training, test = (frames(arguments.data / f"rmd17_ethanol_{part}_02.npz") for part in ("train", "test"))
    epochs, seconds = train(model, training, 60 * arguments.minutes)
    energy, forces = errors(model, test)
    print("| model | options | epochs | CPU minutes | energy, meV | forces, meV/Å |\n|---|---|---|---|---|---|")
    options = ", ".join(arguments.options) or "-"
    print(f"| {arguments.kernel} | {options} | {epochs} | {seconds / 60:.1f} | {energy:.1f} | {forces:.1f} |")


if __name__ == "__main__":
    main()
