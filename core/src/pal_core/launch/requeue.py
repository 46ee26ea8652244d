"""When a batch job ends, and whether it goes into the queue again then."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from pal_core.errors import PalError
from pal_core.launch.names import END_VARIABLE
from pal_core.launch.signals import Wishes
from pal_core.launch.slurm import allocation

__all__ = ["end_of_job", "may_requeue"]

_BY_HAND = ("asked to stop", "signal SIGINT")


def end_of_job(environment: Mapping[str, str]) -> float | None:
    """When the batch job is ended, in seconds since 1970: the earlier one of what Slurm and `PAL_END_TIME` say.

    Raises
    ------
    PalError
        If `PAL_END_TIME` is no number.
    """
    found = allocation(environment)
    told = environment.get(END_VARIABLE)
    try:
        own = float(told) if told else None
    except ValueError as error:
        raise PalError(
            f"the variable {END_VARIABLE} is {told!r}: seconds since 1970 are expected",
            "export PAL_END_TIME=$(date -d '+2 hours' +%s)",
        ) from error
    slurm = None if found is None else found.end(environment)
    return min((end for end in (own, slurm) if end is not None), default=None)


def may_requeue(status: Mapping[str, Any], wishes: Wishes, advanced: bool) -> bool:
    """Whether a run that has ended is to go on in a new job.

    That is so if it was ended by the batch system: by a signal or by the walltime. Someone who presses Ctrl-C or says
    `pal stop` wants it to stay stopped. A job that has made nothing would come back for ever.

    Parameters
    ----------
    status : mapping
        The run's last status.
    wishes : Wishes
        Signals that `pal run` has got.
    advanced : bool
        Whether labels or training rounds were made in this job.
    """
    if status["outcome"] != "interrupted" or not advanced:
        return False
    if wishes:
        return wishes.first is not signal.SIGINT
    return not str(status["reason"]).startswith(_BY_HAND)
