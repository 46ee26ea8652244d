"""Lists of structures dealt to walkers, which take the next one when they have finished theirs.

Walkers are independent: they live in different processes, finish their jobs at different times and are restored one
by one. So what a walker takes must follow from what it alone knows: its number, how many walkers there are, and how
many jobs it has done. Walker *i* of *W* takes the places *i*, *i + W*, *i + 2W*, … of the list: every structure is
taken once before one is taken twice, and nothing has to be asked for, written down or made up after a crash.
"""

from __future__ import annotations

from dataclasses import dataclass

from pal_ase.options import Jobs

__all__ = ["Deal"]


@dataclass(frozen=True)
class Deal:
    """What one walker takes of a list, job after job.

    Parameters
    ----------
    walker, walkers : int
        Number of this walker, and how many there are.
    structures : int
        Length of the list.
    jobs : int, "list" or "endless"
        Jobs that the walker does; those until every structure has been taken once; or no limit.
    """

    walker: int
    walkers: int
    structures: int
    jobs: Jobs

    def structure(self, done: int) -> int:
        """Place in the list of the structure that comes after so many jobs; after the last one the list begins anew."""
        return self._number(done) % self.structures

    def over(self, done: int) -> bool:
        """Whether the walker has nothing to do after so many jobs."""
        if self.jobs == "list":
            return self._number(done) >= self.structures
        return self.jobs != "endless" and done >= int(self.jobs)

    def _number(self, done: int) -> int:
        return self.walker + done * self.walkers
