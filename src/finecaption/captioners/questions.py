"""Captioners that are asked one question at a time: other checkpoints, and served models.

`QuestionCaptioner` turns requests into questions, and the answers into results; a subclass says
how questions are answered.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from PIL import Image

from finecaption.decoding import Decoding
from finecaption.errors import InputError
from finecaption.io.geometry import Size
from finecaption.io.images import load_image
from finecaption.protocol import Capability, Progress
from finecaption.request import DENSE, Request
from finecaption.results import CaptionResult, caption_of
from finecaption.types import Region, RegionPrompt, Task

_MAX_QUESTIONS = 64  # given to `answer` at once


class Question(NamedTuple):
    """One question about one region."""

    image: Image.Image
    """RGB, upright; questions about one image hold the same object."""
    region: Region | None
    """None: the whole image."""
    task: Task
    attribute: str | None = None
    """Of task aarc; names outside the 18 are asked as they stand."""


class QuestionCaptioner(ABC):
    """A `finecaption.protocol.Captioner` made of answers to single questions.

    A box is taken as the region itself, since these models know boxes; clicks need a mask first
    (`finecaption segment`).
    """

    name: str
    capabilities: frozenset[Capability] = frozenset()

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """See `finecaption.protocol.Captioner`."""

    @abstractmethod
    def answer(self, questions: Sequence[Question]) -> list[str]:
        """One answer per question, in order; an answer may be empty."""

    def caption_batch(
        self, requests: Sequence[Request], *, progress: Progress | None = None
    ) -> list[CaptionResult | InputError]:
        """See `finecaption.protocol.Captioner.caption_batch`."""
        opened: dict[int, Image.Image | InputError] = {}
        parsed: list[list[Region] | InputError] = []
        questions: list[Question] = []
        for request in requests:
            try:
                regions, asked = self._questions(request, opened)
            except InputError as error:
                parsed.append(error)
            else:
                parsed.append(regions)
                questions += asked
        texts: list[str] = []
        for first in range(0, len(questions), _MAX_QUESTIONS):
            texts += self.answer(questions[first : first + _MAX_QUESTIONS])
            if progress is not None:
                progress(len(texts), len(questions))
        rest = iter(texts)
        return [
            regions if isinstance(regions, InputError) else self._result(request, regions, rest)
            for request, regions in zip(requests, parsed, strict=True)
        ]

    def _questions(
        self, request: Request, opened: dict[int, Image.Image | InputError]
    ) -> tuple[list[Region], list[Question]]:
        """The regions of a request, and its questions in the order of its answers."""
        _check_decoding(request.decoding, self.name)
        key = id(request.image)
        if key not in opened:
            try:
                opened[key] = load_image(request.image)
            except InputError as error:
                opened[key] = error
        image = opened[key]
        if isinstance(image, InputError):
            raise image
        regions = [
            _as_mask(region, image.size, field)
            for region, field in zip(request.parse_regions(image.size), request.fields, strict=True)
        ]
        asked = [
            Question(image, region, "rdc")
            if name == DENSE
            else Question(image, region, "aarc", name)
            for region in regions
            for name in request.questions.region_names
        ]
        if request.questions.whole:
            asked.append(Question(image, None, "cgic"))
        return regions, asked

    def _result(
        self, request: Request, regions: Sequence[Region], texts: Iterator[str]
    ) -> CaptionResult:
        names = request.questions.region_names
        captions = tuple(
            caption_of(region, names, [next(texts) for _ in names]) for region in regions
        )
        image = request.image
        return CaptionResult(
            captions,
            whole=next(texts) if request.questions.whole else None,
            image=os.fspath(image) if isinstance(image, (str, os.PathLike)) else None,
            model=self.name,
        )


def _check_decoding(decoding: Decoding | None, name: str) -> None:
    """These models answer greedily; their cap on an answer is set when they are opened."""
    for field in fields(decoding) if decoding is not None else ():
        if getattr(decoding, field.name) != field.default:
            raise InputError(
                f"{field.name}: is a setting of our own models; {name} answers greedily, up to "
                "the max_new_tokens that it was opened with"
            )


def _as_mask(region: Region | RegionPrompt, size: Size, field: str) -> Region:
    if isinstance(region, Region):
        return region
    prompt = region.within(size)
    if prompt.points or prompt.box is None:
        raise InputError(
            f"{field}: clicks are for our own models; make a mask of them first (finecaption "
            "segment), or give a box"
        )
    return Region.from_box(prompt.box, size)


__all__ = ["Question", "QuestionCaptioner"]
