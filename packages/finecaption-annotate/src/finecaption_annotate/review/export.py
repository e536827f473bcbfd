"""Reviewed texts as samples again: what was accepted or edited, without what was rejected.

Several reviewers: a text stays if more of them keep it (accept or edit) than reject it; of several
texts the one most of them want, of equally many an edited one before the first one, and of edits
the one whose reviewer's name comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.io.images import load_image
from finecaption.types import RegionSample, Task
from finecaption_annotate.review.items import DENSE, GLOBAL, Field, Picture, Place, ReviewSet
from finecaption_annotate.review.journal import ReviewJournal


@dataclass
class Kept:
    """What became of the fields."""

    accepted: int = 0
    edited: int = 0
    added: int = 0
    """Texts that were written where nothing was said."""
    rejected: int = 0
    undecided: int = 0


def reviewed_samples(
    data: ReviewSet,
    journals: Sequence[ReviewJournal],
    undecided: bool = False,
    kept: Kept | None = None,
) -> Iterator[RegionSample]:
    """The samples that are left, in the order of the page.

    Args:
        data: what was reviewed.
        journals: of every reviewer whose word counts.
        undecided: keep what nobody has decided on.
        kept: counts.
    """
    told = Kept() if kept is None else kept
    for picture in data.pictures:
        pixels: Any = None
        for place in picture.places:
            for one in place.fields:
                text, sure = _verdict(one, journals)
                if one.sample is None:
                    if text is None:
                        continue
                    told.added += 1
                elif not sure:
                    told.undecided += 1
                    if not undecided:
                        continue
                    text = one.text
                elif text is None:
                    told.rejected += 1
                    continue
                elif text == one.text:
                    told.accepted += 1
                else:
                    told.edited += 1
                if one.sample is not None:
                    yield replace(one.sample, text=str(text))
                    continue
                if isinstance(picture.image, bytes) and pixels is None:
                    pixels = np.asarray(load_image(picture.image))
                yield _new(picture, place, one, str(text), pixels)


def _verdict(one: Field, journals: Sequence[ReviewJournal]) -> tuple[str | None, bool]:
    """(text to keep or None, whether anybody decided)."""
    found = [d for j in journals if (d := j.get(one.key, one.text)) is not None]
    if not found:
        return None, False
    texts = [decision.text for decision in found if decision.text is not None]
    if len(texts) <= len(found) - len(texts):
        return None, True
    votes = Counter(texts)  # keeps the order in which texts came: that of the reviewers' names
    return max(votes, key=lambda text: (votes[text], text != one.text)), True


def _new(
    picture: Picture, place: Place, one: Field, text: str, pixels: np.ndarray | None
) -> RegionSample:
    """A text that a reviewer wrote; ids and notes as its neighbours have them."""
    like = next(
        field.sample
        for other in (place, *picture.places)
        for field in other.fields
        if field.sample is not None
    )
    task: Task = "aarc"
    if one.name in (DENSE, GLOBAL) and one.name not in ATTRIBUTE_NAMES:
        task = "rdc" if one.name == DENSE else "cgic"
    return replace(
        like,
        image=str(picture.image) if pixels is None else pixels,
        task=task,
        attribute=one.name if task == "aarc" else None,
        prompt=None,
        text=text,
    )
