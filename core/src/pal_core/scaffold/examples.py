"""What is particular to the example of each role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pal_core.spec import Role

__all__ = ["EXAMPLES", "Example"]


_TOY_FIELDS = """\
The fields are those of pal-core's toy kernels: a point `x` of the plane, an `energy` and its `gradient`, all pure
numbers."""


@dataclass(frozen=True)
class Example:
    """The example kernel of one role.

    Parameters
    ----------
    stand_in : str
        Kernel of pal-core that plays this role in the example settings of packages for the other roles.
    summary : str
        One line on what the example does.
    options : mapping of str to tuple of str
        Its options: name to default and meaning, as in README's table.
    own_fields : bool
        Whether the package has a module ``schema`` with the fields of samples and labels.
    capabilities : tuple of str
        What it declares.
    limits : str
        What README says under this heading.
    """

    stand_in: str
    summary: str
    options: Mapping[str, tuple[str, str]]
    own_fields: bool = True
    capabilities: tuple[str, ...] = ()
    limits: str = _TOY_FIELDS


EXAMPLES: Mapping[Role, Example] = {
    Role.GENERATOR: Example(
        stand_in="pal.toy-walker",
        summary="Random walk in a square box, downhill on the predicted surface",
        options={
            "box": ("1.5", "half the side of the box"),
            "step": ("0.05", "standard deviation of a random move"),
            "drift": ("1e-4", "move downhill per gradient, cut at `step`"),
        },
        capabilities=("bootstrap", "snapshot"),
    ),
    Role.MODEL: Example(
        stand_in="pal.toy-model",
        summary="Least-squares fit of random cosines to energies and gradients",
        options={
            "features": ("200", "number of cosines"),
            "lengthscale": ("0.5", "distance over which the surface changes"),
            "ridge": ("1e-6", "penalty on squared weights relative to squared errors"),
            "rate": ("0.5", "part of the remaining way to the best fit that an epoch goes"),
        },
        capabilities=("snapshot",),
    ),
    Role.ORACLE: Example(
        stand_in="pal.toy-oracle",
        summary="Energy and gradient of a double well",
        options={"barrier": ("50.0", "height of the barrier between the two wells")},
    ),
    Role.SELECTION: Example(
        stand_in="pal.threshold",
        summary="Labels the most uncertain samples of a batch, up to a number",
        options={
            "field": ('"energy"', "predicted field whose standard deviation over the committee decides"),
            "upper": ("1.0", "uncertainty above which a sample may be labelled and is not trusted"),
            "most": ("10", "samples labelled out of one batch"),
        },
        own_fields=False,
        limits="Only one field decides, and each batch is judged by itself.",
    ),
    Role.CHECK: Example(
        stand_in="pal.finite",
        summary="Quarantines labels whose energy is not finite or too high",
        options={"highest": ("5000.0", "energy above which a label is quarantined")},
    ),
}
"""Examples by role."""
