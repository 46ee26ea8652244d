"""When a batch job ends, and whether it goes into the queue again then."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from typing import Any

from pal_core.errors import PalError
from pal_core.launch.names import END_VARIABLE
from pal_core.launch.signals import Wishes
from pal_core.launch.slurm import allocation

__all__ = ["end_of_run", "may_requeue"]

_BY_HAND = ("asked to stop", "signal SIGINT")


def end_of_run(environment: Mapping[str, str], wall_time: float | None) -> float | None:
    """When the run has to have ended, in seconds since 1970, None if that is open.

    The earliest of what `stop.wall_time` allows from now on, of the end of Slurm's job, and of `PAL_END_TIME`.

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
    rule = None if wall_time is None else time.time() + wall_time
    return min((end for end in (own, slurm, rule) if end is not None), default=None)


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
