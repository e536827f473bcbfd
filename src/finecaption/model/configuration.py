"""One configuration for every size of FineCaption; everything that can be derived is derived.

Legend: LR the square that CLIP sees (336 px in the paper), HR the square that ConvNeXt and SAM see
(1,024 px), grid the side of the map of image tokens (HR / 32), T = grid ** 2 image tokens.
"""

from __future__ import annotations

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import (
    AutoConfig,
    CLIPVisionConfig,
    ConvNextConfig,
    LlamaConfig,
    PreTrainedConfig,
    SamVisionConfig,
)

# Pretraining statistics of pixel values in [0, 1], RGB.
# OpenAI CLIP (openai/clip-vit-large-patch14-336); open_clip's ConvNeXt trunks use the same.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
# ImageNet, which facebook/sam-vit-* keep.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# Alpha-CLIP: (mask - 0.5) / 0.26, so foreground +1.923 and background -1.923.
MASK_MEAN = 0.5
MASK_STD = 0.26


def _clip_default() -> dict[str, Any]:
    """openai/clip-vit-large-patch14-336."""
    return {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 336,
        "patch_size": 14,
        "projection_dim": 768,
        "hidden_act": "quick_gelu",
    }


def _convnext_default() -> dict[str, Any]:
    """ConvNeXt-XXL, the image trunk of CLIP convnext_xxlarge (LAION-2B)."""
    return {
        "depths": [3, 4, 30, 3],
        "hidden_sizes": [384, 768, 1536, 3072],
        "image_size": 1024,
    }


def _sam_default() -> dict[str, Any]:
    """facebook/sam-vit-large."""
    return {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "global_attn_indexes": [5, 11, 17, 23],
        "num_pos_feats": 128,
        "mlp_dim": 4096,
        "image_size": 1024,
        "patch_size": 16,
        "output_channels": 256,
        "window_size": 14,
    }


def _text_default() -> dict[str, Any]:
    """meta-llama/Llama-3.1-8B-Instruct."""
    return {
        "model_type": "llama",
        "vocab_size": 128256,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
        "bos_token_id": 128000,
        "eos_token_id": 128009,
    }


@strict
class FineCaptionConfig(PreTrainedConfig):
    """Configuration of `FineCaptionForConditionalGeneration`. The defaults are the paper's 8B.

    Args:
        clip_config: the mask-aware CLIP tower (`CLIPVisionConfig` or its dict).
        convnext_config: the ConvNeXt tower (`ConvNextConfig` or its dict). Its own `image_size` is
            not used: the network is fully convolutional and is given `image_size`.
        sam_config: the SAM ViT tower (`SamVisionConfig` or its dict); its `image_size` must be
            `image_size`, because its position embeddings depend on it.
        text_config: any causal language model that `AutoModel` knows, Llama if no `model_type`.
        image_size: side in pixels of the high-resolution square (HR).
        image_stride: HR pixels per image token, 32 in the paper. ConvNeXt's own stride must equal
            it, and SAM's patch size must divide it; the pixel-unshuffle factor follows.
        image_token_id: id of the placeholder token, one for each image token.
        clip_select_layer: which hidden state of CLIP is read, as an index into `hidden_states`
            (0 is the embedding, -1 the last layer). -2 as Alpha-CLIP and LLaVA do.
        mask_path: whether the alpha convolution exists. False is the mask-blind ablation.
        use_convnext, use_sam: whether the tower exists. False are the paper's ablations.
        convnext_norm_eps: epsilon of every layer norm inside ConvNeXt. CLIP's ConvNeXts were
            trained with 1e-5, ImageNet's with 1e-6, which transformers hard-codes.
        adapter_hidden_size: width between the adapter's two linear layers; the language model's
            width if None.
        adapter_act: activation between them (a key of `transformers.activations.ACT2FN`).
        clip_image_mean, clip_image_std, convnext_image_mean, convnext_image_std, sam_image_mean,
            sam_image_std: RGB statistics of pixel values in [0, 1], each tower's own pretraining's.
        mask_mean, mask_std: statistics that turn a soft mask in [0, 1] into CLIP's alpha input.

    Derived, read only: `clip_size`, `clip_grid`, `image_grid`, `image_seq_length`, `sam_grid`,
    `sam_unshuffle`, `clip_channels`, `convnext_channels`, `sam_channels`, `hr_channels`.

    Raises:
        ValueError: sizes that do not fit together; the message names the fields and the values.
    """

    model_type = "finecaption"
    sub_configs: ClassVar[dict[str, Any]] = {
        "clip_config": CLIPVisionConfig,
        "convnext_config": ConvNextConfig,
        "sam_config": SamVisionConfig,
        "text_config": AutoConfig,
    }
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]

    # Each a config, its dict, or None for the paper's; always a config after __init__.
    clip_config: Any = None
    convnext_config: Any = None
    sam_config: Any = None
    text_config: Any = None
    image_size: int = 1024
    image_stride: int = 32
    image_token_id: int = 128002
    clip_select_layer: int = -2
    mask_path: bool = True
    use_convnext: bool = True
    use_sam: bool = True
    convnext_norm_eps: float = 1e-5
    adapter_hidden_size: int | None = None
    adapter_act: str = "gelu"
    clip_image_mean: list[float] | tuple[float, ...] = CLIP_MEAN
    clip_image_std: list[float] | tuple[float, ...] = CLIP_STD
    convnext_image_mean: list[float] | tuple[float, ...] = CLIP_MEAN
    convnext_image_std: list[float] | tuple[float, ...] = CLIP_STD
    sam_image_mean: list[float] | tuple[float, ...] = IMAGENET_MEAN
    sam_image_std: list[float] | tuple[float, ...] = IMAGENET_STD
    mask_mean: float = MASK_MEAN
    mask_std: float = MASK_STD
    tie_word_embeddings: bool = False
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        self.clip_config = _sub(CLIPVisionConfig, self.clip_config, _clip_default)
        self.convnext_config = _sub(ConvNextConfig, self.convnext_config, _convnext_default)
        self.sam_config = _sub(SamVisionConfig, self.sam_config, _sam_default)
        self.text_config = _text(self.text_config)
        if self.adapter_hidden_size is None:
            self.adapter_hidden_size = self.text_config.hidden_size
        # The text config is the truth: it is the one that a language model's checkpoint carries.
        self.tie_word_embeddings = bool(getattr(self.text_config, "tie_word_embeddings", False))
        self._check()
        super().__post_init__(**kwargs)

    @property
    def clip_size(self) -> int:
        """Side in pixels of the low-resolution square (LR)."""
        return self.clip_config.image_size

    @property
    def clip_grid(self) -> int:
        """Side of CLIP's own patch grid, before it is resized to `image_grid`."""
        return self.clip_config.image_size // self.clip_config.patch_size

    @property
    def image_grid(self) -> int:
        """Side of the square map of image tokens."""
        return self.image_size // self.image_stride

    @property
    def image_seq_length(self) -> int:
        """Image tokens per region, `image_grid ** 2`."""
        return self.image_grid**2

    @property
    def sam_grid(self) -> int:
        """Side of SAM's neck output, before the pixel-unshuffle."""
        return self.image_size // self.sam_config.patch_size

    @property
    def sam_unshuffle(self) -> int:
        """Pixel-unshuffle factor, 2 in the paper."""
        return self.image_stride // self.sam_config.patch_size

    @property
    def clip_channels(self) -> int:
        return self.clip_config.hidden_size

    @property
    def convnext_channels(self) -> int:
        """Channels that ConvNeXt contributes, 0 if it is switched off."""
        return self.convnext_config.hidden_sizes[-1] if self.use_convnext else 0

    @property
    def sam_channels(self) -> int:
        """Channels that SAM contributes after the pixel-unshuffle, 0 if it is switched off."""
        return self.sam_config.output_channels * self.sam_unshuffle**2 if self.use_sam else 0

    @property
    def hr_channels(self) -> int:
        """Channels of the mask-independent high-resolution features."""
        return self.convnext_channels + self.sam_channels

    def _check(self) -> None:
        clip, sam = self.clip_config, self.sam_config
        _positive_multiple("image_size", self.image_size, "image_stride", self.image_stride)
        _positive_multiple(
            "clip_config.image_size", clip.image_size, "clip_config.patch_size", clip.patch_size
        )
        layers = clip.num_hidden_layers
        read = self.clip_select_layer + (layers + 1 if self.clip_select_layer < 0 else 0)
        if not 1 <= read <= layers:
            raise ValueError(
                f"clip_select_layer={self.clip_select_layer} reads no layer of a CLIP with "
                f"{layers} layers: give 1 to {layers}, or -{layers} to -1."
            )
        if self.use_convnext:
            convnext = self.convnext_config
            stride = convnext.patch_size * 2 ** (len(convnext.hidden_sizes) - 1)
            if stride != self.image_stride:
                raise ValueError(
                    f"convnext_config has stride {stride} (patch_size {convnext.patch_size}, "
                    f"{len(convnext.hidden_sizes)} stages), but image_stride is "
                    f"{self.image_stride}: make them equal."
                )
        if self.use_sam:
            if sam.image_size != self.image_size:
                raise ValueError(
                    f"sam_config.image_size={sam.image_size} differs from image_size="
                    f"{self.image_size}: SAM's position embeddings are made for one size, set both "
                    "to it."
                )
            _positive_multiple(
                "image_stride", self.image_stride, "sam_config.patch_size", sam.patch_size
            )
        vocab = self.text_config.vocab_size
        if not 0 <= self.image_token_id < vocab:
            raise ValueError(
                f"image_token_id={self.image_token_id} is outside the vocabulary of text_config "
                f"(0 to {vocab - 1}): give the id of the tokenizer's image token."
            )
        for name in ("clip", "convnext", "sam"):
            for kind in ("mean", "std"):
                field = f"{name}_image_{kind}"
                values = getattr(self, field)
                if len(values) != 3 or (kind == "std" and min(values) <= 0):
                    raise ValueError(f"{field}={values} must be 3 numbers (RGB), std above 0.")
        if self.mask_std <= 0:
            raise ValueError(f"mask_std={self.mask_std} must be above 0.")


def _sub(
    cls: type[PreTrainedConfig], value: dict | PreTrainedConfig | None, default: Any
) -> PreTrainedConfig:
    if isinstance(value, PreTrainedConfig):
        return value
    values = dict(default() if value is None else value)
    # Written by save_pretrained; here the class is known.
    values.pop("model_type", None)
    return cls(**values)


def _text(value: dict | PreTrainedConfig | None) -> PreTrainedConfig:
    if isinstance(value, PreTrainedConfig):
        return value
    values = dict(_text_default() if value is None else value)
    model_type = values.pop("model_type", "llama")
    if model_type == "llama":
        return LlamaConfig(**values)
    return AutoConfig.for_model(model_type, **values)


def _positive_multiple(name: str, value: int, of_name: str, of: int) -> None:
    if of <= 0 or value <= 0 or value % of:
        raise ValueError(f"{name}={value} must be a positive multiple of {of_name}={of}.")


__all__ = ["FineCaptionConfig"]
