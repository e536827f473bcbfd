from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.types import Caption, Prediction, Region, RegionPrompt, RegionSample, instruction

MASK = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], bool)
REGION = Region(MASK)


def sample(**changes: Any) -> RegionSample:
    fields: dict[str, Any] = {
        "image": "a.png",
        "size": (4, 3),
        "task": "aarc",
        "text": "It is red.",
        "mask": masks.encode_rle(MASK),
        "attribute": "Color",
    }
    return RegionSample(**{**fields, **changes})


def test_region_measures_and_forms_agree() -> None:
    assert (REGION.size, REGION.area, REGION.box) == ((4, 3), 3, (1, 0, 3, 2))
    assert Region.from_rle(REGION.rle, (4, 3)) == REGION
    assert Region.from_mask(MASK.astype(np.uint8) * 255) == REGION
    assert Region.from_polygons(masks.encode_polygons(MASK), (4, 3)) == REGION
    assert Region.from_box((1, 0, 3, 2), (4, 3)) != REGION
    assert Region.whole((4, 3)).area == 12
    assert hash(Region(MASK.copy())) == hash(REGION)
    assert REGION != "something else"
    assert repr(REGION) == "Region(4x3, box=(1, 0, 3, 2), area=3)"


def test_a_region_cannot_change() -> None:
    own = MASK.copy()
    region = Region(own)
    own[:] = True
    assert region.area == 3
    with pytest.raises(ValueError, match="read-only"):
        region.mask[0, 0] = True
    with pytest.raises(dataclasses.FrozenInstanceError):
        region.mask = own  # type: ignore[misc] # wrong on purpose


def test_unusable_regions() -> None:
    with pytest.raises(InputError, match=r"Region\.mask: is empty"):
        Region(MASK & False)
    with pytest.raises(InputError, match=r"Region\.mask: must be an array"):
        Region(np.zeros((2, 2, 3)))
    with pytest.raises(InputError, match="4 x 3 pixels, but the image is 5 x 3"):
        Region.from_mask(MASK, (5, 3))


def test_prompts() -> None:
    prompt = RegionPrompt(points=((1, 2), (0, 0, False)))  # type: ignore[arg-type] # converted
    assert prompt.points == ((1, 2, True), (0, 0, False))
    assert prompt.within((4, 3)) == prompt
    assert RegionPrompt(box=(-1, 0, 9, 2)).within((4, 3)).box == (0, 0, 4, 2)
    with pytest.raises(InputError, match="give a box, or at least one point"):
        RegionPrompt()
    with pytest.raises(InputError, match="at least one point on the thing"):
        RegionPrompt(points=((1, 2, False),))  # type: ignore[arg-type] # converted
    with pytest.raises(InputError, match=r"RegionPrompt\.points\[1\]: holds NaN"):
        RegionPrompt(points=((1, 2), (float("nan"), 0)))  # type: ignore[arg-type] # converted
    with pytest.raises(InputError, match="point 2: .* outside the image of 4 x 3"):
        RegionPrompt(points=((1, 2), (4, 0))).within((4, 3))  # type: ignore[arg-type] # converted


def test_samples() -> None:
    aarc = sample()
    assert aarc.region() == REGION
    assert aarc.instruction() == "Describe this region: Color."
    assert sample(mask=MASK).region() == REGION
    assert sample(task="rdc", attribute=None).instruction().endswith("in detail.")
    whole = sample(task="cgic", attribute=None, mask=None)
    assert whole.region().area == 12
    assert whole.instruction() == "Describe this image: in detail."
    asked = sample(task="cgic", attribute=None, mask=None, prompt="What is this?")
    assert asked.instruction() == "What is this?"
    assert sample(attribute="Number of Wheels").attribute == "Number of Wheels"
    assert sample(image=np.zeros((3, 4, 3), np.uint8)).size == (4, 3)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"size": (0, 3)}, "size"),
        ({"image": ""}, "image"),
        ({"image": 7}, "image"),
        ({"image": np.zeros((4, 3, 3), np.uint8)}, "image"),
        ({"image": np.zeros((3, 4, 3), np.float32)}, "image"),
        ({"task": "vqa"}, "task"),
        ({"text": " "}, "text"),
        ({"attribute": None}, "attribute"),
        ({"attribute": ""}, "attribute"),
        ({"task": "rdc"}, "attribute"),
        ({"prompt": " "}, "prompt"),
        ({"mask": None}, "mask"),
        ({"mask": {"counts": "1"}}, "mask"),
        ({"mask": "rle"}, "mask"),
        ({"mask": {"size": 7, "counts": "1"}}, "mask"),
        ({"mask": masks.encode_rle(MASK.T)}, "mask"),
        ({"mask": np.ones((3, 4, 2))}, "mask"),
        ({"mask": MASK.T}, "mask"),
    ],
)
def test_unusable_samples_name_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=rf"^RegionSample\.{field}: "):
        sample(**changes)


def test_captions() -> None:
    given = {"Color": "It is red.", "Hair": "None."}
    caption = Caption(REGION, given)
    given["Shape"] = "later"
    assert list(caption.captions) == ["Color", "Hair"]
    record = json.loads(json.dumps(caption.to_dict()))
    assert record["captions"] == {"Color": "It is red.", "Hair": "None."}
    assert record["box"] == [1, 0, 3, 2]
    assert record["dense"] is None
    assert Region.from_rle(record["mask"]) == REGION
    assert caption == Caption(REGION, {"Color": "It is red.", "Hair": "None."})
    assert len({caption, Caption(REGION, dict(caption.captions))}) == 1
    with pytest.raises(InputError, match=r"Caption\.region"):
        Caption(MASK)  # type: ignore[arg-type] # wrong on purpose
    with pytest.raises(InputError, match=r"Caption\.captions\['Color'\]"):
        Caption(REGION, {"Color": None})  # type: ignore[dict-item] # wrong on purpose
    with pytest.raises(InputError, match=r"Caption\.dense"):
        Caption(REGION, dense=3)  # type: ignore[arg-type] # wrong on purpose


def test_confidence_of_captions() -> None:
    given = {"Color": 0.75, "dense": 1}
    caption = Caption(REGION, {"Color": "It is red."}, "Red.", given)
    given["Color"] = 0.0
    assert caption.confidence["Color"] == 0.75
    record = json.loads(json.dumps(caption.to_dict()))
    assert record["confidence"] == {"Color": 0.75, "dense": 1}
    assert Caption.from_dict(record) == caption
    without = Caption(REGION, {"Color": "It is red."})
    assert "confidence" not in without.to_dict()
    assert Caption.from_dict(without.to_dict()) == without
    assert Caption.from_dict({"mask": REGION.rle}) == Caption(REGION)
    for wrong in (1.5, -0.1, float("nan"), True, "high"):
        with pytest.raises(InputError, match=r"Caption\.confidence\['Color'\]"):
            Caption(REGION, confidence={"Color": wrong})  # type: ignore[dict-item] # wrong on purpose
    for changes, says in (
        ({"colour": "red"}, "unknown colour"),
        ({"captions": ["red"]}, r"Caption\.captions: must be an object"),
        ({"confidence": 0.5}, r"Caption\.confidence: must be an object"),
    ):
        with pytest.raises(InputError, match=says):
            Caption.from_dict({**record, **changes})
    with pytest.raises(InputError, match="no mask"):
        Caption.from_dict({"captions": {}})


def test_predictions() -> None:
    prediction = Prediction("i1", "aarc", "Red.", "Color", "r1", "It is red.")
    assert Prediction.from_dict(json.loads(json.dumps(prediction.to_dict()))) == prediction
    assert Prediction("i1", "cgic", "").reference is None
    for fields, message in (
        ({"image_id": "", "task": "cgic", "text": "x"}, "image_id"),
        ({"image_id": "i", "task": "other", "text": "x"}, "task"),
        ({"image_id": "i", "task": "cgic", "text": None}, "text"),
        ({"image_id": "i", "task": "rdc", "text": "x"}, "region_id"),
        ({"image_id": "i", "task": "aarc", "text": "x", "region_id": "r"}, "attribute"),
        ({"image_id": "i", "task": "cgic"}, "no text"),
        ({"image_id": "i", "task": "cgic", "text": "x", "score": 1}, "unknown score"),
    ):
        with pytest.raises(InputError, match=f"Prediction.*{message}"):
            Prediction.from_dict(fields)


def test_instruction_needs_its_attribute() -> None:
    with pytest.raises(InputError, match=r"instruction\.attribute"):
        instruction("aarc")
