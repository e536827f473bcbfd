"""The sizes of FineCaption: `tiny` (tests), `mini` (shipped), `8b` (the paper's)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .configuration import FineCaptionConfig


def tiny(vocab_size: int = 64, image_token_id: int = 3, **text: Any) -> FineCaptionConfig:
    """Random weights, for tests: LR 42 px, HR 64 px, 4 image tokens, under 0.2 s a forward pass."""
    return FineCaptionConfig(
        image_size=64,
        image_token_id=image_token_id,
        clip_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": 42,
            "patch_size": 14,
            "projection_dim": 16,
            "hidden_act": "quick_gelu",
        },
        convnext_config={
            "depths": [1, 1, 1, 1],
            "hidden_sizes": [8, 12, 16, 24],
            "image_size": 64,
            # 1e-6, made for hundred-layer networks, would hide the blocks from the tests.
            "layer_scale_init_value": 0.5,
        },
        sam_config={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "global_attn_indexes": [1],
            "num_pos_feats": 8,
            "mlp_dim": 64,
            "image_size": 64,
            "patch_size": 16,
            "output_channels": 16,
            "window_size": 2,
            "initializer_range": 0.02,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": vocab_size,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "max_position_embeddings": 512,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "tie_word_embeddings": False,
            **text,
        },
    )


def mini(vocab_size: int, image_token_id: int = 3, **text: Any) -> FineCaptionConfig:
    """The shipped size, a quarter of the paper's linear resolution: 84 / 256 px, 64 image tokens.

    CLIP 84 / 7 -> 12 x 12 -> 8 x 8; ConvNeXt 256 / 32 -> 8 x 8; SAM 256 / 16 -> 16 x 16 -> 8 x 8.

    Args:
        vocab_size: of the tokenizer that is saved with the model.
        image_token_id: its image token.
        text: overrides of the Llama config (token ids, for example).
    """
    return FineCaptionConfig(
        image_size=256,
        image_token_id=image_token_id,
        adapter_hidden_size=384,
        clip_config={
            "hidden_size": 192,
            "intermediate_size": 768,
            "num_hidden_layers": 4,
            "num_attention_heads": 6,
            "image_size": 84,
            # The paper's 14 would be 43 px of the large image: too coarse for a mask.
            "patch_size": 7,
            "projection_dim": 192,
            "hidden_act": "quick_gelu",
        },
        convnext_config={
            "depths": [2, 2, 4, 2],
            "hidden_sizes": [32, 64, 128, 320],
            "image_size": 256,
            # Trained from scratch and shallow: 1e-6 would keep the blocks shut for too long.
            "layer_scale_init_value": 0.1,
        },
        sam_config={
            "hidden_size": 192,
            "num_hidden_layers": 4,
            "num_attention_heads": 6,
            "global_attn_indexes": [1, 3],
            "num_pos_feats": 48,
            "mlp_dim": 576,
            "image_size": 256,
            "patch_size": 16,
            "output_channels": 96,
            "window_size": 8,
            # SamVisionConfig's 1e-10 presumes a checkpoint.
            "initializer_range": 0.02,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": vocab_size,
            "hidden_size": 192,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 1024,
            "rms_norm_eps": 1e-5,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "tie_word_embeddings": True,
            **text,
        },
    )


def paper_8b() -> FineCaptionConfig:
    """The paper's: CLIP-L/336, ConvNeXt-XXL and SAM-L at 1,024 px, Llama-3.1-8B, 1,024 tokens.

    The image token is Llama-3.1's `<|reserved_special_token_0|>` (128002).
    """
    return FineCaptionConfig()


PRESETS: dict[str, Callable[..., FineCaptionConfig]] = {"tiny": tiny, "mini": mini, "8b": paper_8b}

__all__ = ["PRESETS", "mini", "paper_8b", "tiny"]
