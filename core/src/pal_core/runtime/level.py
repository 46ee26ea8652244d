"""The level of theory of a run's labels."""

from __future__ import annotations

import hashlib
import json

from pal_core.settings.load import Loaded

__all__ = ["level_of"]


def level_of(loaded: Loaded) -> str:
    """Digest of the oracle and its options. A label of another level is another label. Empty without an oracle."""
    oracle = loaded.oracle
    if oracle is None:
        return ""
    text = json.dumps([oracle.spec.name, oracle.options.model_dump(mode="json")], sort_keys=True)
    return hashlib.blake2s(text.encode(), digest_size=8).hexdigest()
