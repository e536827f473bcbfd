"""Captions: the cross-entropy of the answers' tokens; the paper's only objective."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from finecaption.model.parts import part_of, unused_by_captions
from finecaption.training.objectives import Batch
from finecaption.training.packing import NO_LOSS, collate_packed

Image = dict[str, Any]
"""An image with questions on its regions, as datasets give it:

pixel_values_clip uint8 (3, s, s); pixel_values uint8 (3, S, S), or hr_features (C_hr, g, g);
masks, a list of uint8 (s, s); rows, a list of `Packed`, one for each of the first masks.
"""


class Captions:
    """The whole model on its captions.

    Items are images, or packs of them (lists).
    """

    metrics: Mapping[str, Sequence[str]] = {}

    def __init__(self, pad_token_id: int) -> None:
        """
        Args:
            pad_token_id: of the tokenizer.
        """
        self.pad_token_id = pad_token_id

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model itself, whose forward returns a loss."""
        return model

    def part_of(self, name: str) -> str | None:
        """See `finecaption.model.parts.part_of`."""
        return part_of(name)

    def idle(self, module: nn.Module) -> frozenset[str]:
        """See `finecaption.model.parts.unused_by_captions`."""
        return frozenset(unused_by_captions(module))

    def collate(self, items: Sequence[Image | Sequence[Image]]) -> Batch:
        """Images or packs -> the arguments of FineCaptionForConditionalGeneration.forward."""
        return collate_images(list(images_of(items)), self.pad_token_id)


def images_of(items: Sequence[Image | Sequence[Image]]) -> Iterable[Image]:
    """The images of a batch, whether its items are images or packs."""
    for item in items:
        if isinstance(item, dict):
            yield item
        else:
            yield from item


def collate_images(images: Sequence[Image], pad_token_id: int) -> Batch:
    """Images as one batch: B images, R regions, L tokens of the longest sequence.

    Returns:
        As `collate_packed`, where there are questions, and logits_to_keep, the number of columns
        from the first that predicts an answer on; pixel_values_clip uint8 (B, 3, s, s);
        pixel_values uint8 (B, 3, S, S) or hr_features (B, C_hr, g, g); region_masks uint8
        (R, s, s); image_index int64 (R,).
    """
    out: Batch = {}
    rows = [row for image in images for row in image["rows"]]
    if rows:
        out |= collate_packed(rows, pad_token_id)
        learned = (out["labels"] != NO_LOSS).any(dim=0).nonzero()
        out["logits_to_keep"] = out["labels"].shape[1] - int(learned[0]) + 1
    for key in ("pixel_values", "pixel_values_clip", "hr_features"):
        if key in images[0]:
            out[key] = torch.stack([image[key] for image in images])
    counts = torch.tensor([len(image["masks"]) for image in images])
    out["region_masks"] = torch.stack([mask for image in images for mask in image["masks"]])
    out["image_index"] = torch.repeat_interleave(torch.arange(len(images)), counts)
    return out
