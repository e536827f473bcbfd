"""Captions with the dense labels beside them: stage 3 of the small model.

The pictures pass the high-resolution towers for the captions anyway; asking their features for the
classes of every patch too costs next to nothing, and the towers go on learning what captions alone
teach slowly (docs/log.md). The paper has captions alone here; weight 0 is that.
"""

from __future__ import annotations

import torch
from torch import nn

from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.train.dense import DenseHead, dense_loss, patch_targets


class JointTraining(nn.Module):
    """The whole model and a dense head on each tower, as Trainer takes it: batch in, loss out."""

    def __init__(
        self, captioner: FineCaptionForConditionalGeneration, weight: float,
        convnext_head: DenseHead, sam_head: DenseHead,
    ) -> None:  # fmt: skip
        """
        Args:
            captioner: with both towers.
            weight: of each tower's dense loss beside the caption loss.
            convnext_head, sam_head: on ConvNeXt's last map and on SAM's neck, from stage 0.
        """
        super().__init__()
        self.captioner, self.weight = captioner, weight
        self.convnext_head, self.sam_head = convnext_head, sam_head

    def forward(
        self,
        pixel_values: torch.Tensor,
        pixel_values_clip: torch.Tensor,
        region_masks: torch.Tensor,
        image_index: torch.Tensor,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor,
        ids: torch.Tensor,
        classes: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """As the captioner's, and ids uint8 (B, 128, 128), classes int8 (B, rows, heads).

        Returns:
            loss (), caption_loss (), and accuracy (heads,) of ConvNeXt's dense head.
        """
        model = self.captioner
        features = model.encode_image(pixel_values)  # (B, C_hr, g, g): ConvNeXt, then SAM
        caption = model(
            input_ids=input_ids, position_ids=position_ids, attention_mask=attention_mask,
            pixel_values_clip=pixel_values_clip, region_masks=region_masks,
            image_index=image_index, hr_features=features, labels=labels, use_cache=False,
        ).loss  # fmt: skip
        targets = patch_targets(ids, classes)
        channels = model.config.convnext_channels
        dense, accuracy = dense_loss(self.convnext_head(features[:, :channels]), *targets)
        second, _ = dense_loss(self.sam_head(model.sam_embeddings(features)), *targets)
        loss = caption + self.weight * (dense + second)
        return {"loss": loss, "caption_loss": caption.detach(), "accuracy": accuracy}
