"""Requests: the defaulting rule, the forms of a region, names in any spelling."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.attributes import ATTRIBUTE_NAMES, custom_attribute
from finecaption.decoding import Decoding
from finecaption.errors import InputError
from finecaption.request import (
    Questions,
    Request,
    attribute_names,
    instruction_for,
    make_request,
    parse_region,
)
from finecaption.types import Region, RegionPrompt

SIZE = (90, 60)
MASK = np.zeros(SIZE[::-1], bool)
MASK[10:50, 0:20] = True
SENTENCE = ATTRIBUTE_NAMES[:1]


def test_requests_need_no_torch() -> None:
    code = (
        "import sys, finecaption.protocol, finecaption.request\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("regions", "given", "asked"),
    [
        (1, Questions(), Questions(SENTENCE, True, False)),
        (2, Questions(whole=True), Questions(SENTENCE, True, True)),
        (1, Questions(dense=True), Questions((), True, False)),
        (1, Questions(("Hair",)), Questions(("Hair",), False, False)),
        (0, Questions(), Questions(whole=True)),
        (0, Questions(dense=True), Questions(whole=True)),
        (0, Questions(whole=True), Questions(whole=True)),
    ],
)
def test_the_defaulting_rule(regions: int, given: Questions, asked: Questions) -> None:
    assert given.resolve(regions) == asked
    request = Request("image.png", [MASK] * regions, *given)
    assert request.questions == asked
    assert dataclasses.replace(request, image="other.png").questions == asked


def test_attributes_need_a_region() -> None:
    for make in (Request, make_request):
        with pytest.raises(InputError, match="give a mask, a box or points"):
            make("image.png", attributes=["Color"])


def test_answers_have_names_in_the_order_asked() -> None:
    questions = Questions(("Hair", "Color"), True, True)
    assert questions.region_names == ("Hair", "Color", "dense")
    assert questions.names == ("Hair", "Color", "dense", "global")
    assert instruction_for("Hair") == "Describe this region: Hair."
    assert instruction_for("dense") == "Describe this region: in detail."
    assert instruction_for("global") == "Describe this image: in detail."


def test_errors_name_the_argument_that_the_region_came_from() -> None:
    request = make_request(
        "i", mask=np.zeros(SIZE[::-1], bool), box=(1, 2, 3, 4), points=[(1, 1)], regions=[MASK, 7]
    )
    assert request.fields == ["mask", "box", "regions[0]", "regions[1]"]
    assert request.regions[1] == RegionPrompt(((1, 1, True),), (1, 2, 3, 4))
    assert Request("i", [MASK, MASK]).fields == ("regions[0]", "regions[1]")
    with pytest.raises(InputError, match=r"here: the mask is empty"):
        parse_region(Image.new("L", SIZE), SIZE, "here")


def test_a_request_keeps_its_decoding() -> None:
    decoding = Decoding(seed=3)
    assert make_request("i", decoding=decoding).decoding is decoding


@pytest.mark.parametrize(
    "form", ["region", "array", "file", "bytes", "pil", "rle", "mask", "polygon"]
)
def test_every_form_of_a_mask(form: str, tmp_path: Path) -> None:
    file = tmp_path / "mask.png"
    Image.fromarray(MASK).save(file)
    region = Region(MASK)
    forms: dict[str, Any] = {
        "region": region, "array": MASK.astype(np.uint8), "file": file, "bytes": file.read_bytes(),
        "pil": Image.fromarray(MASK), "rle": region.rle, "mask": {"mask": str(file), "box": None},
        "polygon": {"polygon": [[0, 10, 20, 10, 20, 50, 0, 50]]},
    }  # fmt: skip
    assert parse_region(forms[form], SIZE) == region


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (np.zeros(SIZE[::-1], bool), "empty"),
        (np.ones((4, 5), bool), "5 x 4 pixels, but the image is 90 x 60"),
        (Region(np.ones((4, 5), bool)), "5 x 4"),
        ({"box": (1, 2, 3, 4), "color": 3}, "must have the key"),
        ({}, "must have the key"),
        ((9, 9, 1, 1), "reversed"),
        ((1, 2, float("nan"), 4), "NaN"),
        ("nowhere.png", "no such file"),
        ([1, 2, 3], "must be an array"),
    ],
)
def test_unusable_regions_are_refused(entry: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_region(entry, SIZE, "regions[0]")


def test_regions_of_numbers_are_boxes() -> None:
    for entry in ((1, 2, 3, 4), [1.0, 2, 3, 4], np.array([1, 2, 3, 4]), {"box": (1, 2, 3, 4)}):
        assert parse_region(entry, SIZE) == RegionPrompt(box=(1, 2, 3, 4))


def test_attribute_names() -> None:
    assert attribute_names(None) == ()
    assert attribute_names("ALL") == ATTRIBUTE_NAMES
    assert attribute_names(["pose", "Colour", "color"]) == ("Body Pose/Gesture", "Color")
    with pytest.raises(InputError, match="did you mean"):
        attribute_names(["colr"])
    mood = custom_attribute("Mood of  the day")
    assert attribute_names([mood, "color"]) == ("Mood of the day", "Color")
    assert custom_attribute("colour").name == "Color"


@pytest.mark.parametrize("form", [{"box": 7}, {"points": 7}, {"points": "60,60"}, {"points": {}}])
def test_a_region_of_no_numbers_is_refused(form: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="box|points"):
        parse_region(form, (160, 120))


def test_a_polygon_of_a_number_that_no_float_holds_is_refused() -> None:
    with pytest.raises(InputError, match="list of numbers"):
        parse_region({"polygon": [[10**400, 0, 9, 0, 9, 9]]}, (160, 120))
