"""On a SAM of random weights, small enough for a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import SamConfig, SamModel

from finecaption.errors import InputError
from finecaption.segmentation.automatic import generate_masks
from finecaption.segmentation.click import ClickableImage
from finecaption.segmentation.sam import TransformersSegmenter


@pytest.fixture(scope="module")
def sam() -> SamModel:
    torch.manual_seed(0)
    config = SamConfig(
        vision_config={
            "image_size": 64, "patch_size": 16, "hidden_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "mlp_dim": 32, "output_channels": 32, "num_pos_feats": 16,
            "global_attn_indexes": [0], "window_size": 2,
        },
        prompt_encoder_config={"hidden_size": 32, "image_size": 64, "patch_size": 16},
        mask_decoder_config={
            "hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16,
        },
    )  # fmt: skip
    return SamModel(config)


@pytest.fixture(scope="module")
def segmenter(sam: SamModel) -> TransformersSegmenter:
    return TransformersSegmenter(sam)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def encoded(segmenter: TransformersSegmenter, picture: Image.Image) -> ClickableImage:
    return segmenter.encode(picture)


def test_the_picture_lies_in_the_upper_left_corner(encoded: ClickableImage) -> None:
    assert encoded.placement.box == (0, 0, 64, 38)
    assert encoded.pixel_values[0, :, 38:].abs().max() == 0
    assert encoded.pixel_values[0, :, :38].abs().max() > 0.5


def test_answers_are_those_of_transformers(
    sam: SamModel, segmenter: TransformersSegmenter, encoded: ClickableImage
) -> None:
    with torch.no_grad():
        theirs = sam(
            image_embeddings=encoded.embeddings,
            input_points=torch.tensor([[[[40 * 64 / 80 - 0.5, 20 * 38 / 48 - 0.5]]]]),
            input_labels=torch.tensor([[[1]]]),
        )
    ours = segmenter.propose(encoded, points=[(40, 20)])
    assert ours.logits.shape == (1, 3, 16, 16)
    np.testing.assert_allclose(ours.logits[0], theirs.pred_masks[0, 0].numpy(), atol=1e-4)


@pytest.mark.parametrize(
    "prompt",
    [
        {"points": [(40, 20)]},
        {"points": [(40, 20), (5, 5, False)]},
        {"box": (10, 10, 60, 40)},
        {"points": [(40, 20)], "box": (10, 10, 60, 40)},
    ],
)
def test_every_prompt_gives_a_mask(
    segmenter: TransformersSegmenter, encoded: ClickableImage, prompt: dict
) -> None:
    made = segmenter.predict(encoded, **prompt)
    assert made.mask.shape == (48, 80) and made.mask.any()
    assert 0 <= made.score <= 1
    assert made.logits is not None and made.logits.shape == (16, 16)


def test_the_mask_before_counts(segmenter: TransformersSegmenter, encoded: ClickableImage) -> None:
    first = segmenter.predict(encoded, [(40, 20)])
    points = [(40, 20), (70, 40, False)]
    plain = segmenter.predict(encoded, points)
    refined = segmenter.predict(encoded, points, previous=first.logits)
    assert not torch.allclose(plain.logits, refined.logits)


def test_everything_works_on_it(segmenter: TransformersSegmenter, picture: Image.Image) -> None:
    things = generate_masks(segmenter, picture, grid=4, min_rank=0.0, min_stability=0.0)
    assert things and all(thing.mask.shape == (48, 80) for thing in things)


def test_saved_and_loaded(sam: SamModel, encoded: ClickableImage, tmp_path: Path) -> None:
    sam.save_pretrained(tmp_path / "sam")
    again = TransformersSegmenter.from_pretrained(tmp_path / "sam", "cpu")
    both = [one.propose(encoded, points=[(9, 9)]) for one in (TransformersSegmenter(sam), again)]
    np.testing.assert_allclose(both[0].logits, both[1].logits, atol=1e-5)


def test_a_folder_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no config.json"):
        TransformersSegmenter.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="no SAM checkpoint"):
        TransformersSegmenter.from_pretrained(tmp_path)


def test_a_point_outside(segmenter: TransformersSegmenter, encoded: ClickableImage) -> None:
    with pytest.raises(InputError, match="point"):
        segmenter.predict(encoded, [(100, 20)])
    with pytest.raises(InputError, match="at least one"):
        segmenter.propose(encoded)
