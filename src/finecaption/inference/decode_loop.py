"""Rows, each one question about one region, decoded together token by token.

Legend: R regions, Q queries per region (questions or beams), V the vocabulary, n rows that have not
ended; see `shared_prefix`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from finecaption.decoding import Decoding
from finecaption.model import FineCaptionForConditionalGeneration

from .sampling import choose, guided, likelihoods
from .shared_prefix import SharedPrefix

_MAX_KEPT = 0.75  # fraction of regions with a row, at or below which the others leave the cache


@dataclass(eq=False)
class DecodeRow:
    """One question about one region, and its answer so far."""

    suffix: Sequence[int]
    """Token ids after the shared prefix."""
    generator: torch.Generator | None = None
    """For sampling; None if nothing is sampled."""
    token_ids: list[int] = field(default_factory=list)
    """Token ids, without the end."""
    logprobs: list[float] = field(default_factory=list)
    """Of the answer's tokens, and of the end if the model ended it: natural logarithms of their
    probabilities by the softmax of the undisturbed logits."""
    finished: bool = False


IsFinished = Callable[[DecodeRow], bool]
"""Whether a row that has just got a token needs no more of them."""


def end_ids(model: FineCaptionForConditionalGeneration) -> frozenset[int]:
    """The tokens that end an answer."""
    ends = model.generation_config.eos_token_id
    if ends is None:
        ends = model.config.text_config.eos_token_id
    return frozenset([ends] if isinstance(ends, int) else ends or ())


def with_whole(
    features: torch.Tensor, whole: torch.Tensor | None, regions: Sequence[Sequence[DecodeRow]]
) -> tuple[torch.Tensor, list[list[Sequence[int]]]]:
    """Features and suffixes for `SharedPrefix`: with `whole`, R more regions, which are the same
    rows on the whole images."""
    suffixes = [[row.suffix for row in region] for region in regions]
    if whole is None:
        return features, suffixes
    return torch.cat([features, whole]), suffixes * 2


@torch.inference_mode()
def decode(
    model: FineCaptionForConditionalGeneration,
    features: torch.Tensor,
    prefix: Sequence[int],
    regions: Sequence[Sequence[DecodeRow]],
    *,
    decoding: Decoding,
    limit: int,
    whole: torch.Tensor | None = None,
    is_finished: IsFinished | None = None,
) -> Iterator[list[DecodeRow]]:
    """Decodes greedily or by sampling; yields the rows that changed, one list per step.

    Finished rows leave the batch.

    Args:
        features: (R, T, D) from `encode_regions`.
        prefix: P token ids, T placeholders among them, shared by all rows.
        regions: R lists of one or more fresh rows, which are written into.
        decoding: its temperature, top_p, top_k and guidance count here.
        limit: rows that have so many tokens end.
        whole: (R, T, D): each region's image under the mask of the whole; only for guidance.
        is_finished: called after each token, to end a row early.

    Raises:
        CaptionerError: the model computes NaN or infinity.
    """
    ends = end_ids(model)
    pad = model.config.text_config.pad_token_id or 0
    everywhere, suffixes = with_whole(features, whole, regions)
    shared = SharedPrefix(model, everywhere, prefix, suffixes)
    logits = shared.logits
    grid: list[list[DecodeRow | None]] = [
        list(region) for region in regions
    ]  # what stands in each query
    for step in range(limit):
        places = [
            (region, query)
            for region, queries in enumerate(grid)
            for query, row in enumerate(queries)
            if row is not None
        ]
        rows = [row for queries in grid for row in queries if row is not None]
        region_of, query_of = torch.tensor(places, device=logits.device).unbind(1)
        own = logits[region_of, query_of]  # (n, V)
        contrast = None if whole is None else logits[region_of + len(grid), query_of]
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
                row.finished = True
                continue
            row.token_ids.append(token)
            row.finished = step + 1 == limit or (is_finished is not None and is_finished(row))
        yield rows

        ids = [[pad] * shared.queries for _ in grid]
        for (region, query), row, token in zip(places, rows, tokens, strict=True):
            ids[region][query] = token
            if row.finished:
                grid[region][query] = None
        if all(row.finished for row in rows):
            return
        grid, ids = _retire(shared, grid, ids, 1 if whole is None else 2)
        put = torch.tensor(ids, device=logits.device)
        logits = shared.step(put if whole is None else torch.cat([put, put]))


def _retire(
    shared: SharedPrefix, grid: list[list[DecodeRow | None]], ids: list[list[int]], copies: int
) -> tuple[list[list[DecodeRow | None]], list[list[int]]]:
    """Close the gaps of ended rows: fewer queries, and fewer regions once enough are empty."""
    alive = [[query for query, row in enumerate(region) if row is not None] for region in grid]
    kept = [region for region, queries in enumerate(alive) if queries]
    if len(kept) > _MAX_KEPT * len(grid):
        kept = list(range(len(grid)))
    width = max(map(len, alive))
    if width == shared.queries and len(kept) == len(grid):
        return grid, ids
    # A region with fewer rows is filled up with another's query, of which nothing is read.
    queries = [
        alive[region] + [*alive[region][:1], 0][:1] * (width - len(alive[region]))
        for region in kept
    ]
    both = [region + copy * len(grid) for copy in range(copies) for region in kept]
    shared.keep(both, queries * copies)
    grid = [[grid[region][query] for query in alive[region]] for region in kept]
    pad = [width - len(region) for region in grid]
    ids = [
        [ids[region][query] for query in alive[region]] + [0] * gap
        for region, gap in zip(kept, pad, strict=True)
    ]
    return grid, ids


__all__ = ["IsFinished", "DecodeRow", "decode", "end_ids", "with_whole"]
