"""Answers are those of `generate`, token for token, whoever else is in the batch."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from finecaption.attributes import ATTRIBUTE_NAMES, dense_instruction, region_instruction
from finecaption.captioner import FineCaption
from finecaption.choices import token_logprobs
from finecaption.continuous import Cancelled, ContinuousEngine, EngineStopped, QueueFull
from finecaption.errors import InputError
from finecaption.generation import encode_pictures

TOKENS = 12
NAMES = ("Color", "Hair", "Shape", "Relative Location with Other Objects")
WAIT = 120  # seconds; answers take well under one


@pytest.fixture(scope="module")
def captioner(tiny_folder: Path) -> FineCaption:
    return FineCaption.from_pretrained(tiny_folder)


def encoded(captioner: FineCaption, count: int, seed: int = 0) -> torch.Tensor:
    """The tokens of so many regions of a random picture: (R, T, D)."""
    random = np.random.default_rng(seed)
    colours = random.integers(0, 256, (6, 9, 3), dtype=np.uint8)
    picture = Image.fromarray(colours).resize((90, 60), Image.Resampling.BICUBIC)
    masks = random.random((count, 60, 90)) < random.random((count, 1, 1))
    inputs = captioner.processor.image_processor(
        [picture], list(masks), [0] * count, return_tensors="pt"
    )
    high = encode_pictures(captioner.model, inputs["pixel_values"])
    with torch.inference_mode():
        return captioner.model.encode_regions(
            inputs["pixel_values_clip"], inputs["region_masks"], high,
            torch.zeros(count, dtype=torch.long),
        )  # fmt: skip


def prompt(captioner: FineCaption, name: str) -> list[int]:
    text = dense_instruction() if name == "dense" else region_instruction(name)
    return captioner.processor.prompt_ids(text)


@torch.inference_mode()
def stock(captioner: FineCaption, tokens: torch.Tensor, name: str, most: int = TOKENS) -> list[int]:
    """Ids by transformers' own `generate`, one question on one region."""
    ids = prompt(captioner, name)
    out = captioner.model.generate(
        torch.tensor([ids]), region_features=tokens[None], do_sample=False, max_new_tokens=most
    )
    return out[0, len(ids) :].tolist()


def engine(captioner: FineCaption, **options: Any) -> ContinuousEngine:
    options = {"page_size": 4, "num_blocks": 256, "max_batch_tokens": 64, **options}
    return ContinuousEngine(captioner.model, captioner.processor, **options)


@pytest.fixture(scope="module")
def running(captioner: FineCaption) -> Iterator[ContinuousEngine]:
    with engine(captioner) as started:
        yield started


@pytest.fixture
def steps(running: ContinuousEngine, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The ids of each pass through the model."""
    seen: list[list[int]] = []
    table = running._model.get_input_embeddings()
    forward = table.forward

    def counted(ids: torch.Tensor) -> torch.Tensor:
        seen.append(ids.flatten().tolist())
        return forward(ids)

    monkeypatch.setattr(table, "forward", counted)
    return seen


@contextlib.contextmanager
def held(engine: ContinuousEngine) -> Iterator[None]:
    """Keeps the engine at its next pass through the model while the block lasts."""
    table, go = engine._model.get_input_embeddings(), threading.Event()
    forward = table.forward

    def waiting(ids: torch.Tensor) -> torch.Tensor:
        go.wait(WAIT)
        return forward(ids)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "forward", waiting)
        yield
        go.set()


def test_parity_with_generate(captioner: FineCaption, running: ContinuousEngine) -> None:
    regions = encoded(captioner, 4)
    handles = {
        (at, name): running.submit(
            regions[at], prompt(captioner, name), key=("a", at), max_new_tokens=TOKENS
        )
        for at in range(4)
        for name in NAMES
    }
    said = set()
    for (at, name), handle in handles.items():
        found = handle.result(WAIT)
        assert list(found.ids) == stock(captioner, regions[at], name)
        assert found.text == captioner.processor.answer(found.ids)
        said.add(found.ids)
    assert len(said) > 4  # regions and questions count
    assert running.unfinished == 0


def test_log_probabilities(captioner: FineCaption, running: ContinuousEngine) -> None:
    (tokens,) = encoded(captioner, 1, seed=3)
    ids = prompt(captioner, "Color")
    found = running.submit(tokens, ids, max_new_tokens=TOKENS).result(WAIT)
    marks = token_logprobs(captioner.model, tokens, ids, [found.ids])[0]
    assert found.logprob == pytest.approx(np.mean(marks), abs=1e-4)


def test_a_prefix_is_computed_once(
    captioner: FineCaption, running: ContinuousEngine, steps: list[list[int]]
) -> None:
    (tokens,) = encoded(captioner, 1, seed=5)
    words = running._model.get_input_embeddings().words.num_embeddings
    for keys, passes in (([1, 1, 1], 1), ([2, 3, 4], 3)):
        steps.clear()
        handles = [
            running.submit(
                tokens, prompt(captioner, name), key=("once", key), max_new_tokens=TOKENS
            )
            for key, name in zip(keys, NAMES, strict=False)
        ]
        for handle, name in zip(handles, NAMES, strict=False):
            assert list(handle.result(WAIT).ids) == stock(captioner, tokens, name)
        visual = sum(token >= words for ids in steps for token in ids)
        shared = running.image_tokens // 4 * 4  # whole pages
        assert visual >= passes * running.image_tokens
        assert visual <= passes * running.image_tokens + 2 * (running.image_tokens - shared + 4)


def test_slots_are_lent_again(captioner: FineCaption) -> None:
    regions = encoded(captioner, 7, seed=8)
    with engine(captioner, max_regions=2) as small:
        for _ in range(2):
            for tokens in regions:  # the table holds two of the seven
                found = small.submit(
                    tokens, prompt(captioner, "Color"), max_new_tokens=TOKENS
                ).result(WAIT)
                assert list(found.ids) == stock(captioner, tokens, "Color")
        assert len(small._rows) == 2 * small.image_tokens


def test_ids_begin_anew(captioner: FineCaption, monkeypatch: pytest.MonkeyPatch) -> None:
    words = captioner.model.get_input_embeddings().weight.shape[0]
    span = captioner.model.config.image_seq_length
    monkeypatch.setattr(
        "finecaption.continuous.engine._LAST_ID", words + 3 * span - 1
    )  # three regions, then anew
    regions = encoded(captioner, 5, seed=9)
    with engine(captioner, max_regions=1) as short:
        managers = set()
        for tokens in regions:
            found = short.submit(tokens, prompt(captioner, "Hair"), max_new_tokens=TOKENS)
            assert list(found.result(WAIT).ids) == stock(captioner, tokens, "Hair")
            managers.add(id(short._manager))
            (held,) = short._slots._regions.values()
            assert held.first_id + span <= words + 3 * span
        assert len(managers) == 2


def test_queue_limit_and_stop(captioner: FineCaption) -> None:
    regions = encoded(captioner, 3, seed=2)
    small = engine(captioner, queue_limit=3)
    with pytest.raises(EngineStopped, match="not running"):
        small.submit(regions[0], prompt(captioner, "Color"))
    small.start()
    with held(small):
        handles = [
            small.submit(tokens, prompt(captioner, "dense"), max_new_tokens=40)
            for tokens in regions
        ]
        with pytest.raises(QueueFull, match="3 requests are unfinished"):
            small.submit(regions[0], prompt(captioner, "Color"))
    small.stop()  # finishes what runs
    for tokens, handle in zip(regions, handles, strict=True):
        assert handle.done()
        assert list(handle.result(0).ids) == stock(captioner, tokens, "dense", 40)
    with pytest.raises(EngineStopped):
        small.submit(regions[0], prompt(captioner, "Color"))
    small.start()  # again
    again = small.submit(regions[0], prompt(captioner, "Color"), max_new_tokens=TOKENS)
    assert list(again.result(WAIT).ids) == stock(captioner, regions[0], "Color")
    small.stop()
    assert not [t for t in threading.enumerate() if t.name == "finecaption-continuous" and
                t is small._dispatcher]  # fmt: skip


def test_stop_in_a_hurry(captioner: FineCaption) -> None:
    regions = encoded(captioner, 2, seed=2)
    hasty = engine(captioner).start()
    handles = [
        hasty.submit(regions[0], prompt(captioner, name), key=1, max_new_tokens=400)
        for name in NAMES
    ]
    hasty.stop(timeout=0.0)
    for handle in handles:
        assert handle.done()
        if (error := handle._future.exception(0)) is not None:
            assert isinstance(error, EngineStopped)


def test_every_region_in_use(captioner: FineCaption) -> None:
    regions = encoded(captioner, 2, seed=2)
    with engine(captioner, max_regions=1) as small:
        with held(small):
            first = small.submit(regions[0], prompt(captioner, "dense"), max_new_tokens=60)
            with pytest.raises(QueueFull, match="every region"):
                small.submit(regions[1], prompt(captioner, "Color"))
        first.result(WAIT)


def test_streams(captioner: FineCaption, running: ContinuousEngine) -> None:
    (tokens,) = encoded(captioner, 1, seed=6)
    ids = prompt(captioner, "dense")
    handle = running.submit(tokens, ids, max_new_tokens=TOKENS)
    texts = list(handle)
    assert texts[-1] == handle.result(0).text
    assert len(texts) > 1 and texts == sorted(texts, key=len)
    assert list(handle) == [texts[-1]]  # afterwards: the whole text at once

    async def both() -> tuple[list[str], str]:
        one = running.submit(tokens, ids, max_new_tokens=TOKENS)
        two = running.submit(tokens, ids, max_new_tokens=TOKENS)
        return [text async for text in one], (await two).text

    streamed, awaited = asyncio.run(both())
    assert streamed[-1] == awaited == texts[-1]


def test_cancelling(captioner: FineCaption, running: ContinuousEngine) -> None:
    (tokens,) = encoded(captioner, 1, seed=7)
    with held(running):
        first = running.submit(tokens, prompt(captioner, "dense"), key="c", max_new_tokens=300)
        second = running.submit(tokens, prompt(captioner, "Color"), key="c", max_new_tokens=TOKENS)
        first.cancel()
        with pytest.raises(Cancelled):
            first.result(0)
    assert list(second.result(WAIT).ids) == stock(captioner, tokens, "Color")
    first.cancel()  # nothing happens
    assert running.unfinished == 0


def test_a_failure_is_told(captioner: FineCaption, monkeypatch: pytest.MonkeyPatch) -> None:
    (tokens,) = encoded(captioner, 1, seed=7)
    broken = engine(captioner)

    def fail(ids: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("out of everything")

    monkeypatch.setattr(broken._model.get_input_embeddings(), "forward", fail)
    broken.start()
    handle = broken.submit(tokens, prompt(captioner, "Color"))
    with pytest.raises(EngineStopped, match="out of everything"):
        handle.result(WAIT)
    monkeypatch.undo()
    while broken._accepts:  # it has yet to notice
        threading.Event().wait(0.01)
    with pytest.raises(EngineStopped, match="not running"):
        broken.submit(tokens, prompt(captioner, "Color"))
    with broken:  # mended
        found = broken.submit(tokens, prompt(captioner, "Color"), max_new_tokens=TOKENS)
        assert list(found.result(WAIT).ids) == stock(captioner, tokens, "Color")


def test_the_callers_model_stays_as_it_is(
    captioner: FineCaption, running: ContinuousEngine
) -> None:
    theirs, ours = captioner.model, running._model
    assert isinstance(theirs.get_input_embeddings(), torch.nn.Embedding)
    for one, other in zip(theirs.parameters(), ours.parameters(), strict=True):
        assert one.data_ptr() == other.data_ptr()
    assert theirs.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"region_tokens": torch.zeros(3, 4)}, "region_tokens"),
        ({"prompt_ids": [1, 2, 5]}, "0 image placeholders"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"max_new_tokens": 100_000}, "max_new_tokens: 100000 behind"),
    ],
)
def test_unusable_requests(
    captioner: FineCaption, running: ContinuousEngine, change: dict[str, Any], said: str
) -> None:
    (tokens,) = encoded(captioner, 1)
    request = {"region_tokens": tokens, "prompt_ids": prompt(captioner, "Color"), **change}
    with pytest.raises(InputError, match=said):
        running.submit(request.pop("region_tokens"), request.pop("prompt_ids"), **request)


def test_unusable_settings(captioner: FineCaption) -> None:
    for name, value in (("page_size", 2), ("queue_limit", 0), ("max_regions", 2**30)):
        with pytest.raises(InputError):
            engine(captioner, **{name: value})


def test_an_old_transformers_is_named(
    captioner: FineCaption, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    class Old:
        def __init__(self, block_size: int) -> None:
            """As it was before pages."""

    monkeypatch.setattr(transformers, "ContinuousBatchingConfig", Old)
    with pytest.raises(InputError, match="lacks max_batch_tokens, max_requests.*page_size"):
        engine(captioner)


def test_mini_parity() -> None:
    mini = FineCaption.from_pretrained("finecaption-mini")
    picture = mini.encode(Path(__file__).parents[1] / "examples" / "park.png")
    masks = np.zeros((2, *picture.size[::-1]), bool)
    masks[0, 150:450, 60:200] = True
    masks[1] = True
    prepare = mini.processor.image_processor.region_inputs
    soft = np.concatenate([prepare(mask, picture.size) for mask in masks])
    with torch.inference_mode():
        regions = mini.model.encode_regions(
            picture.pixel_values_clip, torch.from_numpy(soft), picture.hr_features,
            torch.zeros(2, dtype=torch.long),
        )  # fmt: skip
    names = (*ATTRIBUTE_NAMES[:3], "dense")
    with ContinuousEngine(mini.model, mini.processor) as started:
        handles = [
            (at, name, started.submit(regions[at], prompt(mini, name), key=at, max_new_tokens=32))
            for at in range(2)
            for name in names
        ]
        for at, name, handle in handles:
            assert list(handle.result(WAIT).ids) == stock(mini, regions[at], name, 32)
