"""Batches of requests, confidence and choices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from finecaption.attributes import region_instruction
from finecaption.captioner import FineCaption
from finecaption.decoding import Decoding
from finecaption.errors import InputError
from finecaption.inference.batch_decoder import answers
from finecaption.protocol import CAPABILITIES, Captioner, Scoring, Streaming, require
from finecaption.request import Request
from finecaption.results import CaptionResult
from finecaption.trust.calibration import Calibration
from finecaption.types import Caption
from tests.captioner.conftest import MASKS, SIZE, picture


def test_requests_in_a_batch_are_answered_as_each_alone(
    captioner: FineCaption, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "one.png"
    picture(3).save(file)
    short, one = Decoding(max_new_tokens=4), picture(0)
    requests = [
        Request(one, [MASKS[0], MASKS[1]], ["Color", "Hair"], True, True, short),
        Request(file, decoding=short),
        Request(picture(1), [MASKS[2]], decoding=short),
        Request(captioner.encode(picture(2)), [MASKS[1]], "all", decoding=short),
        Request(one, [MASKS[2]], ["Shape"], decoding=Decoding(max_new_tokens=2)),
    ]
    alone = [captioner.caption_batch([request])[0] for request in requests]
    told: list[tuple[int, int]] = []
    encoded: list[int] = []
    encode = captioner.model.encode_image

    def count(pixels: torch.Tensor) -> torch.Tensor:
        encoded.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(captioner.model, "encode_image", count)
    found = captioner.caption_batch(requests, progress=lambda *counts: told.append(counts))
    assert found == alone
    assert sum(encoded) == 3, "an image of several requests is encoded once"
    assert isinstance(found[1], CaptionResult) and found[1].image == str(file)
    total = 2 * 3 + 1 + 1 + 2 + 18 + 1
    assert told == [(count, total) for count in range(1, total + 1)]


def test_a_bad_request_does_not_spoil_the_others(captioner: FineCaption, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    short = Decoding(max_new_tokens=2)
    requests = [
        Request(broken, [MASKS[0]], decoding=short),
        Request(picture(), [np.zeros(SIZE[::-1], bool)], decoding=short),
        Request(picture(), [MASKS[0]], "Color", decoding=short),
        Request(tmp_path / "missing.png", decoding=short),
    ]
    found = captioner.caption_batch(requests)
    says = ["broken.png", "empty", None, "missing.png"]
    for result, text in zip(found, says, strict=True):
        if text is None:
            assert isinstance(result, CaptionResult)
        else:
            assert isinstance(result, InputError) and text in str(result)
    assert captioner.caption_batch([]) == []
    only_bad = captioner.caption_batch(requests[:1])
    assert len(only_bad) == 1 and isinstance(only_bad[0], InputError)


def test_it_is_a_captioner_with_every_capability(captioner: FineCaption, tiny_folder: Path) -> None:
    assert isinstance(captioner, Captioner)
    assert captioner.capabilities == set(CAPABILITIES)
    assert Streaming not in type(captioner).__mro__ and Scoring not in type(captioner).__mro__
    require(captioner, "stream")
    identity = captioner.identity
    assert json.loads(json.dumps(identity)) == identity
    assert identity["name"] == "tiny" and identity["kind"] == "finecaption"
    assert len(identity["sha256"]) == 64


def test_the_captioners_own_cap_holds_where_the_request_has_none(
    captioner: FineCaption, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captioner, "max_new_tokens", 2)
    ((one,),) = (captioner.caption(picture(), mask=MASKS[0], attributes="Color").regions,)
    two = captioner.caption(picture(), mask=MASKS[0], attributes="Color", max_new_tokens=2)
    five = captioner.caption(picture(), mask=MASKS[0], attributes="Color", max_new_tokens=5)
    assert one == two.regions[0] != five.regions[0]


def test_token_logprobs_are_those_of_the_answer(captioner: FineCaption) -> None:
    inputs = dict(captioner.processor.image_processor(picture(), MASKS[1], return_tensors="pt"))
    ((found,),) = answers(
        captioner.model, captioner.processor, inputs, [[region_instruction("Color")]],
        max_new_tokens=4,
    )  # fmt: skip
    (logprobs,) = captioner.token_logprobs(picture(), MASKS[1], "Color", [found.text])
    # the answer was cut at the cap; scored, it has its end as well
    assert np.mean(logprobs[:-1]) == pytest.approx(found.logprob, abs=1e-4)
    whole = captioner.token_logprobs(picture(), None, "global", ["red", "a red cup"])
    assert [len(row) for row in whole] == [2, 4]


def test_caption_many_still_works_and_says_what_to_use(captioner: FineCaption) -> None:
    short = Decoding(max_new_tokens=2)
    with pytest.warns(DeprecationWarning, match="caption_batch"):
        (old,) = captioner.caption_many([Request(picture(), [MASKS[0]])], decoding=short)
    assert old == captioner.caption(picture(), mask=MASKS[0], decoding=short)


def calibration() -> Calibration:
    names = ["Color", "Hair", "dense"] * 20
    logprobs = [-0.02 * number for number in range(60)]
    return Calibration.fit(names, logprobs, [5] * 60, [number < 30 for number in range(60)])


def test_confidence_is_the_calibrations(
    captioner: FineCaption, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = {"mask": MASKS[1], "attributes": ["Color", "Hair"], "whole": True, "max_new_tokens": 4}
    assert captioner.caption(picture(), **ask).regions[0].confidence == {}  # type: ignore[arg-type]  # as above
    maps = calibration()
    monkeypatch.setattr(captioner, "calibration", maps)
    result = captioner.caption(picture(), **ask)  # type: ignore[arg-type]  # as above
    (region,) = result.regions
    assert list(region.confidence) == ["Color", "Hair"]  # paragraphs were not fitted as "global"
    assert result.whole_confidence is None
    updates = list(captioner.stream(picture(), **ask))  # type: ignore[arg-type]  # as above
    told = {u.name: u.confidence for u in updates if u.finished}
    # Streamed, together or alone, sums differ in their last bits, here times the map's slope.
    near = {name: pytest.approx(value, rel=1e-3) for name, value in region.confidence.items()}
    assert told == {**near, "global": None}
    assert all(u.confidence is None for u in updates if not u.finished)
    questions = [region_instruction("Color")]
    inputs = captioner.processor.image_processor(picture(), MASKS[1], return_tensors="pt")
    ((one,),) = answers(captioner.model, captioner.processor, inputs, [questions], max_new_tokens=4)
    assert maps.probability("Color", one.logprob, one.tokens) == near["Color"]
    record = json.loads(result.to_json())["regions"][0]
    assert record["confidence"] == dict(region.confidence)
    assert Caption.from_dict(record) == region


@pytest.mark.parametrize(
    "decoding",
    [
        Decoding(temperature=0.5),
        Decoding(beams=2),
        Decoding(guidance=1.0),
        Decoding(length="sentence"),
    ],
)
def test_no_confidence_is_claimed_of_other_than_greedy_answers(
    captioner: FineCaption, monkeypatch: pytest.MonkeyPatch, decoding: Decoding
) -> None:
    monkeypatch.setattr(captioner, "calibration", calibration())
    result = captioner.caption(
        picture(), mask=MASKS[0], attributes=["Color"], decoding=decoding, max_new_tokens=3
    )
    assert result.regions[0].confidence == {}


def test_choose(captioner: FineCaption) -> None:
    shares = captioner.choose(picture(), MASKS[0], "colour", ["red", "left", "table"])
    assert set(shares) == {"red", "left", "table"}
    assert sum(shares.values()) == pytest.approx(1)
    assert captioner.choose(picture(), {"mask": MASKS[0]}, "Color", ["table", "red", "left"]) == (
        pytest.approx(shares)
    )
    with pytest.raises(InputError, match="empty"):
        captioner.choose(picture(), np.zeros(SIZE[::-1], bool), "Color", ["red"])
