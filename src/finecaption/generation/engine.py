"""Answers to many questions on many regions at once.

A picture's high-resolution features, and the adapter's share of them, are computed once; the
regions go through the mask-aware CLIP as a batch; what all questions on a region have in common
(image tokens and the prompt's beginning) goes through the language model once and is there once
(`shared`); then all (region, question) rows are decoded together (`rows`, `beams`), and rows that
have ended leave the batch. In fp32 greedy answers are those of `model.generate(do_sample=False)`
for each row alone, token for token.

Legend: B pictures, R regions, T image tokens a region, D the language model's width.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from finecaption.io.images import load_image
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor

from .beams import search
from .budget import Budget
from .choosing import row_seed
from .decoding import Decoding
from .length import cut
from .rows import Row, decode
from .vision import Vision, encode_pictures


class Piece(NamedTuple):
    """News of one answer."""

    region: int
    question: int
    text: str
    """The answer so far."""
    done: bool
    logprob: float | None = None
    """Once done: the mean over the answer's tokens, the end included, of the natural logarithm of
    the token's probability (softmax of the undisturbed logits, temperature 1)."""
    tokens: int = 0
    """Once done: how many that were."""


class Answer(NamedTuple):
    """A finished answer; see `Piece`."""

    text: str
    logprob: float
    tokens: int


class _Job(NamedTuple):
    """A question on a region that waits for its answer."""

    region: int
    question: int
    rest: list[int]
    seed: int
    told: list[int]
    """One number: the tokens that have been told of, in case it must start anew."""


class _Cuts:
    """The text of rows as `Decoding.length` wants it."""

    def __init__(self, processor: FineCaptionProcessor, length: str | None) -> None:
        self._processor = processor
        self._length = length

    def text(self, row: Row) -> str:
        return cut(self._processor.answer(row.said), self._length)[0]

    def full(self, row: Row) -> bool:
        """Whether what is said of it decides what is kept of it."""
        return cut(self._processor.answer(row.said), self._length)[1]

    def answer(self, row: Row) -> Answer:
        """Text, and the mean over those tokens alone that it takes."""
        text, logprobs = self.text(row), row.logprobs
        if self._length is not None and self.full(row):
            ids = row.said
            need = next(
                n
                for n in range(1, len(ids) + 1)
                if cut(self._processor.answer(ids[:n]), self._length)[0] == text
            )
            logprobs = logprobs[:need]
        return Answer(text, sum(logprobs) / max(1, len(logprobs)), len(logprobs))


def answer_stream(
    model: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor,
    inputs: Mapping[str, torch.Tensor],
    questions: Sequence[Sequence[str]],
    *,
    hr_features: torch.Tensor | None = None,
    decoding: Decoding | None = None,
    max_new_tokens: int | None = None,
    max_rows: int | None = None,
    partial: bool = True,
) -> Iterator[Piece]:
    """Answers as they grow; regions in the order of their pictures.

    A batch that does not fit into the GPU's memory is halved and done again; no answer is lost and
    none is told twice.

    Args:
        inputs: from the image processor: `pixel_values` (not needed with `hr_features`),
            `pixel_values_clip`, `region_masks`, and `image_index` where regions and pictures do not
            pair up. For guidance also `whole_masks` (B, s, s), the whole pictures' masks; all ones
            if it is missing. On any device.
        questions: for each of the R regions, the users' texts (`finecaption.attributes`).
        hr_features: (B, C_hr, g, g) from `encode_pictures`, to spare the towers.
        decoding: how answers are written; greedily if None.
        max_new_tokens: in place of `decoding.max_new_tokens`. The cap is lowered to what the
            language model's context leaves.
        max_rows: rows decoded together; None takes what fits into the memory (see `budget`).
        partial: whether to tell of every token, or only of finished answers. Beam search tells of
            finished answers only.

    Raises:
        torch.cuda.OutOfMemoryError: not even one row fits.
    """
    decoding = decoding or Decoding()
    masks = inputs["region_masks"]
    if len(questions) != len(masks):
        raise ValueError(f"{len(questions)} lists of questions for {len(masks)} regions.")
    asked = list(dict.fromkeys(text for texts in questions for text in texts))
    if not asked:
        return
    prefix, rests = processor.shared_prefix(asked)
    rest_of = dict(zip(asked, rests, strict=True))
    room = _context(model) - len(prefix) - max(map(len, rests))
    limit = max(1, min(max_new_tokens or decoding.tokens, room))
    cuts = _Cuts(processor, decoding.length)
    vision = Vision(model, inputs, hr_features, bool(decoding.guidance))
    budget = Budget(model, decoding, len(prefix), limit, max_rows)
    waiting = deque(
        _Job(region, question, rest_of[text], row_seed(decoding.seed, text), [0])
        for region in sorted(range(len(masks)), key=lambda region: vision.picture_of[region])
        for question, text in enumerate(questions[region])
    )
    while waiting:
        chunk = budget.take(waiting)
        rows = {_row(job, decoding): job for job in chunk}
        try:
            for row in _run(model, vision, prefix, rows, decoding, limit, cuts):
                job = rows[row]
                if row.done:
                    yield Piece(job.region, job.question, *_said(cuts, row))
                elif partial and len(row.said) > job.told[0]:
                    job.told[0] = len(row.said)
                    yield Piece(job.region, job.question, cuts.text(row), False)
        except torch.cuda.OutOfMemoryError:
            if len(chunk) == 1:
                raise
            again = [job for row, job in rows.items() if not row.done]
        else:
            continue
        # Outside of `except`, where the traceback would hold on to the memory.
        waiting.extendleft(reversed(again))
        budget.halve(len(chunk))
        vision.forget()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _said(cuts: _Cuts, row: Row) -> tuple[str, bool, float, int]:
    text, logprob, tokens = cuts.answer(row)
    return text, True, logprob, tokens


def _run(
    model: FineCaptionForConditionalGeneration,
    vision: Vision,
    prefix: Sequence[int],
    rows: Mapping[Row, _Job],
    decoding: Decoding,
    limit: int,
    cuts: _Cuts,
) -> Iterator[Row]:
    """The rows that changed, step by step."""
    of_region: dict[int, list[Row]] = {}
    for row, job in rows.items():
        of_region.setdefault(job.region, []).append(row)
    features, whole = vision.tokens(list(of_region))
    lines = list(of_region.values())
    if decoding.beams > 1:
        steps = search(model, features, prefix, lines, decoding=decoding, limit=limit, whole=whole)
    else:
        steps = decode(
            model,
            features,
            prefix,
            lines,
            decoding=decoding,
            limit=limit,
            whole=whole,
            finished=cuts.full if decoding.length in ("brief", "sentence") else None,
        )
    for changed in steps:
        yield from changed


def _row(job: _Job, decoding: Decoding) -> Row:
    drawn = decoding.temperature > 0
    return Row(job.rest, torch.Generator().manual_seed(job.seed) if drawn else None)


def _context(model: FineCaptionForConditionalGeneration) -> int:
    """Tokens that the language model can look back on.

    A sliding window counts as the end: the mask that questions share a prefix by has none.
    """
    text = model.config.text_config
    window = getattr(text, "sliding_window", None)
    return int(min(text.max_position_embeddings, window or text.max_position_embeddings))


def answers(
    model: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor,
    inputs: Mapping[str, torch.Tensor],
    questions: Sequence[Sequence[str]],
    *,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> list[list[Answer]]:
    """All answers, `found[region][question]`. Arguments as for `answer_stream`.

    Args:
        progress: called with the number of answers finished so far.
    """
    found = [[Answer("", 0.0, 0)] * len(texts) for texts in questions]
    pieces = answer_stream(model, processor, inputs, questions, partial=False, **options)
    for finished, piece in enumerate(pieces, 1):
        logprob = 0.0 if piece.logprob is None else piece.logprob
        found[piece.region][piece.question] = Answer(piece.text, logprob, piece.tokens)
        if progress is not None:
            progress(finished)
    return found


def answer(*args: Any, **options: Any) -> list[list[str]]:
    """`answers`, the texts alone."""
    return [[one.text for one in row] for row in answers(*args, **options)]


def describe(
    model: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor,
    images: Any,
    masks: Any,
    questions: Sequence[str] | Sequence[Sequence[str]],
    *,
    image_index: Sequence[int] | None = None,
    **options: Any,
) -> list[list[str]]:
    """Answers to questions on regions of one or many pictures, `answers[region][question]`.

    Args:
        images: one picture or a list of B, anything that `finecaption.io.images.load_image` opens.
        masks: R masks (None: the whole picture), as for `FineCaptionProcessor`.
        questions: the users' texts (`finecaption.attributes`): one list for every region, or R
            lists.
        image_index: the picture of each region, if regions and pictures do not pair up.
        options: as for `answers`.

    Raises:
        InputError: unusable pictures or masks.
    """
    if isinstance(masks, (list, tuple)) and not masks:
        return []
    given = images if isinstance(images, (list, tuple)) else [images]
    pictures = [load_image(image) for image in given]
    prepare = processor.image_processor
    inputs = dict(prepare(pictures, masks, image_index, return_tensors="pt"))
    inputs["whole_masks"] = torch.cat(
        [torch.from_numpy(prepare.region_inputs(None, picture.size)) for picture in pictures]
    )
    regions = len(inputs["region_masks"])
    lists: list[list[str]]
    if all(isinstance(question, str) for question in questions):
        lists = [[str(question) for question in questions]] * regions
    else:
        lists = [list(texts) for texts in questions]
    return answer(model, processor, inputs, lists, **options)


__all__ = [
    "Answer",
    "Piece",
    "answer",
    "answer_stream",
    "answers",
    "describe",
    "encode_pictures",
]
