"""Sizes of the click decoder."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from transformers import SamConfig

from finecaption.errors import InputError


@dataclass(frozen=True)
class ClickDecoderConfig:
    """Sizes of the click decoder. The defaults are mini's; `sam()` gives a SAM checkpoint's.

    Attributes:
        image_size: S.
        patch_size: of the SAM tower.
        hidden_size: channels of the neck.
        mlp_dim, num_hidden_layers, num_attention_heads, num_multimask_outputs,
            iou_head_hidden_dim: as in transformers' `SamMaskDecoderConfig`.
        point_slots: prompts are padded to so many points, as in training; 0 pads nothing.
        position_scale: standard deviation of the random frequencies of the positions; SAM's is 1.
        refine: whether to double SAM's mask resolution with a look at the raw pixels.
        refine_channels: of the image's own features.
        refine_width: of the features that a prompt makes of them.
    """

    image_size: int = 256
    patch_size: int = 16
    hidden_size: int = 96
    mlp_dim: int = 192
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_multimask_outputs: int = 0
    iou_head_hidden_dim: int = 96
    point_slots: int = 5
    position_scale: float = 2.0
    refine: bool = True
    refine_channels: int = 32
    refine_width: int = 16

    @classmethod
    def sam(cls) -> ClickDecoderConfig:
        """As in Meta's SAM checkpoints (ViT-B, L and H share it), without the refinement."""
        return cls(
            image_size=1024,
            hidden_size=256,
            mlp_dim=2048,
            num_attention_heads=8,
            num_multimask_outputs=3,
            iou_head_hidden_dim=256,
            point_slots=0,
            position_scale=1.0,
            refine=False,
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ClickDecoderConfig:
        """Inverse of `dataclasses.asdict`.

        Raises:
            InputError: a field of another version.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise InputError(f"segmenter.json: unknown field {unknown[0]!r}; update finecaption")
        return cls(**values)

    @property
    def grid(self) -> int:
        """n: cells a side of the neck's output."""
        return self.image_size // self.patch_size

    @property
    def mask_size(self) -> int:
        """m: cells a side of the mask logits."""
        return self.grid * (8 if self.refine else 4)

    def to_sam(self) -> SamConfig:
        """transformers' config of the same parts."""
        config = SamConfig(
            vision_config={
                "image_size": self.image_size,
                "patch_size": self.patch_size,
                "num_pos_feats": self.hidden_size // 2,
                "output_channels": self.hidden_size,
            },
            prompt_encoder_config={
                "hidden_size": self.hidden_size,
                "image_size": self.image_size,
                "patch_size": self.patch_size,
            },
            mask_decoder_config={
                "hidden_size": self.hidden_size,
                "mlp_dim": self.mlp_dim,
                "num_hidden_layers": self.num_hidden_layers,
                "num_attention_heads": self.num_attention_heads,
                "num_multimask_outputs": self.num_multimask_outputs,
                "iou_head_hidden_dim": self.iou_head_hidden_dim,
            },
        )
        config.mask_decoder_config._attn_implementation = "sdpa"
        return config
