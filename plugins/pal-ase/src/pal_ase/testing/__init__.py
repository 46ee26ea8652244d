"""Contract tests of atomistic kernels, to be subclassed in a plugin's tests; needs pytest.

>>> from pal_ase.testing import AtomisticModelContract
>>> class TestPotential(AtomisticModelContract):
...     plugin = "pal_schnet.plugin"
...     name = "schnet.committee"
...     options = {"features": 16, "interactions": 2}
"""

import pytest

pytest.register_assert_rewrite(f"{__name__}.models")

from pal_ase.testing.models import AtomisticModelContract  # noqa: E402 (asserts are rewritten at import)

__all__ = ["AtomisticModelContract"]
