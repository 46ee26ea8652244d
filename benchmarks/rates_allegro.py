"""Allegro for `prediction_rate.py`: defaults of `nequip.allegro` beside nequip-allegro on the same weights."""

from __future__ import annotations

from rates import Rival
from rates_nequip import Equivariant

from pal_nequip.model import AllegroCommittee
from pal_nequip.options import AllegroOptions


def make(members: int, device: str) -> Rival:
    return Equivariant(AllegroCommittee, AllegroOptions(), members, device)
