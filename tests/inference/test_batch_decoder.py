"""Batched answers against transformers' own generate; each thing computed once; memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from finecaption.attributes import ATTRIBUTE_NAMES, region_instruction
from finecaption.captioner import FineCaption
from finecaption.inference.batch_decoder import answer_stream, answers
from finecaption.inference.shared_prefix import SharedPrefix
from finecaption.inference.vision import Vision, encode_images
from finecaption.io.images import load_image
from finecaption.io.masks import mask_from_box
from tests.answers import answer, describe
from tests.inference.conftest import INDEX, QUESTIONS, Setting

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_greedy_answers_equal_stock_generate_token_for_token(setting: Setting) -> None:
    found = answer(
        setting.model, setting.processor, setting.inputs, setting.questions, max_new_tokens=12
    )
    expected = [
        [setting.text(setting.stock(region, text, max_new_tokens=12)) for text in QUESTIONS]
        for region in range(3)
    ]
    assert found == expected
    assert len({text for texts in found for text in texts}) > 6


@pytest.fixture(scope="module")
def mini() -> FineCaption:
    return FineCaption.from_pretrained("finecaption-mini")


def test_the_shipped_model_says_the_same_in_a_batch(mini: FineCaption) -> None:
    """Every third question on two regions of a drawn picture; of half, stock generate's answer."""
    picture = load_image(EXAMPLES / "room.png")
    masks = [
        mask_from_box(box, picture.size) for box in ((60, 150, 200, 460), (300, 250, 480, 500))
    ]
    names = ATTRIBUTE_NAMES[::3]
    questions = [region_instruction(name) for name in names]
    found = describe(mini.model, mini.processor, picture, masks, questions)
    for region, mask in enumerate(masks):
        for number in range(region % 2, len(names), 2):
            prompt = mini.processor.prompt(questions[number])
            inputs = mini.processor(picture, prompt, mask)
            ids = mini.model.generate(**inputs, do_sample=False, max_new_tokens=64)
            alone = mini.processor.answer(ids[0, inputs["input_ids"].shape[1] :])
            assert found[region][number] == alone
    assert len({text for texts in found for text in texts}) > 6


def test_log_probabilities_are_the_models(setting: Setting) -> None:
    """Of each token under teacher forcing, the end included."""
    found = answers(
        setting.model, setting.processor, setting.inputs, setting.questions, max_new_tokens=12
    )
    for region in range(3):
        for number, question in enumerate(QUESTIONS):
            ids = setting.stock(region, question, max_new_tokens=12)
            if setting.model.config.image_token_id in ids:
                continue  # said as a word, which `forward` does not take for one
            ended = len(ids) < 12
            target = ids + [2] * ended
            prompt = setting.processor.prompt(question)
            inputs = dict(
                setting.processor(setting.pictures[INDEX[region]], prompt, setting.masks[region])
            )
            text = torch.cat([inputs.pop("input_ids"), torch.tensor([target])], 1)
            inputs.pop("attention_mask")
            with torch.no_grad():
                logits = setting.model(input_ids=text, **inputs).logits
            scores = logits[0, -len(target) - 1 : -1].log_softmax(-1)
            mean = float(scores[torch.arange(len(target)), target].mean())
            one = found[region][number]
            assert one.tokens == len(target)
            assert one.logprob == pytest.approx(mean, abs=1e-4)


def test_towers_and_the_adapters_half_run_once_a_picture(
    llama: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, int] = {"towers": 0, "half": 0, "regions": 0}
    model = llama.model
    assert model.adapter.hr_in is not None

    def count(name: str) -> Any:
        def hook(module: object, args: tuple[torch.Tensor, ...], output: object) -> None:
            seen[name] += len(args[0])

        return hook

    handles = [
        model.convnext.register_forward_hook(count("towers")),
        model.adapter.hr_in.register_forward_hook(count("half")),
        model.adapter.clip_in.register_forward_hook(count("regions")),
    ]
    try:
        describe(
            model, llama.processor, llama.pictures, llama.masks * 2, QUESTIONS[:2],
            image_index=[1, 0, 1, 1, 0, 0], max_new_tokens=2, max_rows=4,
        )  # fmt: skip
    finally:
        for handle in handles:
            handle.remove()
    assert seen == {"towers": 2, "half": 2, "regions": 6}


def test_the_prefix_is_there_once_whatever_is_asked(llama: Setting) -> None:
    """Keys and values of 18 questions: one prefix and the 18 short rests."""
    features = torch.randn(3, 4, 32)
    prefix = [1, 4, 3, 3, 3, 3, *[9] * 200]
    sizes = {}
    with torch.inference_mode():
        for count in (1, 18):
            shared = SharedPrefix(llama.model, features, prefix, [[[5, 6]] * count] * 3)
            sizes[count] = shared.bytes
    token = 2 * 2 * 32 * 4  # keys and values, layers, width, bytes
    # three regions: the prefix, the rests, and room for 16 more of each
    for count, size in sizes.items():
        assert size == 3 * token * (len(prefix) + count * (2 + 16))
    assert sizes[18] - sizes[1] <= 3 * token * 17 * (2 + 16)
    assert sizes[18] < 3 * sizes[1]


def test_columns_that_nobody_sees_leave_the_cache(llama: Setting) -> None:
    """What is left says the same as if the rest had never been asked."""
    features = torch.randn(2, 4, 32, generator=torch.Generator().manual_seed(1))
    prefix, rests = [1, 4, 3, 3, 3, 3, 7], [[5, 6, 8], [5], [9, 9], [6]]
    token = torch.full((2, 4), 9)
    with torch.inference_mode():
        many = SharedPrefix(llama.model, features, prefix, [rests, rests])
        many.step(token)
        many.keep([1], [[2]])
        columns = many._cache.get_seq_length()
        few = SharedPrefix(llama.model, features[1:], prefix, [[rests[2]]])
        few.step(token[:1, :1])
        assert columns == few._cache.get_seq_length() == len(prefix) + 3
        last = torch.tensor([[5]])
        torch.testing.assert_close(many.step(last), few.step(last))


@pytest.mark.parametrize("fit", [1, 3, 7])
def test_what_does_not_fit_is_halved_and_nothing_is_lost(
    llama: Setting, monkeypatch: pytest.MonkeyPatch, fit: int
) -> None:
    """A fake GPU that takes so many rows: at the prompt, or only some steps later."""
    expected = answer(llama.model, llama.processor, llama.inputs, llama.questions, max_new_tokens=6)
    failures = []
    step = SharedPrefix.step

    def tight(self: SharedPrefix, ids: torch.Tensor) -> torch.Tensor:
        if ids.numel() > fit and self._positions.max() > self._prefix + 8:
            failures.append(ids.numel())
            raise torch.cuda.OutOfMemoryError("no memory")
        return step(self, ids)

    monkeypatch.setattr(SharedPrefix, "step", tight)
    forgotten: list[int] = []
    forget = Vision.forget
    monkeypatch.setattr(Vision, "forget", lambda self: forgotten.append(1) or forget(self))
    told: dict[tuple[int, int], list[str]] = {}
    done: dict[tuple[int, int], str] = {}
    for piece in answer_stream(
        llama.model, llama.processor, llama.inputs, llama.questions, max_new_tokens=6
    ):
        place = (piece.region, piece.question)
        assert place not in done
        told.setdefault(place, []).append(piece.text)
        if piece.finished:
            done[place] = piece.text
    assert failures and len(forgotten) == len(failures), "memory is freed before the next try"
    assert [[done[r, q] for q in range(4)] for r in range(3)] == expected
    for texts in told.values():
        assert [len(text) for text in texts] == sorted(len(text) for text in texts)


def test_a_row_that_cannot_fit_is_an_error(llama: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object) -> None:
        raise torch.cuda.OutOfMemoryError("no memory")

    monkeypatch.setattr(SharedPrefix, "step", never)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        answer(llama.model, llama.processor, llama.inputs, llama.questions, max_new_tokens=4)


def test_pictures_that_do_not_fit_go_by_halves(
    llama: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = llama.inputs["pixel_values"].repeat(3, 1, 1, 1)
    expected = encode_images(llama.model, pixels)
    encode, sizes = llama.model.encode_image, []

    def tight(part: torch.Tensor) -> torch.Tensor:
        sizes.append(len(part))
        if len(part) > 2:
            raise torch.cuda.OutOfMemoryError("no memory")
        return encode(part)

    monkeypatch.setattr(llama.model, "encode_image", tight)
    torch.testing.assert_close(encode_images(llama.model, pixels), expected)
    assert sizes == [6, 4, 2, 2, 2], "eight at once, then four, then two"


def test_the_eager_attention_says_the_same(llama: Setting) -> None:
    """It adds its mask, where sdpa takes a yes or no."""
    expected = answer(llama.model, llama.processor, llama.inputs, llama.questions, max_new_tokens=8)
    llama.model.set_attn_implementation({"text_config": "eager"})
    try:
        assert llama.model.config.text_config._attn_implementation == "eager"
        found = answer(
            llama.model, llama.processor, llama.inputs, llama.questions, max_new_tokens=8
        )
    finally:
        llama.model.set_attn_implementation({"text_config": "sdpa"})
    assert found == expected


def test_answers_end_with_the_context(llama: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the window, where the language model has one."""
    text = llama.model.config.text_config
    prefix, rests = llama.processor.shared_prefix(QUESTIONS)
    prompt = len(prefix) + max(map(len, rests))
    monkeypatch.setattr(text, "max_position_embeddings", prompt + 5)
    found = answers(llama.model, llama.processor, llama.inputs, llama.questions)
    assert max(one.tokens for row in found for one in row) == 5
    monkeypatch.setattr(text, "sliding_window", prompt + 3, raising=False)
    found = answers(llama.model, llama.processor, llama.inputs, llama.questions)
    assert max(one.tokens for row in found for one in row) == 3
