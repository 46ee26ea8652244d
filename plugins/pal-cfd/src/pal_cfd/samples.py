"""What no flow solver can label, and what it says of it. NumPy only, light."""

from __future__ import annotations

import numpy as np
from pal_core.kernels import OracleFailure, Sample

from pal_cfd.channel_options import ChannelOptions
from pal_cfd.geometry import mask, problems
from pal_cfd.maskcheck import mask_problems

__all__ = ["check_sample"]


def check_sample(sample: Sample, options: ChannelOptions, source: str) -> None:
    """Refuse a sample whose design (with source ``"design"``) or mask (``"mask"``) can't be.

    Raises
    ------
    OracleFailure
        Of kind ``invalid_input``, with every reason.
    """
    picture = np.asarray(sample["mask"])
    if picture.shape != (options.rows, options.columns):
        raise OracleFailure(
            "invalid_input", f"the mask has the shape {picture.shape}, {(options.rows, options.columns)} is wanted"
        )
    if not np.isfinite(sample["design"]).all():
        raise OracleFailure("invalid_input", f"the design holds numbers that are not finite: {sample['design']}")
    found = problems(sample["design"], options) if source == "design" else mask_problems(picture)
    if not found and source == "design" and (wrong := int((mask(sample["design"], options) != picture).sum())):
        found = [f'{wrong} cells of the mask differ from those of the design; for other masks set source = "mask"']
    if found:
        raise OracleFailure("invalid_input", "; ".join(found))
