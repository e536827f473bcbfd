"""Beam search of many rows at once, with all beams of a region on one prefix.

The rules are those of transformers' `generate(num_beams=B, length_penalty=1, early_stopping=False)`
(`GenerationMixin._beam_search`): of the (1 + number of end tokens) x B likeliest continuations, the
B best that do not end run on; an ended one among the B best is kept with its mean log-probability;
a row is over once the best running beam's mean is below that of its B-th best ended one.

Legend: R regions, Q queries per region (its running beams), n rows not yet over, B beams, V the
vocabulary; see `shared_prefix`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from finecaption.decoding import Decoding
from finecaption.model import FineCaptionForConditionalGeneration

from .decode_loop import DecodeRow, end_ids, with_whole
from .sampling import guided, not_finite
from .shared_prefix import SharedPrefix

_NEVER = -1e9  # a score that no beam has


@dataclass(frozen=True)
class _Beam:
    score: float
    """Running: sum of (guided) log-probabilities; ended: their mean."""
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    """Undisturbed."""
    query: int = 0
    """In its region, of the state that predicts its next token."""


@dataclass(eq=False)
class _Search:
    row: DecodeRow
    region: int
    running: list[_Beam]
    ended: list[_Beam] = field(default_factory=list)
    """At most B, best first."""


@torch.inference_mode()
def search(
    model: FineCaptionForConditionalGeneration,
    features: torch.Tensor,
    prefix: Sequence[int],
    regions: Sequence[Sequence[DecodeRow]],
    *,
    decoding: Decoding,
    limit: int,
    whole: torch.Tensor | None = None,
) -> Iterator[list[DecodeRow]]:
    """The likeliest answer of each row; rows that are over, one list per step.

    Arguments and errors as for `decode_loop.decode`; `decoding.beams` and its guidance count here.
    A row's `token_ids` and `logprobs` stay empty until it is over.
    """
    ends = end_ids(model)
    pad = model.config.text_config.pad_token_id or 0
    everywhere, suffixes = with_whole(features, whole, regions)
    shared = SharedPrefix(model, everywhere, prefix, suffixes)
    logits = shared.logits
    searches = [
        _Search(row, region, [_Beam(0.0, query=query)])
        for region, rows in enumerate(regions)
        for query, row in enumerate(rows)
    ]
    at_region = list(range(len(regions)))  # place of each region in the state, -1: dropped
    for step in range(limit):
        width = len(searches[0].running)  # 1 at first, then B
        where = [(at_region[s.region], beam.query) for s in searches for beam in s.running]
        region_of, query_of = torch.tensor(where, device=logits.device).unbind(1)
        own = logits[region_of, query_of]
        contrast = None if whole is None else logits[region_of + logits.shape[0] // 2, query_of]
        plain = own.log_softmax(-1)
        likely = plain if contrast is None else guided(own, contrast, decoding.guidance)
        scores = torch.tensor([b.score for s in searches for b in s.running], device=own.device)
        total = (likely.log_softmax(-1) + scores[:, None]).view(len(searches), -1)  # (n, width * V)
        most = min(max(2, 1 + len(ends)) * decoding.beams, total.shape[1])
        best, index = total.topk(most)
        if not bool(best[:, 0].isfinite().all()):
            raise not_finite()
        vocabulary = own.shape[1]
        token, parent = index % vocabulary, index // vocabulary
        plain = plain.view(len(searches), width, vocabulary)
        rows = torch.arange(len(searches), device=own.device)[:, None]
        found = zip(
            searches,
            *(part.tolist() for part in (best, parent, token, plain[rows, parent, token])),
            strict=True,
        )
        last = step + 1 == limit
        over = [
            one.row
            for one, *candidates in found
            if _advance(one, list(zip(*candidates, strict=True)), ends, decoding.beams, last)
        ]
        yield over
        searches = [one for one in searches if not one.row.finished]
        if not searches:
            return

        queries: list[list[int]] = [[] for _ in regions]
        ids: list[list[int]] = [[] for _ in regions]
        for one in searches:
            moved = []
            for beam in one.running:
                moved.append(
                    _Beam(beam.score, beam.token_ids, beam.logprobs, len(queries[one.region]))
                )
                queries[one.region].append(beam.query)
                ids[one.region].append(beam.token_ids[-1])
            one.running = moved
        widest = max(map(len, queries))
        kept = [region for region, members in enumerate(queries) if members]
        filled = [
            queries[region] + queries[region][:1] * (widest - len(queries[region]))
            for region in kept
        ]
        put = [ids[region] + [pad] * (widest - len(ids[region])) for region in kept]
        half = logits.shape[0] // 2
        before = [at_region[region] for region in kept]
        at_region = [-1] * len(regions)
        for place, region in enumerate(kept):
            at_region[region] = place
        if whole is None:
            shared.keep(before, filled)
            logits = shared.step(torch.tensor(put, device=logits.device))
        else:
            shared.keep(before + [region + half for region in before], filled * 2)
            logits = shared.step(torch.tensor(put * 2, device=logits.device))


def _advance(
    one: _Search,
    candidates: Sequence[tuple[float, int, int, float]],
    ends: frozenset[int],
    beams: int,
    last: bool,
) -> bool:
    """One step of a row, with its candidates (score, parent, token, log-probability), best first.

    Returns:
        Whether the row is over; it then has its answer.
    """
    running: list[_Beam] = []
    ended: list[_Beam] = []
    length = len(one.running[0].token_ids) + 1
    for rank, (score, parent, token, logprob) in enumerate(candidates):
        before = one.running[parent]
        logprobs = (*before.logprobs, logprob)
        token_ids = before.token_ids if token in ends else (*before.token_ids, token)
        if token in ends or last:
            if rank < beams:
                ended.append(_Beam(score / length, token_ids, logprobs))
        elif len(running) < beams:
            running.append(_Beam(score, token_ids, logprobs, before.query))
    # Stable: what ended earlier stays before what has the same score.
    one.ended = sorted([*one.ended, *ended], key=lambda beam: -beam.score)[:beams]
    while running and len(running) < beams:  # a vocabulary smaller than the number of candidates
        running.append(_Beam(_NEVER, running[0].token_ids, running[0].logprobs, running[0].query))
    one.running = running
    full = len(one.ended) == beams
    if last or not running or (full and running[0].score / length <= one.ended[-1].score):
        one.row.token_ids, one.row.logprobs = (
            list(one.ended[0].token_ids),
            list(one.ended[0].logprobs),
        )
        one.row.finished = True
    return one.row.finished


__all__ = ["search"]
