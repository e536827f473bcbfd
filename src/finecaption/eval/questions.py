"""What is asked of a region that the truth does not answer: questions that cannot apply."""

from __future__ import annotations

import random

from finecaption.synth.vocabulary import inapplicable


def trick_question(category: str, picture: str, region_id: int) -> str | None:
    """One attribute that cannot apply, drawn by the region's name; None if all do."""
    names = inapplicable(category)
    return random.Random(f"trick/{picture}/{region_id}").choice(names) if names else None
