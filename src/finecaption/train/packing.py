"""Several questions on one region in one sequence: the image prefix is paid for once.

    prefix (image tokens, "Describe this region:") | question 1 + answer 1 | question 2 + ...

A question attends to the prefix and to itself; its positions go on from the end of the prefix.
So the loss is that of separate samples (tests/train/test_packing.py), at a fraction of the cost.

Legend: N sequences, L tokens a sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

NO_LOSS = -100


@dataclass(frozen=True)
class Packed:
    """One sequence as lists of equal length; segment 0 is the shared prefix."""

    input_ids: list[int]
    position_ids: list[int]
    segments: list[int]
    labels: list[int]

    def __len__(self) -> int:
        return len(self.input_ids)


def common_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """How many leading tokens all prompts share, at most all but the last of the shortest.

    At least one token of each prompt stays out, because a question's first answer token is
    predicted from its prompt's last one, which must belong to its own segment.
    """
    shortest = min(len(p) for p in prompts)
    for i in range(shortest - 1):
        if any(p[i] != prompts[0][i] for p in prompts):
            return i
    return shortest - 1


def pack(prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> Packed:
    """Questions on one region as one sequence.

    Args:
        prompts: token ids of each whole prompt, image placeholders included.
        answers: token ids of each answer, end token included; only these are learned.

    Raises:
        ValueError: no question, or different numbers of prompts and answers.
    """
    if not prompts or len(prompts) != len(answers):
        raise ValueError(f"{len(prompts)} prompts and {len(answers)} answers: give one of each.")
    shared = common_prefix(prompts)
    ids = list(prompts[0][:shared])
    positions, segments, labels = list(range(shared)), [0] * shared, [NO_LOSS] * shared
    for k, (prompt, answer) in enumerate(zip(prompts, answers, strict=True), 1):
        own = [*prompt[shared:], *answer]
        ids += own
        positions += range(shared, shared + len(own))
        segments += [k] * len(own)
        labels += [NO_LOSS] * (len(prompt) - shared) + list(answer)
    return Packed(ids, positions, segments, labels)


def block_mask(segments: torch.Tensor) -> torch.Tensor:
    """Who attends to whom: bool (N, 1, L, L) from segments int64 (N, L), -1 for padding.

    Causal; a token sees the prefix and its own segment; padding sees only itself, because a row
    that sees nothing gives NaN.
    """
    length = segments.shape[1]
    query, key = segments.unsqueeze(2), segments.unsqueeze(1)
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    seen = (query == key) | (key == 0)
    own = torch.eye(length, dtype=torch.bool, device=segments.device)
    real = (query >= 0) & (key >= 0)
    return ((seen & causal & real) | own).unsqueeze(1)


def collate_packed(rows: Sequence[Packed], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Sequences padded on the right: input_ids, position_ids, labels (N, L), attention_mask.

    The labels of a segment's first token are no concern of the token before it (which belongs to
    another segment): prompts have no labels, and every segment begins with a prompt token.
    """
    length = max(len(r) for r in rows)

    def padded(values: list[int], filler: int) -> list[int]:
        return values + [filler] * (length - len(values))

    segments = torch.tensor([padded(r.segments, -1) for r in rows])
    return {
        "input_ids": torch.tensor([padded(r.input_ids, pad_token_id) for r in rows]),
        "position_ids": torch.tensor([padded(r.position_ids, 0) for r in rows]),
        "labels": torch.tensor([padded(r.labels, NO_LOSS) for r in rows]),
        "attention_mask": block_mask(segments),
    }
