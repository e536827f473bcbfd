"""Several dialogs on one region in one sequence: the image prefix is paid for once.

    prefix (image tokens, "Describe this region:") | question 1 + answer 1 | question 2 + ...

A dialog is a single question, or a conversation of several turns. It attends to the prefix and to
itself, so a turn sees the earlier turns of its own conversation and nothing else; its positions go
on from the end of the prefix. So the loss is that of separate samples
(tests/training/test_packing.py), at a fraction of the cost.

Legend: N sequences, L tokens a sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

NO_LOSS = -100


Turn = tuple[Sequence[int], Sequence[int]]
"""Token ids of a prompt and of its answer, end token included."""


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
    # What the least and the greatest share, all share. Slices are compared in C: prompts have a
    # thousand image tokens, and datasets half a million prompts.
    least, greatest = min(map(list, prompts)), max(map(list, prompts))
    low, high = 0, min(map(len, prompts)) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if least[:middle] == greatest[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


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
    return pack_dialogs([[turn] for turn in zip(prompts, answers, strict=True)])


def pack_dialogs(dialogs: Sequence[Sequence[Turn]]) -> Packed:
    """Dialogs on one region as one sequence, a segment each.

    Args:
        dialogs: the turns of each. The first prompt of a dialog is a whole prompt, image
            placeholders included; later ones are what follows an answer's end token
            (FineCaptionProcessor.turn_ids). Only the answers are learned.

    Raises:
        ValueError: no dialog, or one without a turn.
    """
    if not dialogs or not all(dialogs):
        raise ValueError("dialogs: give at least one, each of at least one turn.")
    shared = common_prefix([turns[0][0] for turns in dialogs])
    ids = list(dialogs[0][0][0][:shared])
    positions, segments, labels = list(range(shared)), [0] * shared, [NO_LOSS] * shared
    for k, turns in enumerate(dialogs, 1):
        own: list[int] = []
        learned: list[int] = []
        for prompt, answer in turns:
            own += [*prompt, *answer]
            learned += [NO_LOSS] * len(prompt) + list(answer)
        ids += own[shared:]
        positions += range(shared, len(own))
        segments += [k] * (len(own) - shared)
        labels += learned[shared:]
    return Packed(ids, positions, segments, labels)


def block_mask(segments: torch.Tensor) -> torch.Tensor:
    """Who attends to whom: bool (N, 1, L, L) from segments int64 (N, L), -1 for padding.

    Causal; a token sees the prefix and its own segment (in a conversation: the earlier turns);
    padding sees only itself, because a row that sees nothing gives NaN.
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
