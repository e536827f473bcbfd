"""Clicks and boxes to mask logits, on the neck output of a SAM tower.

The decoder is SAM's (Kirillov et al. 2023, arXiv:2304.02643; transformers' `SamPromptEncoder` and
`SamMaskDecoder`, so that a SAM checkpoint's weights fit). Its masks have a quarter of the
image's resolution, too coarse for a bicycle's frame at 256 px; for small models a refinement
doubles it.

Legend: B images, P prompts per image, K points per prompt, S the side of the high-resolution
square in pixels, n = S / 16 the neck's grid and C its channels, m the side of the mask logits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn
from transformers import SamModel
from transformers.models.sam.modeling_sam import SamMaskDecoder, SamPromptEncoder

from finecaption.errors import InputError
from finecaption.segmentation.configuration import ClickDecoderConfig
from finecaption.segmentation.refinement import Refinement

if TYPE_CHECKING:
    from finecaption.model.configuration import FineCaptionConfig

PAD = -1  # label of a point that is not there: SAM's "not a point" token


class ClickDecoder(nn.Module):
    """Points and boxes to mask logits; the SAM tower is not part of it."""

    def __init__(self, config: ClickDecoderConfig) -> None:
        super().__init__()
        self.config = config
        sam = config.to_sam()
        self.prompt_encoder = SamPromptEncoder(sam)
        self.mask_decoder = SamMaskDecoder(sam.mask_decoder_config)
        # transformers scales by the tower's width, which only a checkpoint would undo.
        positions = self.prompt_encoder.shared_embedding.positional_embedding
        nn.init.normal_(positions, std=config.position_scale)
        positions.requires_grad_(False)
        self.refinement = Refinement(config) if config.refine else None

    @classmethod
    def for_model(cls, config: FineCaptionConfig) -> ClickDecoder:
        """A new one, random weights, that fits the SAM tower of a model's config.

        A tower of SAM's own width (256 channels) gets the sizes of SAM's decoder, ready for
        `load_sam`; a smaller one mini's, in proportion.
        """
        sam = config.sam_config
        channels = sam.output_channels
        if channels == ClickDecoderConfig.sam().hidden_size:
            return cls(replace(ClickDecoderConfig.sam(), image_size=config.image_size))
        return cls(
            ClickDecoderConfig(
                image_size=config.image_size,
                patch_size=sam.patch_size,
                hidden_size=channels,
                mlp_dim=2 * channels,
                iou_head_hidden_dim=channels,
                num_attention_heads=max(1, channels // 24),
            )
        )

    def load_sam(self, sam: SamModel) -> None:
        """Takes over the prompt encoder and the mask decoder of a SAM checkpoint."""
        self.prompt_encoder.load_state_dict(sam.prompt_encoder.state_dict())
        self.mask_decoder.load_state_dict(sam.mask_decoder.state_dict())

    def _positions(self) -> torch.Tensor:
        """(1, C, n, n): codes of the centres of the neck's cells."""
        shared = self.prompt_encoder.shared_embedding
        n = self.config.grid
        device = shared.positional_embedding.device
        centres = (torch.arange(n, device=device) + 0.5) / n
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        return shared(torch.stack((x, y), dim=-1)).permute(2, 0, 1).unsqueeze(0)

    def _prompt(
        self, points: torch.Tensor, labels: torch.Tensor, boxes: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Sparse and dense embeddings, and the points and labels as padded."""
        missing = self.config.point_slots - points.shape[2]
        if missing > 0:
            points = F.pad(points, (0, 0, 0, missing))
            labels = F.pad(labels, (0, missing), value=PAD)
        # transformers adds half a pixel, for points that are pixel numbers; these are positions.
        shifted = points - 0.5
        if boxes is None and self.config.point_slots:
            boxes = points.new_full((*points.shape[:2], 4), float("nan"))
        if boxes is None:
            sparse, dense = self.prompt_encoder(shifted, labels, None, None)
            return sparse, dense, points, labels
        absent = boxes.isnan().any(-1, keepdim=True)
        corners = torch.where(absent, 0.0, boxes) - 0.5
        sparse, dense = self.prompt_encoder(shifted, labels, corners, None)
        is_corner = torch.arange(sparse.shape[2], device=sparse.device) >= points.shape[2]
        gone = (absent & is_corner).unsqueeze(-1)
        return (
            torch.where(gone, self.prompt_encoder.not_a_point_embed.weight, sparse),
            dense,
            points,
            labels,
        )

    def forward(
        self,
        embeddings: torch.Tensor,
        points: torch.Tensor,
        labels: torch.Tensor,
        boxes: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask logits and their predicted quality.

        Args:
            embeddings: (B, C, n, n), `SamTower.image_embeddings`.
            points: float (B, P, K, 2), (x, y) positions in the high-resolution square, pixels,
                0..S from its left and top edge.
            labels: int (B, P, K), 1 on the thing, 0 on what is not it, -1 no point.
            boxes: float (B, P, 4), x0 y0 x1 y1 in the same square, a row of NaN where a prompt has
                none; or None.
            pixel_values: (B, 3, S, S), the raw square, 0..255; needed by the refinement only.

        Returns:
            float (B, P, 1, m, m), foreground where over 0, and float (B, P), the intersection over
            union that the decoder expects of its mask.

        Raises:
            InputError: the refinement is on and no pixels were given.
        """
        batch, prompts = points.shape[:2]
        sparse, dense, points, labels = self._prompt(points, labels, boxes)
        cells = (embeddings + dense).repeat_interleave(prompts, 0)
        if self.refinement is not None:
            if pixel_values is None:
                raise InputError("pixel_values: this click decoder also needs the raw pixels")
            features = self.refinement.features(embeddings, pixel_values)
            touched = self.refinement.at(features, points / self.config.image_size)
            touched = touched * (labels >= 0).unsqueeze(-1)
            maps = self.refinement.maps(points, labels, boxes)
            places = F.avg_pool2d(maps, self.refinement.up)
            cells = cells + self.refinement.place(places)
            sparse = sparse + F.pad(touched, (0, 0, 0, sparse.shape[2] - touched.shape[2]))

        # SamMaskDecoder.forward, step by step: the refinement needs what it has in between.
        decoder = self.mask_decoder
        first = torch.cat((decoder.iou_token.weight, decoder.mask_tokens.weight))
        tokens = torch.cat((first.expand(batch, prompts, -1, -1), sparse), dim=2)
        tokens, cells = decoder.transformer(
            point_embeddings=tokens,
            image_embeddings=cells,
            image_positional_embeddings=self._positions().expand(batch * prompts, -1, -1, -1),
            attention_similarity=None,
        )
        cells = cells.transpose(2, 3).reshape(batch * prompts, *embeddings.shape[1:])
        upscaled = decoder.upscale_layer_norm(decoder.upscale_conv1(cells))
        upscaled = decoder.activation(decoder.upscale_conv2(decoder.activation(upscaled)))
        token = tokens[:, :, 1]
        weight = decoder.output_hypernetworks_mlps[0](token).reshape(batch * prompts, 1, -1)
        logits = (weight @ upscaled.flatten(2)).unflatten(2, upscaled.shape[2:])
        quality = decoder.iou_prediction_head(tokens[:, :, 0])[..., 0]
        if self.refinement is not None:
            token = token + (touched * (labels == 1).unsqueeze(-1)).sum(2)
            logits = self.refinement(features, token, upscaled, logits, maps)
        return logits.unflatten(0, (batch, prompts)), quality
