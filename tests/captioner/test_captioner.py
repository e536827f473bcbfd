"""The captioner on a random tiny model: what is asked of what; batching changes nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finecaption.attributes import ATTRIBUTE_NAMES, region_instruction
from finecaption.captioner import FineCaption
from finecaption.errors import InputError
from finecaption.inference.batch_decoder import answer_stream
from finecaption.io.checkpoint import resolve_model
from finecaption.results import CaptionResult
from finecaption.trust.out_of_domain import fit
from finecaption.types import Region
from tests.answers import answer, describe
from tests.captioner.conftest import MASKS, QUESTIONS, SIZE, picture, stock


@pytest.mark.parametrize("max_rows", [None, 5, 1])
def test_batched_answers_equal_stock_generate_one_by_one(
    captioner: FineCaption, max_rows: int | None
) -> None:
    pictures, index = [picture(0), picture(1)], [0, 1, 0]
    found = describe(
        captioner.model, captioner.processor, pictures, MASKS, QUESTIONS,
        image_index=index, max_new_tokens=12, max_rows=max_rows,
    )  # fmt: skip
    expected = [
        [stock(captioner, pictures[at], region, question) for question in QUESTIONS]
        for at, region in zip(index, MASKS, strict=True)
    ]
    assert found == expected
    assert len({text for texts in found for text in texts}) > 6  # they do depend on what is asked


def test_rows_that_end_leave_the_batch(
    captioner: FineCaption, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a common word as the end, rows end at different steps, and the others go on the same."""
    free = describe(
        captioner.model, captioner.processor, picture(), MASKS, QUESTIONS, max_new_tokens=40
    )
    tokenizer = captioner.processor.tokenizer
    ids = [tokenizer(t, add_special_tokens=False)["input_ids"] for texts in free for t in texts]
    candidates = {token for row in ids for token in row}
    end = max(candidates, key=lambda token: len({r.index(token) for r in ids if token in r}))
    assert len({row.index(end) for row in ids if end in row}) > 1
    batches: list[tuple[int, int]] = []
    forward = captioner.model.language_model.forward

    def spy(*args: object, **kwargs: object) -> object:
        batches.append(kwargs["inputs_embeds"].shape[:2])  # type: ignore[attr-defined]  # a tensor
        return forward(*args, **kwargs)

    monkeypatch.setattr(captioner.model.language_model, "forward", spy)
    monkeypatch.setattr(captioner.model.generation_config, "eos_token_id", [2, end])
    ended = describe(
        captioner.model, captioner.processor, picture(), MASKS, QUESTIONS, max_new_tokens=40
    )
    prefix, rests, *steps = batches
    assert prefix[0] == rests[0] == len(MASKS)
    assert steps[0] == (len(MASKS), len(QUESTIONS))  # a line a region, a slot a question
    assert math.prod(steps[-1]) < math.prod(steps[0]) / 2
    word = tokenizer.decode([end])
    for texts, cut in zip(free, ended, strict=True):
        for text, short in zip(texts, cut, strict=True):
            assert word not in short.lower().split()
            assert text.lower().startswith(short.lower().rstrip())


def test_high_resolution_towers_run_once_a_picture(
    captioner: FineCaption, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    encode = captioner.model.encode_image

    def count(pixels: torch.Tensor) -> torch.Tensor:
        seen.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(captioner.model, "encode_image", count)
    pictures = [picture(0), picture(1), picture(2)]
    describe(
        captioner.model, captioner.processor, pictures, MASKS * 2, QUESTIONS[:2],
        image_index=[2, 0, 1, 2, 0, 2], max_new_tokens=2, max_rows=4,
    )  # fmt: skip
    assert sum(seen) == 3


def test_streamed_answers_grow_to_the_answers(captioner: FineCaption) -> None:
    inputs = captioner.processor.image_processor(picture(), MASKS[:2], return_tensors="pt")
    asked = [QUESTIONS[:2], QUESTIONS[1:3]]
    grown: dict[tuple[int, int], list[str]] = {}
    for piece in answer_stream(
        captioner.model, captioner.processor, inputs, asked, max_new_tokens=6
    ):
        assert not grown.get((piece.region, piece.question), [""])[-1].endswith("\0")
        said = piece.text + ("\0" if piece.finished else "")
        grown.setdefault((piece.region, piece.question), []).append(said)
    final = answer(captioner.model, captioner.processor, inputs, asked, max_new_tokens=6)
    for (region, question), texts in grown.items():
        assert texts[-1] == final[region][question] + "\0"
        assert [len(text) for text in texts] == sorted(len(text) for text in texts)
    assert len(grown) == 4


def test_caption_has_every_form_of_region(captioner: FineCaption, tmp_path: Path) -> None:
    file = tmp_path / "mask.png"
    Image.fromarray(MASKS[0]).save(file)
    region = Region(MASKS[0])
    result = captioner.caption(
        picture(),
        mask=MASKS[0],
        regions=[region, file, region.rle, {"mask": MASKS[0].astype(np.uint8)}, Image.open(file)],
        attributes=["color", "Shape", "Color"],
        max_new_tokens=4,
    )
    assert len(result.regions) == 6
    assert {caption.region for caption in result.regions} == {region}
    assert len({tuple(caption.captions.items()) for caption in result.regions}) == 1
    assert list(result.regions[0].captions) == ["Color", "Shape"]
    assert result.regions[0].dense is None and result.whole is None and result.notice is None


@pytest.mark.parametrize(
    ("asked", "names", "dense", "whole"),
    [
        ({}, ATTRIBUTE_NAMES[:1], True, False),
        ({"attributes": "all"}, ATTRIBUTE_NAMES, False, False),
        ({"dense": True}, (), True, False),
        ({"whole": True}, ATTRIBUTE_NAMES[:1], True, True),
        ({"attributes": "hair", "dense": True, "whole": True}, ("Hair",), True, True),
    ],
)
def test_what_is_asked_is_answered(
    captioner: FineCaption,
    asked: dict[str, object],
    names: tuple[str, ...],
    dense: bool,
    whole: bool,
) -> None:
    result = captioner.caption(picture(), mask=MASKS[1], max_new_tokens=3, **asked)  # type: ignore[arg-type]  # of the table
    (caption,) = result.regions
    assert tuple(caption.captions) == names
    assert (caption.dense is not None, result.whole is not None) == (dense, whole)
    for name in names[:2]:
        inputs = [region_instruction(name)]
        (alone,) = describe(
            captioner.model, captioner.processor, picture(), MASKS[1], inputs, max_new_tokens=3
        )
        assert caption.captions[name] == alone[0]


def test_without_a_region_the_whole_picture_is_described(captioner: FineCaption) -> None:
    for asked in ({}, {"whole": True}, {"dense": True}):
        result = captioner.caption(picture(), max_new_tokens=3, **asked)  # type: ignore[arg-type]  # of the tuple
        assert result.regions == () and result.whole is not None
    with pytest.raises(InputError, match="give a mask, a box or points"):
        captioner.caption(picture(), attributes=["Color"])


def test_json_has_the_documented_shape(captioner: FineCaption, tmp_path: Path) -> None:
    file = tmp_path / "scène.png"
    picture().save(file)
    result = captioner.caption(file, mask=MASKS[1], attributes=["Color"], max_new_tokens=3)
    record = json.loads(result.to_json())
    assert list(record) == ["image", "model", "regions", "global", "notice"]
    assert record["image"] == str(file) and record["model"] == "tiny"
    (region,) = record["regions"]
    assert list(region) == ["mask", "box", "captions", "dense"]
    assert region["box"] == [30, 10, 80, 50]
    assert region["mask"]["size"] == [SIZE[1], SIZE[0]]
    assert record["global"] is None and record["notice"] is None


def test_stream_names_its_answers(captioner: FineCaption) -> None:
    asked = {"mask": MASKS[0], "attributes": ["Color"], "dense": True, "whole": True}
    updates = list(captioner.stream(picture(), max_new_tokens=3, **asked))  # type: ignore[arg-type]  # as above
    done = {(u.region, u.name): u.text for u in updates if u.finished}
    result = captioner.caption(picture(), max_new_tokens=3, **asked)  # type: ignore[arg-type]  # as above
    assert done == {
        (0, "Color"): result.regions[0].captions["Color"],
        (0, "dense"): result.regions[0].dense,
        (None, "global"): result.whole,
    }


def test_an_encoded_picture_is_not_encoded_again(
    captioner: FineCaption, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = captioner.caption(picture(), mask=MASKS[0], max_new_tokens=4)
    encoded = captioner.encode(picture())
    monkeypatch.setattr(captioner.model, "encode_image", None)
    again = captioner.caption(encoded, mask=MASKS[0], max_new_tokens=4)
    assert again == fresh


def test_progress_counts_to_the_end(captioner: FineCaption) -> None:
    told: list[tuple[int, int]] = []
    captioner.caption(
        picture(), regions=MASKS, max_new_tokens=2, progress=lambda *counts: told.append(counts)
    )
    assert told == [(count, 6) for count in range(1, 7)]


def test_prompts_without_a_segmenter_say_so(captioner: FineCaption) -> None:
    for prompt in ({"box": (1, 2, 30, 40)}, {"points": [(4, 4)]}):
        with pytest.raises(InputError, match="segmenter"):
            captioner.caption(picture(), **prompt)  # type: ignore[arg-type]  # of the tuple


def test_box_and_points_go_through_the_segmenter(
    captioner: FineCaption, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, object]] = []

    class Segmenter:
        def encode(self, image: Image.Image, hr_features: torch.Tensor) -> object:
            assert image.size == SIZE and hr_features.shape[0] == 1
            asked.append(("encoded", image.size))
            return image

        def predict(self, encoded: object, points: object, box: object = None) -> object:
            asked.append((points, box))

            class Found:
                mask = MASKS[len(asked) - 2]

            return Found()

    monkeypatch.setattr(captioner, "_segmenter", Segmenter())
    result = captioner.caption(
        picture(),
        box=(0, 5, 200, 40),
        points=[(3, 4, False)],
        regions=[(1, 2, 3, 4), {"points": [(7, 8)]}],
        attributes=["Color"],
        max_new_tokens=2,
    )
    assert asked == [
        ("encoded", SIZE),
        (((3.0, 4.0, False),), (0, 5, 90, 40)),
        ((), (1, 2, 3, 4)),
        (((7.0, 8.0, True),), None),
    ]
    assert [c.region for c in result.regions] == [Region(m) for m in MASKS]


def test_notice_is_given_where_the_features_are_strange(
    captioner: FineCaption, monkeypatch: pytest.MonkeyPatch
) -> None:
    from finecaption.trust.out_of_domain import features_of

    known = features_of(captioner.model, [picture(seed) for seed in range(150)])
    domain = fit(known, quantile=1.0, knows="blurred colours")
    monkeypatch.setattr(captioner, "domain", domain)
    ask = {"mask": MASKS[0], "attributes": ["Color"], "max_new_tokens": 2}
    assert captioner.caption(picture(7), **ask).notice is None  # type: ignore[arg-type]  # as above
    strange = Image.new("RGB", SIZE)
    notice = captioner.caption(strange, **ask).notice  # type: ignore[arg-type]  # as above
    assert notice is not None and "blurred colours" in notice.text
    assert notice.score > notice.threshold
    record = CaptionResult((), notice=notice).to_dict()["notice"]
    assert record["kind"] == "out-of-domain" and record["text"] == notice.text


def test_models_that_cannot_be_read_are_refused(tmp_path: Path, tiny_folder: Path) -> None:
    with pytest.raises(InputError, match="no such model"):
        resolve_model("nonsense")
    with pytest.raises(InputError, match=r"config\.json"):
        resolve_model(tmp_path)
    for file in tiny_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(InputError, match="cannot be read"):
        FineCaption.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="device"):
        FineCaption.from_pretrained(tiny_folder, device="nonsense")


@pytest.mark.parametrize(
    ("able", "limit", "dtype"),
    [
        ({"avx512_bf16": True}, 0, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": False}, 0, torch.float32),
        ({"amx_bf16": True}, 2 << 30, torch.float32),
    ],
)
def test_bfloat16_on_a_cpu_only_for_large_models_where_it_has_instructions(
    tiny_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    able: dict[str, bool],
    limit: int,
    dtype: torch.dtype,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    monkeypatch.setattr("finecaption.model.loading._FP32_BYTES", limit)
    captioner = FineCaption.from_pretrained(tiny_folder, device="cpu")
    assert captioner.model.dtype == dtype
    result = captioner.caption(picture(), mask=MASKS[0], max_new_tokens=2)
    assert result.regions[0].dense is not None


# --- batches -------------------------------------------------------------------------------


# --- confidence and choices ----------------------------------------------------------------
