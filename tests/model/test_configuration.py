from __future__ import annotations

from pathlib import Path

import pytest
from transformers import Qwen2Config

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


@pytest.mark.parametrize(
    ("change", "message"),
    [
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
