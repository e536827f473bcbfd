"""Beam search of many rows at once, with all beams of a region on one prefix.

The rules are those of transformers' `generate(num_beams=B, length_penalty=1, early_stopping=False)`
(`GenerationMixin._beam_search`): of the (1 + number of end tokens) x B likeliest continuations, the
B best that do not end run on; an ended one among the B best is kept with its mean log-probability;
a row is over once the best running beam's mean is below that of its B-th best ended one.

Legend: R lines (a line is one region), Q slots a line, n rows not yet over, B beams, V the
vocabulary; see `shared`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from finecaption.model import FineCaptionForConditionalGeneration

from .choosing import guided
from .decoding import Decoding
from .rows import Row, end_ids, start

_NEVER = -1e9  # a score that no beam has


@dataclass(frozen=True)
class _Beam:
    score: float
    """Running: sum of (guided) log-probabilities; ended: their mean."""
    said: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    """Undisturbed."""
    slot: int = 0
    """In its line, of the state that predicts its next token."""


@dataclass(eq=False)
class _Search:
    row: Row
    line: int
    running: list[_Beam]
    ended: list[_Beam] = field(default_factory=list)
    """At most B, best first."""


@torch.inference_mode()
def search(
    model: FineCaptionForConditionalGeneration,
    features: torch.Tensor,
    prefix: Sequence[int],
    lines: Sequence[Sequence[Row]],
    *,
    decoding: Decoding,
    limit: int,
    whole: torch.Tensor | None = None,
) -> Iterator[list[Row]]:
    """The likeliest answer of each row; rows that are over, a list a step.

    Arguments as for `rows.decode`; `decoding.beams` and its guidance count here. A row's `said` and
    `logprobs` stay empty until it is over.
    """
    ends = end_ids(model)
    pad = model.config.text_config.pad_token_id or 0
    shared = start(model, features, whole, prefix, lines)
    logits = shared.logits
    searches = [
        _Search(row, line, [_Beam(0.0, slot=slot)])
        for line, rows in enumerate(lines)
        for slot, row in enumerate(rows)
    ]
    at_line = list(range(len(lines)))  # the line of the state for each region, -1: dropped
    for step in range(limit):
        width = len(searches[0].running)  # 1 at first, then B
        where = [(at_line[s.line], beam.slot) for s in searches for beam in s.running]
        line_of, slot_of = torch.tensor(where, device=logits.device).unbind(1)
        own = logits[line_of, slot_of]
        contrast = None if whole is None else logits[line_of + logits.shape[0] // 2, slot_of]
        plain = own.log_softmax(-1)
        likely = plain if contrast is None else guided(own, contrast, decoding.guidance)
        scores = torch.tensor([b.score for s in searches for b in s.running], device=own.device)
        total = (likely.log_softmax(-1) + scores[:, None]).view(len(searches), -1)  # (n, width * V)
        most = min(max(2, 1 + len(ends)) * decoding.beams, total.shape[1])
        best, index = total.topk(most)
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
        searches = [one for one in searches if not one.row.done]
        if not searches:
            return

        slots: list[list[int]] = [[] for _ in lines]
        ids: list[list[int]] = [[] for _ in lines]
        for one in searches:
            moved = []
            for beam in one.running:
                moved.append(_Beam(beam.score, beam.said, beam.logprobs, len(slots[one.line])))
                slots[one.line].append(beam.slot)
                ids[one.line].append(beam.said[-1])
            one.running = moved
        widest = max(map(len, slots))
        kept = [line for line, members in enumerate(slots) if members]
        filled = [slots[line] + slots[line][:1] * (widest - len(slots[line])) for line in kept]
        put = [ids[line] + [pad] * (widest - len(ids[line])) for line in kept]
        half = logits.shape[0] // 2
        before = [at_line[line] for line in kept]
        at_line = [-1] * len(lines)
        for place, line in enumerate(kept):
            at_line[line] = place
        if whole is None:
            shared.keep(before, filled)
            logits = shared.step(torch.tensor(put, device=logits.device))
        else:
            shared.keep(before + [line + half for line in before], filled * 2)
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
    length = len(one.running[0].said) + 1
    for rank, (score, parent, token, logprob) in enumerate(candidates):
        before = one.running[parent]
        logprobs = (*before.logprobs, logprob)
        said = before.said if token in ends else (*before.said, token)
        if token in ends or last:
            if rank < beams:
                ended.append(_Beam(score / length, said, logprobs))
        elif len(running) < beams:
            running.append(_Beam(score, said, logprobs, before.slot))
    # Stable: what ended earlier stays before what has the same score.
    one.ended = sorted([*one.ended, *ended], key=lambda beam: -beam.score)[:beams]
    while running and len(running) < beams:  # a vocabulary smaller than the number of candidates
        running.append(_Beam(_NEVER, running[0].said, running[0].logprobs, running[0].slot))
    one.running = running
    full = len(one.ended) == beams
    if last or not running or (full and running[0].score / length <= one.ended[-1].score):
        one.row.said, one.row.logprobs = list(one.ended[0].said), list(one.ended[0].logprobs)
        one.row.done = True
    return one.row.done


__all__ = ["search"]
