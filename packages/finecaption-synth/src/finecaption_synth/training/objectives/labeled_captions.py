"""The whole model with class labels beside its captions: stage 3 of the small model.

The images pass the high-resolution towers for the captions anyway; asking their features for the
classes of every patch, and the adapter's tokens for those of the region, costs next to nothing, and
teaches what captions alone teach slowly (docs/log.md). The paper has captions alone here; weights
of 0 are that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.training.objectives import Batch
from finecaption.training.objectives.captions import Captions, Image, collate_images, images_of
from finecaption_synth.training.labels import IGNORE
from finecaption_synth.training.objectives.dense import (
    DenseHead,
    dense_loss,
    in_sight,
    patch_cells,
    stack_rows,
)
from finecaption_synth.training.objectives.region_labels import (
    REGION_CLASSES,
    RegionHead,
    region_loss,
)


class LabelHeads(nn.Module):
    """The heads that ask for classes; they travel from stage to stage beside the model."""

    def __init__(self, convnext: DenseHead, sam: DenseHead, region: RegionHead) -> None:
        """
        Args:
            convnext, sam: on ConvNeXt's last map and on SAM's neck, from stage 0.
            region: on the image tokens of a region.
        """
        super().__init__()
        self.convnext, self.sam, self.region = convnext, sam, region


class JointTraining(nn.Module):
    """The whole model and its label heads, as Trainer takes it: batch in, loss out."""

    def __init__(
        self,
        captioner: FineCaptionForConditionalGeneration,
        heads: LabelHeads,
        dense: float,
        regions: float,
    ) -> None:
        """
        Args:
            captioner: with both towers.
            dense: weight of each tower's patch labels beside the caption loss.
            regions: weight of the region labels.
        """
        super().__init__()
        self.captioner, self.heads = captioner, heads
        self.dense, self.regions = dense, regions

    def forward(
        self,
        pixel_values: torch.Tensor,
        pixel_values_clip: torch.Tensor,
        region_masks: torch.Tensor,
        image_index: torch.Tensor,
        ids: torch.Tensor,
        classes: torch.Tensor,
        region_classes: torch.Tensor,
        asked: torch.Tensor,
        input_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        logits_to_keep: int = 0,
    ) -> dict[str, torch.Tensor]:
        """As the captioner's, and:

        Args:
            ids: uint8 (B, 128, 128) region ids.
            classes: int8 (B, rows, heads), the classes of each id.
            region_classes: int8 (R, heads) of scenes.labels.region_row.
            asked: bool (R,), the regions that the sequences of input_ids are about, in order; of
                the others only the classes are asked. Without input_ids there are no captions.

        Returns:
            loss (), caption_loss () if there are captions, region_accuracy (heads,) if it is asked.
        """
        model = self.captioner
        features = model.encode_image(pixel_values)  # (B, C_hr, g, g): ConvNeXt, then SAM
        tokens = model.encode_regions(pixel_values_clip, region_masks, features, image_index)
        loss = features.new_zeros(())
        out = {}
        if self.regions:
            named, out["region_accuracy"] = region_loss(self.heads.region(tokens), region_classes)
            loss = loss + self.regions * named
        if input_ids is not None:
            caption = model(
                input_ids=input_ids,
                position_ids=position_ids,
                attention_mask=attention_mask,
                region_features=tokens[asked],
                labels=labels,
                use_cache=False,
                logits_to_keep=logits_to_keep,
            ).loss
            loss = loss + caption
            out["caption_loss"] = caption.detach()
        if self.dense:
            cells, rows = patch_cells(ids), classes.shape[1]
            seen = in_sight(cells, rows)
            channels = model.config.convnext_channels
            maps = (
                (self.heads.convnext, features[:, :channels]),
                (self.heads.sam, model.sam_embeddings(features)),
            )
            for head, features_of_tower in maps:
                named, _ = dense_loss(head(features_of_tower, cells, rows), classes, seen)
                loss = loss + self.dense * named
        return {"loss": loss, **out}


_CAPTIONER = "captioner."  # JointTraining's prefix of the model's parameters
_PATCH_HEADS = ("heads.convnext.", "heads.sam.")
_REGION_HEAD = ("heads.region.",)


class LabeledCaptions(Captions):
    """Captions, with the classes of patches and regions beside them."""

    metrics: Mapping[str, Sequence[str]] = {
        "caption_loss": (),
        "region_accuracy": tuple(REGION_CLASSES),
    }

    def __init__(self, pad_token_id: int, heads: LabelHeads, dense: float, regions: float) -> None:
        """
        Args:
            heads, dense, regions: see LabelHeads and JointTraining.
        """
        super().__init__(pad_token_id)
        self.heads, self.dense, self.regions = heads, dense, regions

    def wrap(self, model: nn.Module) -> JointTraining:
        """The model with its heads."""
        assert isinstance(model, FineCaptionForConditionalGeneration)
        return JointTraining(model, self.heads, self.dense, self.regions)

    def part_of(self, name: str) -> str | None:
        """The captioner's part; None for the heads."""
        inner = name.removeprefix(_CAPTIONER)
        return super().part_of(inner) if inner != name else None

    def idle(self, module: nn.Module) -> frozenset[str]:
        """What captions do not depend on, and the heads that are not asked."""
        assert isinstance(module, JointTraining)
        silent = (*_PATCH_HEADS * (not self.dense), *_REGION_HEAD * (not self.regions))
        unasked = {n for n, _ in module.named_parameters() if n.startswith(silent)}
        return frozenset({_CAPTIONER + n for n in super().idle(module.captioner)} | unasked)

    def collate(self, items: Sequence[Image | Sequence[Image]]) -> Batch:
        """Images with their classes -> the arguments of JointTraining.forward."""
        images = list(images_of(items))
        out = collate_images(images, self.pad_token_id)
        out["ids"] = torch.stack([i["ids"] for i in images])
        out["classes"] = stack_rows([i["classes"] for i in images], IGNORE)
        out["region_classes"] = torch.cat([i["region_classes"] for i in images])
        # The regions with questions come first in each image.
        out["asked"] = torch.cat([torch.arange(len(i["masks"])) < len(i["rows"]) for i in images])
        return out
