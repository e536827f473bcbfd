"""Stage 0 of the mask-aware CLIP: images and regions against their texts.

CLIP's own objective (whole image, mask all ones) plus Alpha-CLIP's (a region by its mask, the
region's sentence), which is what the checkpoints that the 8B starts from were trained on. The
region part can be left out, to see what the alpha convolution owes to it.

Legend: B images, R regions, E the projection's width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerBase

from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.encoders import MaskAwareCLIP
from finecaption.model.fusion import normalise
from finecaption.training.objectives import Batch, by_prefix


def multi_positive_loss(
    a: torch.Tensor, b: torch.Tensor, names: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Symmetric InfoNCE in which rows with the same text are positives of one another.

    Args:
        a, b: unit vectors (R, E).
        names: int64 (R,), equal for equal texts: on synthetic scenes "a red ball" comes often, and
            calling one of two right answers wrong would teach noise.
        scale: logit scale ().
    """
    logits = scale * a @ b.T
    same = (names.unsqueeze(0) == names.unsqueeze(1)).to(logits.dtype)
    target = same / same.sum(1, keepdim=True)
    return 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))


class ContrastivePretraining(nn.Module):
    """The mask-aware CLIP with a small text tower that is thrown away afterwards."""

    def __init__(
        self,
        clip: MaskAwareCLIP,
        statistics: tuple,
        mask_statistics: tuple,
        vocab_size: int,
        eos_token_id: int,
        embed: int = 192,
        regions: bool = True,
    ) -> None:
        """
        Args:
            statistics, mask_statistics: (mean, std) of pixels and masks, from the model's config.
            regions: include the region-text term; False leaves the alpha convolution untouched.
        """
        super().__init__()
        self.clip, self.regions = clip, regions
        self.statistics, self.mask_statistics = statistics, mask_statistics
        width = clip.vision.config.hidden_size
        self.text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=vocab_size,
                hidden_size=128,
                intermediate_size=256,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=128,
                eos_token_id=eos_token_id,
                bos_token_id=1,
                pad_token_id=0,
            )
        )
        self.image_projection = nn.Linear(width, embed, bias=False)
        self.text_projection = nn.Linear(128, embed, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(2.66))  # log(1 / 0.07), CLIP's start

    def forward(
        self,
        pixel_values_clip: torch.Tensor,
        region_masks: torch.Tensor,
        image_index: torch.Tensor,
        whole: torch.Tensor,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        names: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """
        Args:
            pixel_values_clip: uint8 (B, 3, s, s).
            region_masks: uint8 (R, s, s); all 255 for a whole image.
            image_index: (R,) the image of each region.
            whole: bool (R,), whether the row is a whole image with its caption.
            input_ids, attention_mask: (R, L) of the texts.
            names: (R,), equal for equal texts.

        Returns:
            loss (), accuracy (2,): share of rows whose text is found, whole images and regions.
        """
        if not self.regions:
            keep = whole
            region_masks, image_index = region_masks[keep], image_index[keep]
            input_ids, attention_mask = input_ids[keep], attention_mask[keep]
            names, whole = names[keep], whole[keep]
        pixels = normalise(pixel_values_clip, *self.statistics)
        alpha = None
        if self.regions:
            alpha = normalise(region_masks.unsqueeze(1), *self.mask_statistics)
        seen = self.clip(pixels, alpha, image_index).pooler_output
        read = self.text(input_ids=input_ids, attention_mask=attention_mask).pooler_output
        a = F.normalize(self.image_projection(seen), dim=-1)
        b = F.normalize(self.text_projection(read), dim=-1)
        scale = self.logit_scale.exp().clamp(max=100)
        loss = multi_positive_loss(a, b, names, scale)
        with torch.no_grad():
            found = names[(a @ b.T).argmax(1)] == names
            rates = [
                found[w].float().mean()  # 0 / 0 is nan: there is none
                for w in (whole, ~whole)
            ]
        return {"loss": loss, "accuracy": torch.stack(rates)}


class Contrastive:
    """CLIP on images and regions against their texts; items are scenes with texts."""

    metrics: Mapping[str, Sequence[str]] = {"accuracy": ("whole images", "regions")}

    def __init__(
        self,
        config: FineCaptionConfig,
        tokenizer: PreTrainedTokenizerBase,
        regions: bool = True,
        longest: int = 96,
    ) -> None:
        """
        Args:
            config: of the model that the tower is of.
            regions: whether regions are contrasted too.
            longest: tokens of a text, without its end token.
        """
        self.config, self.tokenizer = config, tokenizer
        self.regions, self.longest = regions, longest

    def wrap(self, model: nn.Module) -> nn.Module:
        """The tower with a new text tower."""
        assert isinstance(model, MaskAwareCLIP)
        config, tokenizer = self.config, self.tokenizer
        return ContrastivePretraining(
            model,
            (config.clip_image_mean, config.clip_image_std),
            ((config.mask_mean,), (config.mask_std,)),
            len(tokenizer),
            tokenizer.eos_token_id,
            regions=self.regions,
        )

    def part_of(self, name: str) -> str | None:
        """CLIP and its alpha convolution; None for the text tower."""
        return by_prefix(name, {"clip.vision.": "clip", "clip.alpha.": "alpha"})

    def idle(self, module: nn.Module) -> frozenset[str]:
        """Nothing is known to be."""
        return frozenset()

    def collate(self, items: Sequence[dict[str, Any]]) -> Batch:
        """Items -> the arguments of ContrastivePretraining.forward."""
        texts = [t for i in items for t in i["texts"]]
        counts = torch.tensor([len(i["texts"]) for i in items])
        whole = torch.zeros(len(texts), dtype=torch.bool)
        whole[counts.cumsum(0) - 1] = True
        ids = [
            [
                *self.tokenizer(t, add_special_tokens=False)["input_ids"][: self.longest],
                self.tokenizer.eos_token_id,
            ]
            for t in texts
        ]
        rows = [torch.tensor(i) for i in ids]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=0)
        number = {t: k for k, t in enumerate(dict.fromkeys(texts))}
        return {
            "pixel_values_clip": torch.stack([i["pixel_values_clip"] for i in items]),
            "region_masks": torch.stack([m for i in items for m in i["masks"]]),
            "image_index": torch.repeat_interleave(torch.arange(len(items)), counts),
            "whole": whole,
            "input_ids": padded,
            "attention_mask": (padded != 0).long(),
            "names": torch.tensor([number[t] for t in texts]),
        }
