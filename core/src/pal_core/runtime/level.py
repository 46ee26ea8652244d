"""The level of theory of a run's labels."""

from __future__ import annotations

import hashlib
import json

from pal_core.plugins.host import FILE_DIGEST
from pal_core.settings.load import Loaded

__all__ = ["level_of"]


def level_of(loaded: Loaded) -> str:
    """Digest of the oracle, its options and its file, if it comes from one. Labels of other levels are other labels.

    Empty without an oracle.
    """
    oracle = loaded.oracle
    if oracle is None:
        return ""
    file = oracle.version if oracle.version.startswith(FILE_DIGEST) else ""
    text = json.dumps([oracle.spec.name, file, oracle.options.model_dump(mode="json")], sort_keys=True)
    return hashlib.blake2s(text.encode(), digest_size=8).hexdigest()
