"""/v1/regions and /v1/segment: the answers of captioner, command line and segmenter."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.cli import main
from finecaption.errors import InputError
from finecaption.io.masks import decode_rle, encode_rle, load_mask, mask_iou
from finecaption.server.region_field import to_region
from finecaption.server.schemas import RegionModel

from .conftest import PATIENCE, RABBIT, ROOM, Live, data_uri, small


def ask(live: Live, path: str = "/v1/regions", **body: Any) -> Any:
    answer = live.post(path, body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_as_the_command_line(live: Live, park: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["caption", str(ROOM), "--mask", str(RABBIT), "--box", "200,320,316,440", "--point",
             "128,300", "--attribute", "Color", "--attribute", "Hair", "--dense", "--global",
             "--json"]  # fmt: skip
    # one box with points is one region; so the rabbit's mask and that
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    mask = encode_rle(load_mask(str(RABBIT)))
    prompt = {"box": [200, 320, 316, 440], "points": [[128, 300]]}
    got = ask(live, image=park, regions=[mask, prompt], attributes=["color", "hair"], dense=True,
              whole=True)  # fmt: skip
    assert got == {**told, "image": None}
    assert len(got["regions"]) == 2 and got["global"]


def test_all_attributes_of_several_regions(live: Live, park: str) -> None:
    regions = [{"points": [[128, 300]]}, {"box": [200, 320, 316, 440]}]
    got = ask(live, image=park, regions=regions, attributes="all")
    for entry in got["regions"]:
        assert tuple(entry["captions"]) == ATTRIBUTE_NAMES and entry["dense"] is None
    assert got["global"] is None


def test_without_regions(live: Live, park: str, rabbit: str) -> None:
    whole = ask(live, image=park)
    assert whole["regions"] == [] and whole["global"].endswith(".")
    by_alpha = ask(live, image=rabbit, attributes=["category"])
    (entry,) = by_alpha["regions"]
    assert mask_iou(decode_rle(entry["mask"]), load_mask(str(RABBIT))) == 1
    default = ask(live, image=rabbit)["regions"][0]
    assert list(default["captions"]) == [ATTRIBUTE_NAMES[0]] and default["dense"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"attributes": ["color"]}, "asked about a region"),
        ({"attributes": ["colr"], "regions": [[1, 1, 5, 5]]}, 'did you mean \\"Color\\"'),
        ({"regions": [[1, 1, 5, 5]] * 65}, "a call takes at most 64"),
        ({"regions": [[1, 1, 5, 5]] * 64, "attributes": "all"}, "1152 answers are asked for"),
        ({"regions": [[1, 1, 5, 5], {"points": [[99, 1]]}]}, "regions[1].points[0]"),
        ({"regions": [{"points": [[1, 1]] * 65}]}, "at most 64"),
        ({"regions": [{"mask": small((0, 0, 0))}]}, "the mask is empty"),
        ({"regions": [{"mask": small((255, 255, 255), (9, 9))}]}, "9 x 9"),
        ({"regions": [{"mask": "AAAA"}]}, "regions[0].mask: not an image"),
        ({"regions": "all"}, "regions: Input should be a valid list"),
        ({"image": data_uri(b"no picture")}, "image: not an image"),
        ({"image": data_uri(RABBIT.read_bytes()[:100])}, "broken"),
        ({"image": ""}, "image: is empty"),
        ({"image": "data:image/png,abc"}, "must begin like data:image/png;base64,"),
        ({"model": "gpt"}, "there is no model"),
        ({"beams": 9}, "beams"),
        ({"wrong": 1}, "Unrecognized request argument supplied: wrong"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said(live: Live, body: dict[str, Any], message: str) -> None:
    answer = live.post("/v1/regions", {"image": small(), **body})
    assert answer.status_code in (400, 404)
    assert message in answer.text.encode().decode(), answer.text
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("form", ["rle", "png"])
def test_a_click(live: Live, park: str, form: str) -> None:
    got = ask(live, "/v1/segment", image=park, points=[[128, 300]], format=form)
    (entry,) = got["masks"]
    assert got["size"] == [512, 512]
    mask = entry["mask"]
    region = {"mask": mask} if form == "png" else mask
    again = ask(live, image=park, regions=[region], attributes=["category"])["regions"][0]
    assert again["box"] == entry["box"]
    found = decode_rle(again["mask"])
    assert found[300, 128] and entry["area"] == int(found.sum())

    def click(captioner: Any) -> Any:
        encoded = captioner.segmenter.encode(str(ROOM))
        return captioner.segmenter.predict(encoded, [(128, 300)])

    truth = live.service.run(click).result(PATIENCE)
    assert np.array_equal(truth.mask, found) and entry["score"] == round(truth.score, 4)


def test_a_box_and_clicks(live: Live, park: str) -> None:
    box = ask(live, "/v1/segment", image=park, box=[200, 320, 316, 440])["masks"][0]
    x0, y0, x1, y1 = box["box"]
    assert x0 > 150 and x1 < 366
    both = {"box": [200, 320, 316, 440], "points": [[258, 398, False]]}
    without = ask(live, "/v1/segment", image=park, **both)["masks"][0]
    assert without["mask"] != box["mask"]


def test_everything(live: Live, park: str) -> None:
    got = ask(live, "/v1/segment", image=park, everything=True)
    masks = [decode_rle(entry["mask"]) for entry in got["masks"]]
    assert len(masks) > 3
    rabbit = load_mask(str(RABBIT))
    assert max(mask_iou(mask, rabbit) for mask in masks) > 0.3
    assert all(0 <= entry["score"] <= 1 for entry in got["masks"])


@pytest.mark.parametrize(
    "body",
    [{}, {"everything": True, "points": [[1, 1]]}, {"points": []}, {"points": [[1, 1, False]]},
     {"points": [[-1, 1]]}, {"box": [5, 5, 1, 1]}, {"box": [900, 900, 999, 999]}],
)  # fmt: skip
def test_prompts_that_cannot_be_used(live: Live, body: dict[str, Any]) -> None:
    assert live.post("/v1/segment", {"image": small(), **body}).status_code == 400


# --- the region field alone ------------------------------------------------------------------


def region(given: dict[str, Any], size: tuple[int, int] = (8, 4)) -> Any:
    return to_region(RegionModel.model_validate(given), size, max_points=5)


def test_runs_that_wrap_around_are_refused() -> None:
    """Four runs of 2**62 add up to 0 in 64 bits; writing them out would overrun the mask."""
    run = 100_000_000
    with pytest.raises(InputError, match="a run is longer"):
        region({"size": [4, 8], "counts": [0, run, 32]})
    with pytest.raises(ValueError, match="less than or equal"):
        region({"size": [4, 8], "counts": [2**62] * 4 + [32]})


def test_sizes_are_compared_before_memory_is_taken() -> None:
    with pytest.raises(InputError, match=r"\[10000, 10000\] is not the image's"):
        region({"size": [10_000, 10_000], "counts": [0, 100_000_000]})


def test_borders_are_bounded() -> None:
    zigzag = [x for at in range(5000) for x in (-900.0 if at % 2 else 1800.0, at / 5000)]
    with pytest.raises(InputError, match="its border is"):
        region({"polygon": zigzag}, (1000, 1000))
    assert region({"polygon": [0, 0, 8, 0, 8, 4, 0, 4]}).area == 32


@pytest.mark.parametrize(
    "given",
    [{}, {"size": [1, 1]}, {"counts": "a"}, {"box": [0, 0, 1, 1], "mask": "a"}, {"points": []},
     {"box": None}, {"polygon": []}, {"polygon": [1, 2]}, {"points": [[1]]},
     {"box": [0, 0, float("inf"), 1]}, {"box": [0, 0, 10**400, 1]},
     {"points": [[float("nan"), 1]]}, {"size": [4, 8], "counts": [1.5]}, {"other": 1}],
)  # fmt: skip
def test_what_is_no_region(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        region(given)
