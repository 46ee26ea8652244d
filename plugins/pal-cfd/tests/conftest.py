"""What the tests of pal-cfd share."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before SciPy is imported
