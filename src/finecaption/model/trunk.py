"""The trunk: mask-aware CLIP + ConvNeXt + SAM -> adapter -> language model (arXiv 2411.15411).

Legend: B images, R regions, N sequences, L tokens a sequence, S / s the side in pixels of the
high / low resolution square, g the grid of image tokens, T = g * g, D the language model's width.

All pixel tensors are raw: uint8, or floating in [0, 1]. The model normalizes them, each tower with
its own statistics from the config, so one high-resolution tensor serves ConvNeXt and SAM, and
uint8 images travel to the device unconverted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, PreTrainedModel
from transformers import initialization as init
from transformers.cache_utils import Cache
from transformers.modeling_outputs import (
    BaseModelOutputWithPast,
    BaseModelOutputWithPooling,
    CausalLMOutputWithPast,
)
from transformers.utils.generic import can_return_tuple

from .configuration import FineCaptionConfig
from .encoders import AlphaConv, ConvNextTower, MaskAwareCLIP, SamTower
from .fusion import Adapter, normalise, resize_grid


@dataclass
class FineCaptionModelOutputWithPast(BaseModelOutputWithPast):
    """`BaseModelOutputWithPast` and `image_hidden_states` (R, T, D), the region tokens if any."""

    image_hidden_states: torch.Tensor | None = None


@dataclass
class FineCaptionCausalLMOutputWithPast(CausalLMOutputWithPast):
    """`CausalLMOutputWithPast` and `image_hidden_states` (R, T, D), the region tokens if any."""

    image_hidden_states: torch.Tensor | None = None


class FineCaptionPreTrainedModel(PreTrainedModel):
    """Weight initialisation and what transformers wants to know about the architecture."""

    config: FineCaptionConfig
    # Named too, because transformers reads the annotation above, which here is only a string.
    config_class = FineCaptionConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _no_split_modules = ["CLIPEncoderLayer", "ConvNextLayer", "SamVisionLayer", "LlamaDecoderLayer"]
    _skip_keys_device_placement = ["past_key_values"]
    _supports_sdpa = True
    _supports_attention_backend = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, AlphaConv):
            # Zero, so that an untouched CLIP is reproduced exactly (Alpha-CLIP).
            init.zeros_(module.weight)


class FineCaptionModel(FineCaptionPreTrainedModel):
    """The towers, the adapter and the language model's trunk, without the language head."""

    def __init__(self, config: FineCaptionConfig) -> None:
        super().__init__(config)
        self.clip = MaskAwareCLIP(config.clip_config, config.clip_select_layer, config.mask_path)
        self.convnext = (
            ConvNextTower(config.convnext_config, config.convnext_norm_eps)
            if config.use_convnext
            else None
        )
        self.sam = SamTower(config.sam_config, config.sam_unshuffle) if config.use_sam else None
        self.adapter = Adapter(
            config.clip_channels,
            config.hr_channels,
            config.adapter_hidden_size or config.text_config.hidden_size,
            config.text_config.hidden_size,
            config.adapter_act,
        )
        self.language_model = AutoModel.from_config(config.text_config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def encode_image(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """High-resolution features, once per image: they do not depend on any mask.

        Args:
            pixel_values: (B, 3, S, S), raw RGB, uint8 or floating in [0, 1].

        Returns:
            (B, C_hr, g, g), channels [ConvNeXt, SAM]; C_hr is 0 if both towers are switched off.
        """
        config = self.config
        self._check_pixels(pixel_values)
        parts = []
        if self.convnext is not None:
            parts.append(
                self.convnext(
                    normalise(pixel_values, config.convnext_image_mean, config.convnext_image_std)
                )
            )
        if self.sam is not None:
            parts.append(self.sam.fold(self.encode_sam(pixel_values)))
        if not parts:
            grid = config.image_grid
            weight = self.adapter.out.weight
            return weight.new_zeros(pixel_values.shape[0], 0, grid, grid)
        return torch.cat(parts, dim=1)

    def encode_sam(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """SAM's neck output alone, for who needs no captions.

        Args:
            pixel_values: (B, 3, S, S), raw RGB, uint8 or floating in [0, 1].

        Returns:
            (B, C, n, n) with n = S / SAM's patch size: what SAM's mask decoder takes. The image
            lies centered in the square, not in its top left corner as SAM itself places it.

        Raises:
            ValueError: the SAM tower is switched off, or pixels of another size.
        """
        if self.sam is None:
            raise ValueError("this model has no SAM tower (use_sam=False in its config).")
        self._check_pixels(pixel_values)
        config = self.config
        return self.sam.image_embeddings(
            normalise(pixel_values, config.sam_image_mean, config.sam_image_std)
        )

    def _check_pixels(self, pixel_values: torch.Tensor) -> None:
        side = self.config.image_size
        if pixel_values.ndim != 4 or pixel_values.shape[1:] != (3, side, side):
            raise ValueError(
                f"pixel_values is {tuple(pixel_values.shape)}, expected (B, 3, {side}, {side}): "
                "use the processor that was saved with the model."
            )

    def sam_embeddings(self, hr_features: torch.Tensor) -> torch.Tensor:
        """SAM's neck output out of `encode_image`'s result, without running SAM again.

        Args:
            hr_features: (B, C_hr, g, g).

        Returns:
            (B, C, n, n), exactly `encode_sam(...)`.

        Raises:
            ValueError: the SAM tower is switched off.
        """
        if self.sam is None:
            raise ValueError("this model has no SAM tower (use_sam=False in its config).")
        return self.sam.unfold(hr_features[:, self.config.convnext_channels :])

    def encode_regions(
        self,
        pixel_values_clip: torch.Tensor,
        region_masks: torch.Tensor | None,
        hr_features: torch.Tensor | None = None,
        image_index: torch.Tensor | None = None,
        hr_part: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Image tokens of each region. The only place where masks enter.

        Args:
            pixel_values_clip: (B, 3, s, s), raw RGB, uint8 or floating in [0, 1].
            region_masks: (R, s, s), soft masks, uint8 in 0..255 or floating in [0, 1]; None is one
                whole-image region an image.
            hr_features: (B, C_hr, g, g) from `encode_image`.
            image_index: (R,) int64, the image of each region. None: region i belongs to image
                i, or every region to the only image.
            hr_part: (B, T, H), what `adapter.high` made of `hr_features`, in their place: spares
                the adapter's high-resolution half where an image comes back. Both are None only
                without high-resolution towers.

        Returns:
            (R, T, D).

        Raises:
            ValueError: shapes or counts that do not fit.
        """
        config = self.config
        pictures = pixel_values_clip.shape[0]
        high = hr_features if hr_part is None else hr_part
        if high is None and self.adapter.hr_in is not None:
            raise ValueError("give hr_features from encode_image, or hr_part from adapter.high.")
        if high is not None and high.shape[0] != pictures:
            raise ValueError(
                f"{pictures} images in pixel_values_clip but {high.shape[0]} in the "
                "high-resolution features: give both for the same images."
            )
        size = config.clip_size
        if region_masks is None:
            regions = pictures if image_index is None else image_index.shape[0]
            region_masks = torch.ones(regions, size, size, device=pixel_values_clip.device)
        if region_masks.ndim != 3 or region_masks.shape[1:] != (size, size):
            raise ValueError(
                f"region_masks is {tuple(region_masks.shape)}, expected (R, {size}, {size})."
            )
        image_index = _image_index(
            image_index, region_masks.shape[0], pictures, region_masks.device
        )
        alpha = normalise(region_masks[:, None], (config.mask_mean,), (config.mask_std,))
        pixels = normalise(pixel_values_clip, config.clip_image_mean, config.clip_image_std)
        clip = resize_grid(self.clip.features(pixels, alpha, image_index), config.image_grid)
        return self.adapter(clip, hr_features, image_index, hr_part)

    def get_region_features(
        self,
        pixel_values: torch.Tensor | None = None,
        pixel_values_clip: torch.Tensor | None = None,
        region_masks: torch.Tensor | None = None,
        image_index: torch.Tensor | None = None,
        hr_features: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """`encode_image` (unless `hr_features` is given), then `encode_regions`: (R, T, D)."""
        if pixel_values_clip is None:
            raise ValueError("pixel_values_clip is missing: the mask-aware CLIP needs it.")
        if hr_features is None:
            if pixel_values is None:
                raise ValueError("give pixel_values, or hr_features from encode_image.")
            hr_features = self.encode_image(pixel_values)
        return self.encode_regions(pixel_values_clip, region_masks, hr_features, image_index)

    def get_image_features(
        self,
        pixel_values: torch.Tensor | None = None,
        pixel_values_clip: torch.Tensor | None = None,
        region_masks: torch.Tensor | None = None,
        image_index: torch.Tensor | None = None,
        hr_features: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPooling:
        """transformers' name for it: `pooler_output` is `get_region_features(...)` (R, T, D)."""
        features = self.get_region_features(
            pixel_values, pixel_values_clip, region_masks, image_index, hr_features
        )
        return BaseModelOutputWithPooling(last_hidden_state=features, pooler_output=features)

    def _scatter(
        self, input_ids: torch.Tensor, inputs_embeds: torch.Tensor, features: torch.Tensor
    ) -> torch.Tensor:
        """Put region tokens, in order, where the placeholders are."""
        placeholder = input_ids == self.config.image_token_id  # (N, L)
        flat = features.reshape(-1, features.shape[-1])
        tokens = int(placeholder.sum())
        if tokens != flat.shape[0]:
            raise ValueError(
                f"{tokens} image placeholders in input_ids but {flat.shape[0]} image tokens from "
                f"the regions ({self.config.image_seq_length} a region): expand each image "
                "placeholder with the processor that was saved with the model, one for each region."
            )
        return inputs_embeds.masked_scatter(
            placeholder.unsqueeze(-1), flat.to(inputs_embeds.device, inputs_embeds.dtype)
        )

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
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> FineCaptionModelOutputWithPast:
        """As `FineCaptionForConditionalGeneration.forward`, without head and loss."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give exactly one of input_ids and inputs_embeds.")
        wants_vision = (
            pixel_values is not None or pixel_values_clip is not None or hr_features is not None
        )
        if region_features is None and wants_vision:
            region_features = self.get_region_features(
                pixel_values, pixel_values_clip, region_masks, image_index, hr_features
            )
        if input_ids is not None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
            if region_features is None and (
                past_key_values is None or past_key_values.get_seq_length() == 0
            ):
                self._check_no_placeholder(input_ids)
            elif region_features is not None:
                inputs_embeds = self._scatter(input_ids, inputs_embeds, region_features)
        elif region_features is not None:
            raise ValueError(
                "inputs_embeds and regions were given together: placeholders cannot be found in "
                "embeddings. Give input_ids."
            )
        outputs = self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        return FineCaptionModelOutputWithPast(
            last_hidden_state=outputs.last_hidden_state,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            image_hidden_states=region_features,
        )

    def _check_no_placeholder(self, input_ids: torch.Tensor) -> None:
        tokens = int((input_ids == self.config.image_token_id).sum())
        if tokens:
            raise ValueError(
                f"{tokens} image placeholders in input_ids but 0 image tokens: no pixels and no "
                "features were given."
            )


def _image_index(
    image_index: torch.Tensor | None, regions: int, pictures: int, device: torch.device
) -> torch.Tensor | None:
    """None if regions and images pair one to one, else the checked index."""
    if image_index is None:
        if regions == pictures:
            return None
        if pictures == 1:
            return torch.zeros(regions, dtype=torch.long, device=device)
        raise ValueError(
            f"{regions} regions of {pictures} images: give image_index, the image of each region."
        )
    if image_index.shape != (regions,):
        raise ValueError(
            f"image_index is {tuple(image_index.shape)}, expected ({regions},), one a region."
        )
    return image_index


__all__ = ["FineCaptionModel", "FineCaptionPreTrainedModel"]
