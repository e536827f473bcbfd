from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import CLIPVisionConfig, Qwen2Config

from finecaption.io.checkpoint import SHIPPED
from finecaption.model import FineCaptionConfig, mini, paper_8b, tiny


def test_the_default_is_the_papers() -> None:
    config = FineCaptionConfig()
    assert (config.clip_grid, config.image_grid, config.image_seq_length) == (24, 32, 1024)
    assert (config.sam_grid, config.sam_unshuffle) == (64, 2)
    assert (config.clip_channels, config.convnext_channels, config.sam_channels) == (
        1024,
        3072,
        1024,
    )
    assert config.hr_channels == 4096
    assert config.adapter_hidden_size == 4096


@pytest.mark.parametrize(
    ("part", "published"),
    [
        # config.json of openai/clip-vit-large-patch14-336
        ("clip_config", {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
                         "num_attention_heads": 16, "image_size": 336, "patch_size": 14,
                         "projection_dim": 768, "hidden_act": "quick_gelu",
                         "layer_norm_eps": 1e-5}),
        # open_clip's convnext_xxlarge
        ("convnext_config", {"depths": [3, 4, 30, 3], "hidden_sizes": [384, 768, 1536, 3072],
                             "patch_size": 4}),
        # config.json of facebook/sam-vit-large
        ("sam_config", {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
                        "global_attn_indexes": [5, 11, 17, 23], "num_pos_feats": 128,
                        "mlp_dim": 4096, "image_size": 1024, "patch_size": 16,
                        "output_channels": 256, "window_size": 14}),
        # config.json of meta-llama/Llama-3.1-8B-Instruct
        ("text_config", {"vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336,
                         "num_hidden_layers": 32, "num_attention_heads": 32,
                         "num_key_value_heads": 8, "max_position_embeddings": 131072,
                         "rms_norm_eps": 1e-5, "bos_token_id": 128000, "eos_token_id": 128009,
                         "rope_parameters": {"rope_type": "llama3", "rope_theta": 500000.0,
                                             "factor": 8.0, "low_freq_factor": 1.0,
                                             "high_freq_factor": 4.0,
                                             "original_max_position_embeddings": 8192}}),
    ],
)  # fmt: skip
def test_the_default_parts_are_the_published_checkpoints(
    part: str, published: dict[str, Any]
) -> None:
    config = getattr(FineCaptionConfig(), part)
    assert {name: getattr(config, name) for name in published} == published


def test_the_defaults_normalize_as_each_tower_was_trained() -> None:
    config = FineCaptionConfig()
    clip = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    for tower, (mean, std) in (("clip", clip), ("convnext", clip), ("sam", imagenet)):
        assert tuple(getattr(config, f"{tower}_image_mean")) == mean
        assert tuple(getattr(config, f"{tower}_image_std")) == std
    assert (config.mask_mean, config.mask_std) == (0.5, 0.26)  # Alpha-CLIP
    assert (config.convnext_norm_eps, config.clip_select_layer) == (1e-5, -2)
    assert config.image_token_id == 128002  # <|reserved_special_token_0|>


def test_the_shipped_model_has_the_size_of_mini() -> None:
    shipped = FineCaptionConfig.from_pretrained(SHIPPED / "finecaption-mini")
    preset = mini(shipped.text_config.vocab_size, shipped.image_token_id)
    for part in ("clip_config", "convnext_config", "sam_config", "text_config"):
        own, made = getattr(shipped, part).to_dict(), getattr(preset, part).to_dict()
        assert {**own, "dtype": None} == {**made, "dtype": None}, part
    for name in ("image_size", "image_stride", "adapter_hidden_size", "clip_select_layer"):
        assert getattr(shipped, name) == getattr(preset, name), name


@pytest.mark.parametrize("config", [tiny(), mini(1500), paper_8b()], ids=["tiny", "mini", "8b"])
def test_round_trip(config: FineCaptionConfig, tmp_path: Path) -> None:
    config.save_pretrained(tmp_path)
    again = FineCaptionConfig.from_pretrained(tmp_path)
    own, loaded = config.to_dict(), again.to_dict()
    for key, value in own.items():
        if isinstance(value, dict):
            same = {k: loaded[key][k] for k in value if k != "_name_or_path"}
            assert same == {k: v for k, v in value.items() if k != "_name_or_path"}, key
        elif key != "_name_or_path":
            assert list(loaded[key]) == list(value) if isinstance(value, tuple) else True
            if not isinstance(value, (tuple, list)):
                assert loaded[key] == value, key


def test_one_changed_value_of_a_sub_config_keeps_the_others(tmp_path: Path) -> None:
    # A file that holds only differences must not be completed from the wrong defaults.
    config = FineCaptionConfig()
    config.clip_config.image_size = 224
    config.save_pretrained(tmp_path)
    again = FineCaptionConfig.from_pretrained(tmp_path)
    assert (again.clip_config.image_size, again.clip_config.hidden_size) == (224, 1024)
    assert again.clip_grid == 16


def test_mini_has_the_papers_ratios_but_finer_patches() -> None:
    config = mini(1500)
    assert (config.clip_size, config.image_size) == (84, 256)
    assert (config.clip_grid, config.sam_grid, config.image_grid) == (12, 16, 8)
    assert config.image_seq_length == 64
    assert config.tie_word_embeddings is True


def test_any_language_model() -> None:
    config = tiny()
    text = {"model_type": "qwen2", "vocab_size": 50, "hidden_size": 16, "num_attention_heads": 2}
    other = FineCaptionConfig(**{**config.to_dict(), "text_config": text})
    assert isinstance(other.text_config, Qwen2Config)


def test_parts_that_are_configurations_are_taken_as_they_are() -> None:
    clip = CLIPVisionConfig(**{**tiny().clip_config.to_dict(), "hidden_act": "gelu"})
    text = Qwen2Config(vocab_size=50, hidden_size=16, num_attention_heads=2)
    config = FineCaptionConfig(
        **{**tiny().to_dict(), "clip_config": clip, "text_config": text, "image_token_id": 49}
    )
    assert config.clip_config is clip and config.text_config is text


@pytest.mark.parametrize(
    "change",
    [
        {"image_token_id": 0},
        {"image_token_id": 63},
        {"clip_select_layer": 1},
        {"clip_select_layer": 3},
        {"clip_select_layer": -3},
        {"clip_select_layer": -1},
        {"clip_config": {**tiny().clip_config.to_dict(), "patch_size": 1}},
        {"clip_config": {**tiny().clip_config.to_dict(), "image_size": 14}},
    ],
    ids=str,
)
def test_the_smallest_and_largest_values_are_taken(change: dict[str, Any]) -> None:
    config = FineCaptionConfig(**{**tiny().to_dict(), **change})
    for name, value in change.items():
        if not isinstance(value, dict):
            assert getattr(config, name) == value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": 0}, "image_size=0 must be a positive multiple"),
        ({"image_size": -32}, "image_size=-32 must be a positive multiple"),
        ({"image_token_id": -1}, "image_token_id=-1 is outside the vocabulary"),
        ({"clip_select_layer": 4}, "reads no layer"),
        ({"clip_image_std": (0.2, 0.2, 0.2, 0.2)}, "clip_image_std"),
        ({"sam_image_mean": (0.5, 0.5)}, "sam_image_mean"),
        ({"image_size": 65}, "image_size=65 must be a positive multiple of image_stride=32"),
        ({"image_size": 128}, "sam_config.image_size=64 differs from image_size=128"),
        ({"image_stride": 16}, "convnext_config has stride 32"),
        ({"image_token_id": 64}, r"image_token_id=64 is outside the vocabulary.*\(0 to 63\)"),
        ({"clip_select_layer": -4}, "reads no layer of a CLIP with 3 layers"),
        ({"clip_select_layer": 0}, "reads no layer"),
        ({"clip_image_std": (0.2, 0.0, 0.2)}, "clip_image_std"),
        ({"mask_std": 0.0}, "mask_std"),
    ],
)
def test_sizes_that_do_not_fit(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FineCaptionConfig(**{**tiny().to_dict(), **change})


def test_a_switched_off_tower_is_not_checked() -> None:
    config = FineCaptionConfig(**{**tiny().to_dict(), "image_size": 128, "use_sam": False})
    assert (config.image_seq_length, config.sam_channels) == (16, 0)
