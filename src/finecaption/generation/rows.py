"""Rows, each one question on one region, decoded together token by token.

Legend: R lines (a line is one region), Q slots a line, V the vocabulary, n rows not yet ended; see
`shared`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from finecaption.model import FineCaptionForConditionalGeneration

from .choosing import choose, guided, likelihoods
from .decoding import Decoding
from .shared import SharedPrefix

_LEFT_SHARE = 0.75  # of the lines: at or below, those without a row are dropped from the cache


@dataclass(eq=False)
class Row:
    """One question on one region, and its answer as far as it is written."""

    rest: Sequence[int]
    """Token ids after the shared prefix."""
    generator: torch.Generator | None = None
    """For drawing; None if nothing is drawn."""
    said: list[int] = field(default_factory=list)
    """Token ids, without the end."""
    logprobs: list[float] = field(default_factory=list)
    """Of the tokens said, and of the end if the model ended it: natural logarithms of their
    probabilities by the softmax of the undisturbed logits."""
    done: bool = False


Finished = Callable[[Row], bool]
"""Whether a row that has just got a token has all that is wanted of it."""


def end_ids(model: FineCaptionForConditionalGeneration) -> frozenset[int]:
    """The tokens that end an answer."""
    ends = model.generation_config.eos_token_id
    if ends is None:
        ends = model.config.text_config.eos_token_id
    return frozenset([ends] if isinstance(ends, int) else ends or ())


def start(
    model: FineCaptionForConditionalGeneration,
    features: torch.Tensor,
    whole: torch.Tensor | None,
    prefix: Sequence[int],
    lines: Sequence[Sequence[Row]],
) -> SharedPrefix:
    """The state with all prompts in it; with `whole`, R more lines: the same rows on the pictures
    as wholes."""
    rests = [[row.rest for row in line] for line in lines]
    if whole is None:
        return SharedPrefix(model, features, prefix, rests)
    return SharedPrefix(model, torch.cat([features, whole]), prefix, rests * 2)


@torch.inference_mode()
def decode(
    model: FineCaptionForConditionalGeneration,
    features: torch.Tensor,
    prefix: Sequence[int],
    lines: Sequence[Sequence[Row]],
    *,
    decoding: Decoding,
    limit: int,
    whole: torch.Tensor | None = None,
    finished: Finished | None = None,
) -> Iterator[list[Row]]:
    """Greedy or drawn answers; the rows that changed, a list a step. Rows that end leave the batch.

    Args:
        features: (R, T, D) from `encode_regions`.
        prefix: P token ids, T placeholders among them, shared by all rows.
        lines: R lists of one or more fresh rows, which are written into.
        decoding: its temperature, top_p, top_k and guidance count here.
        limit: rows that have so many tokens end.
        whole: (R, T, D): each region's picture under the mask of the whole; only for guidance.
        finished: called after each token, to end a row early.
    """
    ends = end_ids(model)
    pad = model.config.text_config.pad_token_id or 0
    shared = start(model, features, whole, prefix, lines)
    logits = shared.logits
    grid: list[list[Row | None]] = [list(line) for line in lines]  # what stands in each slot
    for step in range(limit):
        places = [
            (line, slot)
            for line, slots in enumerate(grid)
            for slot, row in enumerate(slots)
            if row is not None
        ]
        rows = [row for slots in grid for row in slots if row is not None]
        line_of, slot_of = torch.tensor(places, device=logits.device).unbind(1)
        own = logits[line_of, slot_of]  # (n, V)
        contrast = None if whole is None else logits[line_of + len(grid), slot_of]
        chosen = choose(
            guided(own, contrast, decoding.guidance),
            decoding,
            [row.generator for row in rows if row.generator is not None],
        )
        likely = likelihoods(own, chosen)
        tokens = chosen.tolist()
        for row, token, logprob in zip(rows, tokens, likely, strict=True):
            row.logprobs.append(logprob)
            if token in ends:
                row.done = True
                continue
            row.said.append(token)
            row.done = step + 1 == limit or (finished is not None and finished(row))
        yield rows

        ids = [[pad] * shared.slots for _ in grid]
        for (line, slot), row, token in zip(places, rows, tokens, strict=True):
            ids[line][slot] = token
            if row.done:
                grid[line][slot] = None
        if all(row.done for row in rows):
            return
        grid, ids = _retire(shared, grid, ids, 1 if whole is None else 2)
        put = torch.tensor(ids, device=logits.device)
        logits = shared.step(put if whole is None else torch.cat([put, put]))


def _retire(
    shared: SharedPrefix, grid: list[list[Row | None]], ids: list[list[int]], copies: int
) -> tuple[list[list[Row | None]], list[list[int]]]:
    """Close the gaps that ended rows leave: fewer slots, and fewer lines once enough are empty."""
    alive = [[slot for slot, row in enumerate(line) if row is not None] for line in grid]
    kept = [line for line, slots in enumerate(alive) if slots]
    if len(kept) > _LEFT_SHARE * len(grid):
        kept = list(range(len(grid)))
    width = max(map(len, alive))
    if width == shared.slots and len(kept) == len(grid):
        return grid, ids
    # A line with fewer rows is filled up with another's slot, of which nothing is read.
    slots = [alive[line] + [*alive[line][:1], 0][:1] * (width - len(alive[line])) for line in kept]
    both = [line + copy * len(grid) for copy in range(copies) for line in kept]
    shared.keep(both, slots * copies)
    grid = [[grid[line][slot] for slot in alive[line]] for line in kept]
    pad = [width - len(line) for line in grid]
    ids = [
        [ids[line][slot] for slot in alive[line]] + [0] * gap
        for line, gap in zip(kept, pad, strict=True)
    ]
    return grid, ids


__all__ = ["Finished", "Row", "decode", "end_ids", "start"]
