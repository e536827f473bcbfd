"""Answers to many questions about many regions at once.

An image's high-resolution features, and what the adapter makes of them, are computed once; the
regions go through the mask-aware CLIP as a batch; what all questions about a region have in common
(image tokens and the beginning of the prompt) goes through the language model once and is stored
once (`shared_prefix`); then all (region, question) rows are decoded together (`decode_loop`,
`beam_search`), and rows that have ended leave the batch. In fp32 greedy answers are those of
`model.generate(do_sample=False)` for each row alone, token for token.

Legend: B images, R regions, T image tokens per region, D the language model's width.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from finecaption.decoding import Decoding
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor

from .decode_loop import DecodeRow, decode
from .memory_budget import Budget
from .sampling import row_seed
from .vision import Vision


class Piece(NamedTuple):
    """The state of one answer."""

    region: int
    question: int
    text: str
    """The answer so far."""
    finished: bool
    logprob: float | None = None
    """Once finished: the mean over the answer's tokens, the end included, of the natural logarithm
    of the token's probability (softmax of the undisturbed logits, temperature 1)."""
    tokens: int = 0
    """Once finished: how many these were."""


class Answer(NamedTuple):
    """A finished answer; see `Piece`."""

    text: str
    logprob: float
    tokens: int


class _Job(NamedTuple):
    """A question about a region that waits for its answer."""

    region: int
    question: int
    suffix: list[int]
    seed: int
    emitted: list[int]
    """One number: tokens already streamed, so that a retry after OOM does not repeat them."""


class _Cuts:
    """The text of rows, truncated as `Decoding.length` says."""

    def __init__(self, processor: FineCaptionProcessor, length: str | None) -> None:
        self._processor = processor
        self.length = length if length in ("brief", "sentence") else None

    def _cut(self, token_ids: Sequence[int]) -> tuple[str, bool]:
        """The text that is kept, and whether more tokens could not change it."""
        text = self._processor.answer(token_ids)
        if self.length is None:
            return text, False
        from .truncation import cut

        return cut(text, self.length)

    def text(self, row: DecodeRow) -> str:
        return self._cut(row.token_ids)[0]

    def full(self, row: DecodeRow) -> bool:
        """Whether more text could not change what is kept of it."""
        return self._cut(row.token_ids)[1]

    def answer(self, row: DecodeRow) -> Answer:
        """Text, and the mean over those tokens alone that it takes."""
        text, logprobs = self.text(row), row.logprobs
        if self.length is not None and self.full(row):
            ids = row.token_ids
            need = next(n for n in range(1, len(ids) + 1) if self._cut(ids[:n])[0] == text)
            logprobs = logprobs[:need]
        return Answer(text, sum(logprobs) / max(1, len(logprobs)), len(logprobs))


def answer_stream(
    model: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor,
    inputs: Mapping[str, torch.Tensor],
    questions: Sequence[Sequence[str]],
    *,
    decoding: Decoding | None = None,
    max_new_tokens: int | None = None,
    max_rows: int | None = None,
    partial: bool = True,
) -> Iterator[Piece]:
    """Answers as they grow; regions in the order of their images.

    A batch that does not fit into the GPU's memory is halved and done again; no answer is lost and
    none is emitted twice.

    Args:
        inputs: from the image processor: `pixel_values`, or in its place `hr_features`
            (B, C_hr, g, g) from `encode_images`; `pixel_values_clip`, `region_masks`, and
            `image_index` where regions and images do not pair up. For guidance also `whole_masks`
            (B, s, s), the whole images' masks; all ones if it is missing. On any device.
        questions: for each of the R regions, the user's texts (`finecaption.attributes`).
        decoding: how answers are written; greedily if None.
        max_new_tokens: in place of `decoding.max_new_tokens`. The cap is lowered to what the
            language model's context leaves.
        max_rows: rows decoded together; None takes what fits into the memory (see `budget`).
        partial: whether to yield at every token, or finished answers only, as beam search does
            in any case.

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
    prefix, suffixes = processor.shared_prefix(asked)
    suffix_of = dict(zip(asked, suffixes, strict=True))
    room = _context(model) - len(prefix) - max(map(len, suffixes))
    limit = max(1, min(max_new_tokens or decoding.tokens, room))
    cuts = _Cuts(processor, decoding.length)
    vision = Vision(model, inputs, bool(decoding.guidance))
    budget = Budget(model, decoding, len(prefix), limit, max_rows)
    waiting = deque(
        _Job(region, question, suffix_of[text], row_seed(decoding.seed, text), [0])
        for region in sorted(range(len(masks)), key=lambda region: vision.image_of[region])
        for question, text in enumerate(questions[region])
    )
    while waiting:
        chunk = budget.take(waiting)
        rows = {_row(job, decoding): job for job in chunk}
        try:
            for changed in _steps(model, vision, prefix, rows, decoding, limit, cuts):
                for row in changed:
                    job = rows[row]
                    if row.finished:
                        text, logprob, tokens = cuts.answer(row)
                        yield Piece(job.region, job.question, text, True, logprob, tokens)
                    elif partial and len(row.token_ids) > job.emitted[0]:
                        job.emitted[0] = len(row.token_ids)
                        yield Piece(job.region, job.question, cuts.text(row), False)
        except torch.cuda.OutOfMemoryError:
            if len(chunk) == 1:
                raise
            again = [job for row, job in rows.items() if not row.finished]
        else:
            continue
        # Outside of `except`, where the traceback would hold on to the memory.
        waiting.extendleft(reversed(again))
        budget.halve(len(chunk))
        vision.forget()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _steps(
    model: FineCaptionForConditionalGeneration,
    vision: Vision,
    prefix: Sequence[int],
    rows: Mapping[DecodeRow, _Job],
    decoding: Decoding,
    limit: int,
    cuts: _Cuts,
) -> Iterator[list[DecodeRow]]:
    """The rows that changed, one list per step."""
    of_region: dict[int, list[DecodeRow]] = {}
    for row, job in rows.items():
        of_region.setdefault(job.region, []).append(row)
    features, whole = vision.tokens(list(of_region))
    regions = list(of_region.values())
    if decoding.beams > 1:
        from .beam_search import search

        return search(model, features, prefix, regions, decoding=decoding, limit=limit, whole=whole)
    return decode(
        model,
        features,
        prefix,
        regions,
        decoding=decoding,
        limit=limit,
        whole=whole,
        is_finished=None if cuts.length is None else cuts.full,
    )


def _row(job: _Job, decoding: Decoding) -> DecodeRow:
    sampled = decoding.temperature > 0
    return DecodeRow(job.suffix, torch.Generator().manual_seed(job.seed) if sampled else None)


def _context(model: FineCaptionForConditionalGeneration) -> int:
    """Tokens of the language model's context.

    A sliding window counts as its end: the mask that questions share a prefix by has none.
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


__all__ = ["Answer", "Piece", "answer_stream", "answers"]
