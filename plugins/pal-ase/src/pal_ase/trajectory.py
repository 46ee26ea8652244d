"""Frames written while a walker runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

import numpy as np
from pal_core.kernels import Feedback, Sample

from pal_ase.formats.extxyz import format_frame

__all__ = ["Trajectory"]


class Trajectory:
    """Extended XYZ file that grows by a frame at a time.

    Parameters
    ----------
    path : Path
        Its folder is made when the first frame is written.
    interval : int
        Predictions between two frames; 0 writes none.

    Notes
    -----
    Energy and forces in it are predictions; they carry ASE's own names and not ``REF_``.
    """

    def __init__(self, path: Path, interval: int) -> None:
        self.path = path
        self.interval = interval
        self._file: IO[bytes] | None = None
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes written so far; a restored walker goes on from there."""
        return self._size

    def rewind(self, size: int) -> None:
        """Forget what was written after `size` bytes, when the walker goes back to a snapshot."""
        self.close()
        self._size = size

    def record(self, number: int, sample: Sample, feedback: Feedback, resets: int) -> None:
        """Write the frame if its turn has come, and flush it.

        Parameters
        ----------
        number : int
            Predictions that the walker has had, this one included.
        sample : Sample
        feedback : Feedback
            What the committee says of it.
        resets : int
            How often the walker has been reset; the trajectory jumps where it changes.
        """
        if not self.interval or (number - 1) % self.interval:
            return
        info = {
            "energy": np.float64(feedback.mean["energy"]),
            "charge": sample["charge"],
            "multiplicity": sample["multiplicity"],
            "pal_step": number - 1,
            "pal_score": feedback.score,
            "pal_trusted": feedback.trusted,
            "pal_version": feedback.version,
            "pal_resets": resets,
        }
        forces = np.asarray(feedback.mean["forces"], np.float64)
        text = format_frame(sample, info, {"forces": forces}).encode()
        if self._file is None:
            self._file = self._open()
        self._file.write(text)
        self._file.flush()
        self._size += len(text)

    def _open(self) -> IO[bytes]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("ab")
        # Frames beyond the snapshot, or of a run that was killed before its first one, come again.
        self._size = min(self._size, os.fstat(file.fileno()).st_size)
        os.ftruncate(file.fileno(), self._size)
        return file

    def close(self) -> None:
        """Close the file; it is opened again for the next frame."""
        if self._file is not None:
            self._file.close()
            self._file = None
