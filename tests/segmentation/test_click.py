from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import SamModel

from finecaption.errors import InputError
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.presets import tiny
from finecaption.segmentation.click import (
    PAD,
    ClickableImage,
    ClickDecoder,
    ClickDecoderConfig,
    Segmenter,
    load_decoder,
)

SMALL = ClickDecoderConfig(
    image_size=64, hidden_size=16, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=16
)


@pytest.fixture(scope="module")
def model() -> FineCaptionForConditionalGeneration:
    torch.manual_seed(0)
    return FineCaptionForConditionalGeneration(tiny()).eval()


@pytest.fixture(scope="module")
def segmenter(model: FineCaptionForConditionalGeneration) -> Segmenter:
    torch.manual_seed(1)
    return Segmenter(ClickDecoder.for_model(model.config), model)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def encoded(segmenter: Segmenter, picture: Image.Image) -> ClickableImage:
    return segmenter.encode(picture)


def inputs(config: ClickDecoderConfig, prompts: int = 3, points: int = 2) -> tuple:
    """Embeddings, points, labels and pixels of two pictures."""
    torch.manual_seed(2)
    side = config.image_size
    return (
        torch.randn(2, config.hidden_size, config.grid, config.grid),
        torch.rand(2, prompts, points, 2) * side,
        torch.randint(0, 2, (2, prompts, points)),
        torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8),
    )


@pytest.mark.parametrize(("refine", "factor"), [(True, 8), (False, 4)])
def test_decoder_shapes(refine: bool, factor: int) -> None:
    decoder = ClickDecoder(replace(SMALL, refine=refine))
    embeddings, points, labels, pixels = inputs(SMALL)
    logits, quality = decoder(embeddings, points, labels, None, pixels)
    side = SMALL.grid * factor
    assert decoder.config.mask_size == side
    assert logits.shape == (2, 3, 1, side, side)
    assert quality.shape == (2, 3)


@pytest.mark.parametrize("boxed", [False, True])
def test_without_refinement_it_is_sam(boxed: bool) -> None:
    config = replace(SMALL, refine=False, point_slots=0, num_multimask_outputs=3)
    torch.manual_seed(3)
    sam_config = config.to_sam()
    sam_config.vision_config.hidden_size = 16
    sam_config.vision_config.num_hidden_layers = 1
    sam_config.vision_config.num_attention_heads = 2
    sam_config.vision_config.global_attn_indexes = [0]
    sam = SamModel(sam_config).eval()
    decoder = ClickDecoder(config).eval()
    decoder.load_sam(sam)
    sam.prompt_encoder.shared_embedding = sam.shared_image_embedding
    decoder.prompt_encoder.shared_embedding.load_state_dict(sam.shared_image_embedding.state_dict())
    embeddings, points, labels, _ = inputs(config)
    boxes = torch.tensor([4.0, 8.0, 40.0, 50.0]).expand(2, 3, 4) if boxed else None
    with torch.no_grad():
        ours, quality = decoder(embeddings, points, labels, boxes)
        theirs = sam(
            image_embeddings=embeddings,
            input_points=points - 0.5,
            input_labels=labels,
            input_boxes=None if boxes is None else boxes - 0.5,
            multimask_output=False,
        )
    torch.testing.assert_close(ours, theirs.pred_masks, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(quality, theirs.iou_scores[..., 0], rtol=1e-4, atol=1e-4)


def test_prompts_do_not_see_each_other() -> None:
    decoder = ClickDecoder(SMALL).eval()
    embeddings, points, labels, pixels = inputs(SMALL)
    boxes = torch.full((2, 3, 4), float("nan"))
    boxes[:, 1] = torch.tensor([8.0, 8.0, 30.0, 30.0])
    with torch.no_grad():
        together, _ = decoder(embeddings, points, labels, boxes, pixels)
        for i in range(3):
            alone, _ = decoder(
                embeddings[1:], points[1:, i : i + 1], labels[1:, i : i + 1],
                boxes[1:, i : i + 1], pixels[1:],
            )  # fmt: skip
            torch.testing.assert_close(alone[0, 0], together[1, i], rtol=1e-4, atol=1e-4)


def test_absent_points_and_boxes_change_nothing() -> None:
    decoder = ClickDecoder(SMALL).eval()
    embeddings, points, labels, pixels = inputs(SMALL, points=1)
    more = torch.cat((points, torch.full((2, 3, 2, 2), 17.0)), dim=2)
    kinds = torch.cat((labels, torch.full((2, 3, 2), PAD)), dim=2)
    nowhere = torch.full((2, 3, 4), float("nan"))
    with torch.no_grad():
        short, _ = decoder(embeddings, points, labels, None, pixels)
        padded, _ = decoder(embeddings, more, kinds, nowhere, pixels)
    torch.testing.assert_close(short, padded)


def test_every_prompt_matters() -> None:
    decoder = ClickDecoder(SMALL).eval()
    embeddings, points, labels, pixels = inputs(SMALL, prompts=1, points=1)
    box = torch.tensor([[[4.0, 4.0, 30.0, 30.0]]]).expand(2, 1, 4)
    with torch.no_grad():
        base, _ = decoder(embeddings, points, labels, None, pixels)
        for other in (
            (embeddings, points.flip(3) * 0.5, labels, None, pixels),
            (embeddings, points, 1 - labels, None, pixels),
            (embeddings, points, labels, box, pixels),
            (embeddings, points, labels, None, 255 - pixels),
            (embeddings.flip(1), points, labels, None, pixels),
        ):
            assert not torch.allclose(base, decoder(*other)[0])


def test_refinement_needs_pixels() -> None:
    embeddings, points, labels, _ = inputs(SMALL)
    with pytest.raises(InputError, match="raw pixels"):
        ClickDecoder(SMALL)(embeddings, points, labels)


def test_maps_lie_where_the_prompts_are() -> None:
    refinement = ClickDecoder(SMALL).refinement
    assert refinement is not None
    points = torch.tensor([[[[50.0, 10.0], [6.0, 30.0]]]])
    labels = torch.tensor([[[1, 0]]])
    box = torch.tensor([[[8.0, 16.0, 24.0, 20.0]]])
    maps = refinement.maps(points, labels, box)[0]
    for wanted, others in ((0, 1), (2, 3)):
        assert divmod(int(maps[wanted].argmax()), 16) == (2, 12)
        assert divmod(int(maps[others].argmax()), 16) == (7, 1)
    assert (maps[4] > 0).nonzero().tolist() == [[4, x] for x in range(2, 6)]
    assert not refinement.maps(points, labels, None)[0, 4].any()


def test_for_model_fits_sams_own_width() -> None:
    config = tiny()
    assert ClickDecoder.for_model(config).config.hidden_size == 16
    config.sam_config.output_channels = 256
    assert ClickDecoder.for_model(config).config == replace(ClickDecoderConfig.sam(), image_size=64)


def test_round_trip(
    segmenter: Segmenter,
    model: FineCaptionForConditionalGeneration,
    encoded: ClickableImage,
    tmp_path,
) -> None:
    segmenter.save_pretrained(tmp_path)
    again = Segmenter.from_pretrained(tmp_path, model)
    assert again.decoder.config == segmenter.decoder.config
    saved = segmenter.decoder.state_dict()
    for name, value in again.decoder.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, saved[name], rtol=1e-3, atol=1e-4)
    assert again.predict(encoded, [(3, 3)]).score == pytest.approx(
        segmenter.predict(encoded, [(3, 3)]).score, abs=1e-2
    )


@pytest.mark.parametrize("broken", ["none", "weights", "field", "json"])
def test_unusable_files(broken: str, segmenter: Segmenter, tmp_path: Path) -> None:
    if broken != "none":
        segmenter.save_pretrained(tmp_path)
    if broken == "weights":
        (tmp_path / "segmenter.safetensors").write_bytes(b"nothing")
    if broken == "field":
        values = json.loads((tmp_path / "segmenter.json").read_text())
        (tmp_path / "segmenter.json").write_text(json.dumps({**values, "depth": 3}))
    if broken == "json":
        (tmp_path / "segmenter.json").write_text("{")
    with pytest.raises(InputError, match="segment"):
        load_decoder(tmp_path)


def test_model_and_decoder_must_fit(model: FineCaptionForConditionalGeneration) -> None:
    with pytest.raises(InputError, match="128 px"):
        Segmenter(ClickDecoder(replace(SMALL, image_size=128)), model)
    config = tiny()
    config.use_sam = False
    with pytest.raises(InputError, match="no SAM tower"):
        Segmenter(ClickDecoder(SMALL), FineCaptionForConditionalGeneration(config))


def test_cached_features_give_the_same(
    segmenter: Segmenter, encoded: ClickableImage, picture: Image.Image
) -> None:
    with torch.no_grad():
        features = segmenter.model.encode_image(encoded.pixel_values)
    again = segmenter.encode(picture, features)
    torch.testing.assert_close(again.embeddings, encoded.embeddings, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "prompt",
    [
        {"points": [(79, 47)]},
        {"points": [(0, 0), (5, 5)], "labels": [1, 0]},
        {"points": [(40, 20, False)], "box": (10, 10, 300, 40)},
        {"box": (10, 10, 30, 40)},
        {"points": [(i, i) for i in range(9)]},
    ],
)
def test_mask_has_the_pictures_size(
    prompt: dict, segmenter: Segmenter, encoded: ClickableImage
) -> None:
    found = segmenter.predict(encoded, **prompt)
    assert found.mask.shape == (48, 80)
    assert found.mask.dtype == np.bool_
    assert found.mask.any()
    assert 0 <= found.score <= 1


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ({}, "at least one click"),
        ({"points": [(3, 3)], "labels": [0]}, "at least one click"),
        ({"points": [(3, 3)], "labels": [1, 1]}, "2 for 1 points"),
        ({"points": [(3, 3)], "labels": [2]}, r"labels\[0\]"),
        ({"points": [(3, 3), (80, 3)]}, r"points\[1\].*outside"),
        ({"points": [(float("nan"), 3)]}, "NaN"),
        ({"box": (30, 10, 10, 40)}, "reversed"),
        ({"box": (10, 10, 10, 40)}, "no area"),
        ({"box": (90, 10, 99, 40)}, "outside"),
    ],
)
def test_unusable_prompts(
    prompt: dict, message: str, segmenter: Segmenter, encoded: ClickableImage
) -> None:
    with pytest.raises(InputError, match=message):
        segmenter.predict(encoded, **prompt)


class Stamp(ClickDecoder):
    """Foreground in the cells around the first point; nothing where it is negative."""

    def forward(self, embeddings, points, labels, boxes=None, pixel_values=None):  # type: ignore[override]  # a stand-in
        size = self.config.mask_size
        centres = (torch.arange(size) + 0.5) * self.config.image_size / size
        near = (centres - points[0, 0, 0].unsqueeze(-1)).abs() < 6
        inside = near[1][:, None] & near[0][None, :]
        logits = torch.where(inside & (labels[0, 0, 0] == 1), 8.0, -8.0)
        return logits[None, None, None], torch.ones(1, 1)


@pytest.mark.parametrize("size", [(80, 48), (48, 80), (64, 64), (200, 20)])
def test_clicks_land_where_they_were_made(
    size: tuple[int, int], model: FineCaptionForConditionalGeneration
) -> None:
    segmenter = Segmenter(Stamp(SMALL), model)
    encoded = segmenter.encode(Image.new("RGB", size))
    click = (size[0] * 0.7, size[1] * 0.4)
    mask = segmenter.predict(encoded, [click]).mask
    ys, xs = mask.nonzero()
    scale = max(size) / 64
    assert abs(xs.mean() + 0.5 - click[0]) < 2 * scale
    assert mask[int(click[1]), int(click[0])]
    if min(size) > 40:
        assert abs(ys.mean() + 0.5 - click[1]) < 2 * scale


def test_a_mask_is_never_empty(model: FineCaptionForConditionalGeneration) -> None:
    segmenter = Segmenter(Stamp(SMALL), model)
    encoded = segmenter.encode(Image.new("RGB", (64, 64)))
    assert segmenter.predict(encoded, [(5, 5, False)], box=(1, 1, 9, 9)).mask.any()
