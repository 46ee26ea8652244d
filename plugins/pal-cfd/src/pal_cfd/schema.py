"""Fields of channel flow: what is sampled and what a flow solution says of it. Light.

Lengths are in half heights of the empty channel, which spans 0 to 2 from the lower to the upper wall.
"""

from __future__ import annotations

from pal_core.data import Field, Schema

__all__ = ["LABEL", "sample_schema"]

LABEL = Schema(
    [
        Field("cf", "float64", (), doc="Drag coefficient 2 tau_w / u_b²."),
        Field("st", "float64", (), doc="Stanton number Nu / (Re_Dh Pr)."),
        Field("unsteady", "bool", (), doc="Whether the flow is unsteady, and cf and st are averages over time."),
    ]
)


def sample_schema(rows: int, columns: int, parameters: int) -> Schema:
    """A channel as a picture, and the parameters that it was drawn from.

    Parameters
    ----------
    rows, columns : int
        Cells of the mask across and along the channel.
    parameters : int
        Length of the design.
    """
    return Schema(
        [
            Field("mask", "uint8", (rows, columns), doc="1 in solid cells; row 0 at the lower wall, periodic columns."),
            Field("design", "float64", (parameters,), doc="Parameters of promoters and walls (pal_cfd.geometry)."),
        ]
    )
