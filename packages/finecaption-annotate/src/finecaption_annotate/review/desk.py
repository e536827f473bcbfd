"""What the page asks for and tells, as plain values for JSON: the page without its looks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from PIL import Image

from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.html import PALETTE, data_uri, fit
from finecaption.io.images import load_image
from finecaption_annotate.report.sheet import region_path
from finecaption_annotate.review.items import Picture, Place, ReviewSet
from finecaption_annotate.review.journal import ReviewJournal, Reviews, progress

SIDE = 1280
"""Longer side of a picture on the page, in pixels."""


class Desk:
    """Answers the page.

    Args:
        data: what is reviewed.
        reviews: where decisions go.
        reviewer: the only one; None: each page says who.

    Raises:
        InputError: a reviewer that cannot be one.
    """

    def __init__(self, data: ReviewSet, reviews: Reviews, reviewer: str | None = None) -> None:
        self.data = data
        self.reviews = reviews
        self.reviewer = reviewer
        if reviewer is not None:
            reviews.of(reviewer)
        self._picture = lru_cache(maxsize=16)(self._drawn)

    def ask(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """One call: `{"do": "hello" | "show" | "decide", ...}` -> its answer.

        A call that cannot be answered gives `{"error": why}`, for the page to show.
        """
        try:
            do = call.get("do")
            if do == "hello":
                return self.hello(call.get("reviewer"))
            if do == "show":
                return self.show(call.get("reviewer"), call.get("picture"))
            if do == "decide":
                return self.decide(call)
            raise InputError(f"do: must be hello, show or decide; got {do!r}")
        except (InputError, OSError) as error:
            return {"error": str(error)}

    def hello(self, reviewer: object) -> dict[str, Any]:
        """The set as a whole: of each picture, of each place, (told fields, decided ones)."""
        if self.reviewer is None and not reviewer:
            return {"title": self.data.title, "who": None, "known": self.reviews.names()}
        journal = self._journal(reviewer)
        return {
            "title": self.data.title,
            "who": journal.reviewer,
            "fixed": self.reviewer is not None,
            "places": [
                [_count(place, journal) for place in picture.places]
                for picture in self.data.pictures
            ],
            "progress": progress(self.data, journal),
            "file": journal.path.name,
        }

    def show(self, reviewer: object, number: object) -> dict[str, Any]:
        """A picture with all that is said of it, and what the reviewer has decided."""
        journal = self._journal(reviewer)
        if not isinstance(number, int) or not 0 <= number < len(self.data.pictures):
            raise InputError(f"picture: {number!r} is none of 0 to {len(self.data.pictures) - 1}")
        picture = self.data.pictures[number]
        drawn = self._picture(number)
        places = []
        for place, shape in zip(picture.places, drawn["shapes"], strict=True):
            fields = []
            for one in place.fields:
                found = journal.get(one.key, one.text)
                fields.append(
                    {
                        "name": one.name,
                        "text": one.text,
                        "decision": None if found is None else found.decision,
                        "edited": None if found is None else found.text,
                    }
                )
            places.append({"name": place.name, **shape, "fields": fields})
        keys = ("source", "width", "height", "broken")
        return {
            "number": number,
            "key": picture.key,
            "size": list(picture.size),
            **{key: drawn[key] for key in keys},
            "places": places,
        }

    def decide(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Saves a decision; the answer comes when it is on disk."""
        journal = self._journal(call.get("reviewer"))
        try:
            place = self.data.pictures[call["picture"]].places[call["place"]]
            one = place.fields[call["field"]]
        except (KeyError, IndexError, TypeError) as error:
            raise InputError(f"decide: there is no such field ({error})") from error
        made = journal.decide(one.key, str(call.get("decision")), one.text, call.get("text"))
        return {
            "saved": made.decision,
            "edited": made.text,
            "count": _count(place, journal),
            "progress": progress(self.data, journal),
        }

    def _journal(self, reviewer: object) -> ReviewJournal:
        if self.reviewer is not None and reviewer not in (None, "", self.reviewer):
            raise InputError(f"reviewer: this page is {self.reviewer}'s")
        return self.reviews.of(self.reviewer or str(reviewer))

    def _drawn(self, number: int) -> dict[str, Any]:
        """The picture as a data address, and the outlines of its places."""
        picture: Picture = self.data.pictures[number]
        size = fit(picture.size, SIDE)
        source, broken = "", ""
        try:
            shown = load_image(picture.image).resize(size, Image.Resampling.LANCZOS)
            source = data_uri(shown, quality=88)
        except InputError as error:
            broken = str(error)
        shapes: list[dict[str, Any]] = []
        for number, place in enumerate(picture.places):
            shape: dict[str, Any] = {"path": None, "colour": PALETTE[number % len(PALETTE)]}
            if place.rle is not None:
                try:
                    mask = masks.decode_rle(place.rle, picture.size)
                    shape["path"], shape["at"] = region_path(mask, size)
                except InputError as error:
                    broken = broken or str(error)
            shapes.append(shape)
        return {
            "source": source,
            "width": size[0],
            "height": size[1],
            "broken": broken,
            "shapes": shapes,
        }


def _count(place: Place, journal: ReviewJournal) -> list[int]:
    told = [one for one in place.fields if one.sample is not None]
    return [len(told), sum(journal.get(one.key, one.text) is not None for one in told)]
