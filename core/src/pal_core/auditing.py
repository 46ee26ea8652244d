"""What a run's audit says of its predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pal_core.policies.auditing import audit_errors
from pal_core.store.store import Store

__all__ = ["audit_line", "audit_of"]


def audit_of(store: Store) -> dict[str, Any]:
    """Errors of the committees that trusted the audited samples, as of then.

    Returns
    -------
    dict
        ``labels``, ``set_aside`` and ``waiting``: numbers of samples; of those without a label the errors know nothing.
        ``errors``: ``mae``, ``uncertainty`` and ``std`` of every field, see `AuditError`; None for NaN.
    """
    counts = store.audit_counts()
    numbers = store.audited()
    errors = audit_errors(store.labels(numbers), store.expectations(numbers)) if numbers else {}
    plain = {f: {k: v if math.isfinite(v) else None for k, v in asdict(e).items()} for f, e in errors.items()}
    return {
        "labels": len(numbers),
        "set_aside": counts.get("quarantined", 0),
        "waiting": counts.get("waiting", 0),
        "errors": plain,
    }


def audit_line(found: Mapping[str, Any], units: Mapping[str, str]) -> str:
    """An audit in a line: errors with their uncertainty, beside what the committee thinks of itself.

    Parameters
    ----------
    found : mapping
        From `audit_of`.
    units : mapping of str to str
        Of the fields.
    """
    parts = []
    for field, e in found["errors"].items():
        spare = "" if e["uncertainty"] is None else f" ± {e['uncertainty']:.2g}"
        std = "" if e["std"] is None else f" (predicted std {e['std']:.3g})"
        parts.append(" ".join([field, f"{e['mae']:.3g}{spare}", *([units[field]] if units[field] else [])]) + std)
    aside = f", {found['set_aside']} set aside" if found["set_aside"] else ""
    errors = f": mean abs error {', '.join(parts)}" if parts else ""
    return f"audit: {found['labels']} label{'s' if found['labels'] != 1 else ''}{aside}{errors}"
