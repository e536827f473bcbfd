from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoProcessor

from finecaption.errors import InputError
from finecaption.model import (
    FineCaptionForConditionalGeneration,
    FineCaptionProcessor,
    build_word_tokenizer,
    tiny,
)
from finecaption.model.chat_templates import llama3_template
from finecaption.model.preparation import PAD_RGB, place_image, place_mask, prepare_image

COLOR = "Describe this region: Color."
DETAIL = "Describe this region: in detail."


def _picture(width: int = 80, height: int = 50) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8)


def _mask(width: int = 80, height: int = 50) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[10:20, 30:50] = True
    return mask


# --- preparation ---------------------------------------------------------------------------


@given(
    size=st.tuples(st.integers(8, 300), st.integers(8, 300)),
    box=st.tuples(*[st.floats(0, 1)] * 4),
    side=st.sampled_from([42, 84, 64, 256]),
)
def test_a_box_lands_in_the_same_place_in_picture_and_mask(
    size: tuple[int, int], box: tuple[float, float, float, float], side: int
) -> None:
    width, height = size
    x0, x1 = sorted((round(box[0] * (width - 1)), round(box[2] * (width - 1))))
    y0, y1 = sorted((round(box[1] * (height - 1)), round(box[3] * (height - 1))))
    mask = np.zeros((height, width), bool)
    mask[y0 : y1 + 1, x0 : x1 + 1] = True
    # White where the mask is, black elsewhere: then the picture's own brightness is the mask.
    picture = Image.fromarray(np.repeat(mask[:, :, None] * np.uint8(255), 3, axis=2))
    seen = place_image(picture, side).astype(float)
    expected = place_mask(mask, side).astype(float)
    padding = (place_image(Image.new("RGB", size), side) == PAD_RGB).all(axis=2)
    assert not expected[padding].any()
    bright = np.where(padding, 0, seen[:, :, 0])

    def centre(values: np.ndarray) -> np.ndarray:
        rows, columns = np.mgrid[:side, :side] + 0.5
        return np.array([(values * rows).sum(), (values * columns).sum()]) / values.sum()

    if bright.sum() > 255:  # bicubic ringing around less than one pixel has no centre
        assert np.abs(centre(bright) - centre(expected)).max() < 0.75


def test_masks_are_area_averaged() -> None:
    mask = np.zeros((84, 84), bool)
    mask[:, 3] = True  # one pixel of two
    placed = place_mask(mask, 42)
    assert placed.dtype == np.uint8
    assert set(placed[:, 1].tolist()) == {128}
    assert not placed[:, [0, 2]].any()


@pytest.mark.parametrize("size", [(3000, 2000), (2000, 3000), (4000, 10)])
def test_one_pixel_is_never_lost(size: tuple[int, int]) -> None:
    width, height = size
    mask = np.zeros((height, width), bool)
    mask[height // 3, width // 3] = True
    placed = place_mask(mask, 42)
    assert placed.max() == 64
    assert np.count_nonzero(placed) <= 4


@pytest.mark.parametrize(
    ("covered", "peak"),
    [
        # of a cell of 100 pixels: where the brightest is below 64 of 255, all are raised alike
        (1, 64),
        (20, 64),
        (24, 64),
        (26, 66),
        (100, 255),
    ],
)
def test_faint_regions_are_raised_to_a_quarter(covered: int, peak: int) -> None:
    mask = np.zeros((420, 420), bool)
    cell = np.zeros(100, bool)
    cell[:covered] = True
    mask[100:110, 100:110] = cell.reshape(10, 10)
    placed = place_mask(mask, 42)
    assert placed.max() == placed[10, 10] == peak
    assert np.count_nonzero(placed) == 1


def test_faint_cells_keep_their_proportion() -> None:
    mask = np.zeros((420, 420), bool)
    mask[100:102, 100:110] = True  # 20 of 100
    mask[200:201, 200:210] = True  # 10 of 100
    placed = place_mask(mask, 42)
    assert (placed[10, 10], placed[20, 20]) == (64, 32)


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(InputError, match="no foreground"):
        place_mask(np.zeros((5, 5), bool), 42)


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    picture = _picture(64, 64)
    clip, high = prepare_image(Image.fromarray(picture), 42, 64)
    assert np.array_equal(high, picture)
    assert clip.shape == (42, 42, 3)


def test_nothing_is_cropped() -> None:
    picture = np.zeros((20, 100, 3), np.uint8)
    picture[:, :8] = picture[:, -8:] = 255
    placed = place_image(Image.fromarray(picture), 50)
    assert placed[25, 0].tolist() == placed[25, -1].tolist() == [255, 255, 255]
    assert placed[0, 0].tolist() == list(PAD_RGB)


# --- processor -----------------------------------------------------------------------------


def test_image_and_regions_can_be_prepared_apart(processor: FineCaptionProcessor) -> None:
    picture, mask = _picture(), _mask()
    once = processor.image_processor.image_inputs(picture)
    region = processor.image_processor.region_inputs(mask, (80, 50))
    both = processor(picture, processor.prompt(COLOR), mask)
    for name, value in {**once, "region_masks": region}.items():
        assert both[name].dtype == torch.uint8
        assert np.array_equal(both[name].numpy(), value), name
    assert "image_index" not in both


def test_no_mask_is_a_mask_of_ones(processor: FineCaptionProcessor) -> None:
    none = processor.image_processor(_picture())["region_masks"]
    ones = processor.image_processor(_picture(), np.ones((50, 80), bool))["region_masks"]
    assert np.array_equal(none, ones)
    assert none.max() == 255
    assert not none[0, 0].any()  # the padding is no part of the picture


def test_placeholders_are_expanded(processor: FineCaptionProcessor) -> None:
    ids = processor(_picture(), processor.prompt(COLOR)).input_ids[0].tolist()
    assert ids.count(processor.image_token_id) == 4
    assert ids == processor.prompt_ids(COLOR)
    assert ids[:2] == processor.tokenizer.convert_tokens_to_ids(["<bos>", "<user>"])
    assert ids[-1] == processor.tokenizer.convert_tokens_to_ids("<assistant>")


def test_batches_are_padded_on_the_left(processor: FineCaptionProcessor) -> None:
    texts = [processor.prompt(COLOR), processor.prompt(DETAIL)]
    batch = processor(_picture(), texts, [_mask(), None])
    assert batch.image_index.tolist() == [0, 0]
    assert batch.attention_mask.tolist()[0][0] == 0
    assert batch.attention_mask.tolist()[1][0] == 1
    alone = processor(_picture(), texts[0], _mask())
    assert batch.input_ids[0, 1:].tolist() == alone.input_ids[0].tolist()
    assert torch.equal(batch.region_masks[:1], alone.region_masks)


@torch.no_grad()
def test_the_model_takes_what_the_processor_makes(processor: FineCaptionProcessor) -> None:
    torch.manual_seed(0)
    model = FineCaptionForConditionalGeneration(tiny(len(processor.tokenizer))).eval()
    texts = [processor.prompt(COLOR), processor.prompt(DETAIL)]
    batch = processor([_picture(), _picture(30, 60)], texts, [_mask(), None])
    out = model.generate(**batch, max_new_tokens=4, do_sample=False)
    assert out.shape[0] == 2
    assert isinstance(processor.answer(out[0, batch.input_ids.shape[1] :]), str)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": "<image> <image>"}, "2 image tokens .* 1 regions"),
        ({"masks": np.ones((5, 5), bool)}, "is 5 x 5 pixels, but the image is 80 x 50"),
        ({"masks": np.zeros((50, 80), bool)}, "no foreground"),
        ({"images": []}, "none given"),
        ({"images": None, "masks": np.ones((5, 5), bool)}, "without images"),
        ({"images": "missing.png"}, "missing.png"),
        ({"masks": [None, None], "image_index": [0]}, "1 entries for 2 regions"),
        ({"masks": [None], "image_index": [1]}, "1 is not one of the 1 images"),
        ({"images": [_picture()] * 2, "masks": [None] * 3}, "3 for 2 images"),
    ],
)
def test_bad_input(
    processor: FineCaptionProcessor, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        processor(**{"images": _picture(), "text": "<image> color", **arguments})


@pytest.mark.parametrize(
    ("images", "masks", "index", "expected"),
    [
        (1, None, None, None),
        (2, None, None, None),
        (2, 2, None, None),
        (2, 2, [0, 1], None),
        (2, 2, [1, 0], [1, 0]),
        (1, 3, None, [0, 0, 0]),
        (2, 3, [0, 1, 1], [0, 1, 1]),
        (2, None, [1, 1, 0], [1, 1, 0]),  # so many whole images
        (2, None, [0], [0]),
    ],
)
def test_which_image_a_region_is_of(
    processor: FineCaptionProcessor,
    images: int,
    masks: int | None,
    index: list[int] | None,
    expected: list[int] | None,
) -> None:
    given = None if masks is None else [_mask()] * masks
    found = processor.image_processor([_picture()] * images, given, index)
    regions = images if index is None and masks is None else len(index or given or [])
    assert len(found["pixel_values"]) == len(found["pixel_values_clip"]) == images
    assert len(found["region_masks"]) == regions
    got = found["image_index"].tolist() if "image_index" in found else None
    assert got == expected


@pytest.mark.parametrize("index", [[0, 2], [-1, 0]])
def test_an_index_of_no_image_is_refused(processor: FineCaptionProcessor, index: list[int]) -> None:
    with pytest.raises(InputError, match=r"is not one of the 2 images \(0-based\)"):
        processor.image_processor([_picture()] * 2, [None, None], index)


def test_lists_of_lists_of_images_are_one_list(processor: FineCaptionProcessor) -> None:
    found = processor.image_processor([[_picture()], (_picture(), [_picture()])])
    assert len(found["pixel_values"]) == 3


def test_a_mask_of_another_size_than_its_own_image_is_refused(
    processor: FineCaptionProcessor,
) -> None:
    pictures = [_picture(80, 50), _picture(50, 80)]
    processor.image_processor(pictures, [_mask(50, 80), _mask(80, 50)], [1, 0])
    with pytest.raises(InputError, match="is 80 x 50 pixels, but the image is 50 x 80"):
        processor.image_processor(pictures, [_mask(80, 50), _mask(80, 50)])


def test_prompts_begin_once_and_batches_are_padded_only_if_asked(
    processor: FineCaptionProcessor,
) -> None:
    bos = processor.tokenizer.bos_token_id
    own, plain = processor.prompt(COLOR, image=False), "describe color"
    assert processor(text=own).input_ids[0].tolist().count(bos) == 1
    # and the tokenizer's own habit holds where a text does not begin with it
    expected = processor.tokenizer(plain)["input_ids"]
    assert processor(text=plain).input_ids[0].tolist() == expected
    rows = processor(text=[own, plain], padding=False, return_tensors=None)["input_ids"]
    assert len(rows[0]) != len(rows[1])


def test_a_turn_without_an_image(processor: FineCaptionProcessor) -> None:
    assert "<image>" not in processor.prompt(COLOR, image=False)
    assert processor.prompt(COLOR).count("<image>") == 1
    assert processor.conversation(TURNS, image=False).count("<image>") == 0


def test_chat_messages_with_pictures(processor: FineCaptionProcessor) -> None:
    content = [
        {"type": "image", "image": Image.fromarray(_picture())},
        {"type": "text", "text": COLOR},
    ]
    batch = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True,
        return_dict=True,
        add_generation_prompt=True,
        return_tensors="pt",
    )
    assert batch["input_ids"][0].tolist() == processor.prompt_ids(COLOR)
    assert batch["pixel_values"].shape == (1, 3, 64, 64)


def test_answers_end_with_eos(processor: FineCaptionProcessor) -> None:
    assert processor.prompt(COLOR, "A red vase.") == (
        "<bos><user><image>" + COLOR + "<assistant>A red vase.<eos>"
    )


def test_shared_prefix(processor: FineCaptionProcessor) -> None:
    prefix, rests = processor.shared_prefix([COLOR, DETAIL])
    assert [prefix + rest for rest in rests] == [
        processor.prompt_ids(COLOR),
        processor.prompt_ids(DETAIL),
    ]
    assert rests[0][0] != rests[1][0]
    prefix, rests = processor.shared_prefix([COLOR])
    assert len(rests[0]) == 1
    with pytest.raises(InputError, match="none given"):
        processor.shared_prefix([])


def test_saved_beside_the_weights(processor: FineCaptionProcessor, tmp_path: Path) -> None:
    model = FineCaptionForConditionalGeneration(tiny(len(processor.tokenizer)))
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert isinstance(again, FineCaptionProcessor)
    assert again.capitalise and again.image_seq_length == 4
    assert again.tokenizer.padding_side == "left"
    texts = [processor.prompt(COLOR), processor.prompt(DETAIL, "A red vase.")]
    assert [again.prompt(COLOR), again.prompt(DETAIL, "A red vase.")] == texts
    ours, theirs = (p(_picture(), texts, [_mask(), None]) for p in (processor, again))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_it_must_belong_to_the_model() -> None:
    tokenizer = build_word_tokenizer(["red"])
    with pytest.raises(ValueError, match="no token '<picture>'"):
        FineCaptionProcessor(tokenizer, image_token="<picture>")
    with pytest.raises(ValueError, match="config's image_token_id is 2"):
        FineCaptionProcessor.for_config(
            tiny(len(tokenizer), image_token_id=2), tokenizer, image_token="<image>"
        )


def test_servers_learn_how_many_tokens_an_image_takes(processor: FineCaptionProcessor) -> None:
    answer = processor._get_num_multimodal_tokens(image_sizes=[(10, 10), (500, 20)])
    assert answer.num_image_tokens == [4, 4]


def test_llama3_headers(processor: FineCaptionProcessor) -> None:
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Hi"}]}]
    text = processor.apply_chat_template(
        messages, chat_template=llama3_template("<image>"), add_generation_prompt=True
    )
    assert text == (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n<image>Hi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


TURNS = [(COLOR, "It is red."), ("Describe this region: Shape.", "It is round."), (DETAIL, None)]


def test_a_conversation_word_for_word(processor: FineCaptionProcessor) -> None:
    assert processor.conversation(TURNS) == (
        "<bos><user><image>Describe this region: Color.<assistant>It is red.<eos>"
        "<user>Describe this region: Shape.<assistant>It is round.<eos>"
        "<user>Describe this region: in detail.<assistant>"
    )
    assert processor.conversation(TURNS[:1]) == processor.prompt(*TURNS[0])


def test_a_conversation_with_llama3_headers(processor: FineCaptionProcessor) -> None:
    llama = FineCaptionProcessor(
        processor.tokenizer, chat_template=llama3_template("<image>"), image_seq_length=4
    )

    def turn(role: str, text: str) -> str:
        return f"<|start_header_id|>{role}<|end_header_id|>\n\n{text}"

    assert llama.conversation(TURNS[1:]) == (
        "<|begin_of_text|>" + turn("user", "<image>Describe this region: Shape.<|eot_id|>")
        + turn("assistant", "It is round.<|eot_id|>")
        + turn("user", "Describe this region: in detail.<|eot_id|>") + turn("assistant", "")
    )  # fmt: skip


def test_turns_put_together_are_the_tokens_of_the_conversation(
    processor: FineCaptionProcessor,
) -> None:
    tokenizer = processor.tokenizer
    ids = list(processor.prompt_ids(COLOR))
    for (_, answer), (question, _) in itertools.pairwise(TURNS):
        assert answer
        ids += [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        ids += processor.turn_ids(question)
    text = processor.conversation(TURNS).replace("<image>", "<image>" * processor.image_seq_length)
    assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]


def test_a_template_that_rewrites_earlier_turns_is_refused(
    processor: FineCaptionProcessor,
) -> None:
    counting = FineCaptionProcessor(
        processor.tokenizer, chat_template="{{ messages | length }}", image_seq_length=4
    )
    with pytest.raises(ValueError, match="changes earlier turns"):
        counting.turn_ids(COLOR)
