"""FineCaption with its language head: loss, generation, and what a decode step is spared.

Legend: see `trunk`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.cache_utils import Cache
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils.generic import can_return_tuple

from .configuration import FineCaptionConfig
from .encoders import ConvNextTower, MaskAwareCLIP, SamTower
from .fusion import Adapter
from .trunk import (
    FineCaptionCausalLMOutputWithPast,
    FineCaptionModel,
    FineCaptionPreTrainedModel,
)

# Everything that is used up at prefill and must not travel to the decode steps.
VISION_INPUTS = (
    "pixel_values",
    "pixel_values_clip",
    "region_masks",
    "image_index",
    "hr_features",
    "region_features",
)


class FineCaptionForConditionalGeneration(FineCaptionPreTrainedModel, GenerationMixin):
    """FineCaption with its language head: image, mask and prompt in, caption out."""

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}

    def __init__(self, config: FineCaptionConfig) -> None:
        super().__init__(config)
        self.model = FineCaptionModel(config)
        text = config.text_config
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        self.post_init()

    # The parts by name, so that nobody needs to know how the trio nests.
    @property
    def clip(self) -> MaskAwareCLIP:
        return self.model.clip

    @property
    def convnext(self) -> ConvNextTower | None:
        return self.model.convnext

    @property
    def sam(self) -> SamTower | None:
        return self.model.sam

    @property
    def adapter(self) -> Adapter:
        return self.model.adapter

    @property
    def language_model(self) -> nn.Module:
        return self.model.language_model

    def get_input_embeddings(self) -> nn.Module:
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        self.lm_head = new_embeddings

    def encode_image(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """See `FineCaptionModel.encode_image`: (B, 3, S, S) -> (B, C_hr, g, g)."""
        return self.model.encode_image(pixel_values)

    def encode_sam(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """See `FineCaptionModel.encode_sam`: (B, 3, S, S) -> (B, C, n, n)."""
        return self.model.encode_sam(pixel_values)

    def sam_embeddings(self, hr_features: torch.Tensor) -> torch.Tensor:
        """See `FineCaptionModel.sam_embeddings`: (B, C_hr, g, g) -> (B, C, n, n)."""
        return self.model.sam_embeddings(hr_features)

    def encode_regions(
        self,
        pixel_values_clip: torch.Tensor,
        region_masks: torch.Tensor | None,
        hr_features: torch.Tensor | None = None,
        image_index: torch.Tensor | None = None,
        hr_part: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """See `FineCaptionModel.encode_regions`: R masks -> (R, T, D)."""
        return self.model.encode_regions(
            pixel_values_clip, region_masks, hr_features, image_index, hr_part
        )

    def get_image_features(self, *args: Any, **kwargs: Any) -> BaseModelOutputWithPooling:
        """See `FineCaptionModel.get_image_features`."""
        return self.model.get_image_features(*args, **kwargs)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        pixel_values_clip: torch.Tensor | None = None,
        region_masks: torch.Tensor | None = None,
        image_index: torch.Tensor | None = None,
        hr_features: torch.Tensor | None = None,
        region_features: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Any,
    ) -> FineCaptionCausalLMOutputWithPast:
        """
        Args:
            input_ids: (N, L) int64, with T placeholders (`config.image_token_id`) for each region;
                regions fill them in order.
            attention_mask: (N, L), 1 attends, 0 is padding; or (N, 1, L, L) bool (True attends) or
                additive floating, handed to the language model unchanged (several questions that
                share a prefix in one sequence).
            position_ids: (N, L) int64, handed on unchanged.
            pixel_values: (B, 3, S, S) raw RGB, uint8 or floating in [0, 1], high resolution.
            pixel_values_clip: (B, 3, s, s), the same images at low resolution.
            region_masks: (R, s, s) soft masks, uint8 or floating in [0, 1]; None: whole images.
            image_index: (R,) int64, the image of each region; see `encode_regions`.
            hr_features: (B, C_hr, g, g) from `encode_image`, instead of `pixel_values`.
            region_features: (R, T, D) from `encode_regions`, instead of everything visual. Any
                leading shape that flattens to the regions' tokens in order is fine.
            labels: (N, L) int64, -100 where there is no loss. Not shifted.
            logits_to_keep: 0 all, n the last n, or a 1-D index of positions. With `labels` the loss
                is that of the kept positions only.
            kwargs: to the language model and the loss (`num_items_in_batch`).

        Returns:
            loss (if labels), logits (N, kept, V), past_key_values, image_hidden_states (R, T, D).

        Raises:
            ValueError: the number of placeholders differs from the number of image tokens; the
                message gives both.
        """
        loss_kwargs = {
            key: kwargs.pop(key) for key in ("num_items_in_batch", "shift_labels") if key in kwargs
        }
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            pixel_values=pixel_values,
            pixel_values_clip=pixel_values_clip,
            region_masks=region_masks,
            image_index=image_index,
            hr_features=hr_features,
            region_features=region_features,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        hidden = outputs.last_hidden_state
        keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(hidden[:, keep])
        loss = None
        if labels is not None:
            # Shifted before the slice, so that kept positions keep their own targets.
            if "shift_labels" not in loss_kwargs:
                shifted = nn.functional.pad(labels, (0, 1), value=-100)[:, 1:]
                loss_kwargs["shift_labels"] = shifted[:, keep].contiguous()
            loss = self.loss_function(
                logits=logits,
                labels=labels,
                vocab_size=self.config.text_config.vocab_size,
                **loss_kwargs,
            )
        return FineCaptionCausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            image_hidden_states=outputs.image_hidden_states,
        )

    @torch.no_grad()
    def generate(self, inputs: torch.Tensor | None = None, *args: Any, **kwargs: Any) -> Any:
        """`GenerationMixin.generate`, with every image and region encoded exactly once.

        Takes `forward`'s visual inputs. They are turned into region tokens before decoding starts,
        so beams, sampled sequences and decoding without a cache do not repeat any of it.
        """
        sees = any(kwargs.get(name) is not None for name in VISION_INPUTS)
        if sees:
            visual = {name: kwargs.pop(name, None) for name in VISION_INPUTS}
            features = visual.pop("region_features")
            if features is None:
                features = self.model.get_region_features(**visual)
            ids = inputs if inputs is not None else kwargs.get("input_ids")
            if ids is None:
                raise ValueError("give input_ids along with the image.")
            # One row a sequence, so that repeating rows for beams keeps features and text together.
            rows = ids.shape[0]
            total = features.shape[:-1].numel()
            if rows == 0 or total % rows:
                raise ValueError(
                    f"{total} image tokens cannot be shared evenly by {rows} sequences: give every "
                    "sequence the same number of regions."
                )
            kwargs["region_features"] = features.reshape(rows, total // rows, features.shape[-1])
        return super().generate(inputs, *args, **kwargs)

    def prepare_inputs_for_generation(
        self, input_ids: torch.Tensor, is_first_iteration: bool | None = False, **kwargs: Any
    ) -> dict[str, Any]:
        """As in `GenerationMixin`; visual inputs go to the prefill only, if there is a cache."""
        inputs = super().prepare_inputs_for_generation(
            input_ids, is_first_iteration=is_first_iteration, **kwargs
        )
        if not is_first_iteration and inputs.get("use_cache", True):
            for name in VISION_INPUTS:
                inputs.pop(name, None)
        return inputs


__all__ = [
    "VISION_INPUTS",
    "FineCaptionForConditionalGeneration",
    "FineCaptionModel",
    "FineCaptionPreTrainedModel",
]
