"""Each image goes through the encoders once, in parts that fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from finecaption.inference import vision
from finecaption.inference.vision import Vision, _image_of_region, encode_images

from .conftest import Setting


@pytest.mark.parametrize(
    ("index", "regions", "images", "expected"),
    [
        (None, 2, 2, [0, 1]),
        (None, 3, 1, [0, 0, 0]),
        (None, 1, 1, [0]),
        ([1, 0, 1], 3, 2, [1, 0, 1]),
    ],
)
def test_which_image_a_region_is_of(
    index: list[int] | None, regions: int, images: int, expected: list[int]
) -> None:
    given = None if index is None else torch.tensor(index)
    assert _image_of_region(given, regions, images) == expected


def test_images_and_regions_go_through_in_parts(
    llama: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = {
        **llama.inputs,
        "pixel_values": llama.inputs["pixel_values"].repeat(3, 1, 1, 1)[:5],
        "pixel_values_clip": llama.inputs["pixel_values_clip"].repeat(3, 1, 1, 1)[:5],
        "region_masks": llama.inputs["region_masks"].repeat(2, 1, 1),
        "image_index": torch.tensor([0, 1, 1, 2, 3, 4]),
    }
    order = list(range(6))
    expected = Vision(llama.model, inputs, True).tokens(order)
    high = encode_images(llama.model, inputs["pixel_values"])
    sizes: dict[str, list[int]] = {"encode_image": [], "encode_regions": []}

    def counted(name: str, at: int) -> Any:
        own = getattr(llama.model, name)

        def call(*args: Any, **more: Any) -> Any:
            sizes[name].append(len(args[at]))
            return own(*args, **more)

        return call

    monkeypatch.setattr(vision, "_MAX_IMAGES", 2)
    monkeypatch.setattr(vision, "_MAX_REGIONS", 4)
    monkeypatch.setattr(llama.model, "encode_image", counted("encode_image", 0))
    monkeypatch.setattr(llama.model, "encode_regions", counted("encode_regions", 1))
    for found, whole in zip(Vision(llama.model, inputs, True).tokens(order), expected, strict=True):
        torch.testing.assert_close(found, whole)
    assert sizes == {"encode_image": [2, 2, 1], "encode_regions": [4, 2, 4, 1]}
    sizes["encode_image"].clear()
    torch.testing.assert_close(encode_images(llama.model, inputs["pixel_values"]), high)
    assert sizes["encode_image"] == [2, 2, 1]


def test_an_image_that_comes_again_is_remembered_until_it_is_forgotten(
    llama: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    own = llama.model.encode_image

    def counted(part: torch.Tensor) -> torch.Tensor:
        encoded.append(len(part))
        return own(part)

    monkeypatch.setattr(llama.model, "encode_image", counted)
    made = Vision(llama.model, llama.inputs, False)  # regions of the images 0, 1 and 0
    first, whole = made.tokens([0, 2])
    assert whole is None and encoded == [1]
    again, _ = made.tokens([2, 1])
    assert encoded == [1, 1], "image 0 is there"
    torch.testing.assert_close(again[0], first[1])
    made.tokens([1])
    made.tokens([0])
    assert encoded == [1, 1, 1], "only the last batch's images are kept"
    made.forget()
    made.tokens([0])
    assert encoded == [1, 1, 1, 1]


def test_the_whole_image_is_all_of_the_square_unless_its_mask_is_given(llama: Setting) -> None:
    masks = llama.inputs["region_masks"]
    full = torch.full_like(masks[:2], 255)
    _, usual = Vision(llama.model, llama.inputs, True).tokens([0, 1, 2])
    _, given = Vision(llama.model, {**llama.inputs, "whole_masks": full}, True).tokens([0, 1, 2])
    assert usual is not None and given is not None
    assert torch.equal(usual, given)
    torch.testing.assert_close(usual[0], usual[2])
    other = {**llama.inputs, "whole_masks": masks[:2]}
    _, changed = Vision(llama.model, other, True).tokens([0, 1, 2])
    assert changed is not None and not torch.allclose(changed, usual)


def test_without_pixels_or_features_nothing_can_be_encoded(llama: Setting) -> None:
    inputs = {name: value for name, value in llama.inputs.items() if name != "pixel_values"}
    with pytest.raises(ValueError, match="inputs have no pixel_values"):
        Vision(llama.model, inputs, False).tokens([0])
    ready = encode_images(llama.model, llama.inputs["pixel_values"])
    found, _ = Vision(llama.model, {**inputs, "hr_features": ready}, False).tokens([0, 1])
    expected, _ = Vision(llama.model, llama.inputs, False).tokens([0, 1])
    torch.testing.assert_close(found, expected)
