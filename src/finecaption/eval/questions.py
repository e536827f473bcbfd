"""Questions that cannot apply to a region, such as the hair of a car."""

from __future__ import annotations

import random

from finecaption.synth.vocabulary import inapplicable


def trick_question(category: str, picture: str, region_id: int) -> str | None:
    """One attribute that cannot apply, chosen by the region's name; None if all apply."""
    names = inapplicable(category)
    return random.Random(f"trick/{picture}/{region_id}").choice(names) if names else None
