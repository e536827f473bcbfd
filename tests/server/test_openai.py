"""The openai package, against a real server with the shipped model."""

from __future__ import annotations

import asyncio
import base64
import io
from typing import Any

import numpy as np
import openai
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from finecaption.errors import InputError
from finecaption.io.compressed_masks import encode_base64_gzip
from finecaption.io.masks import encode_polygons, encode_rle, load_mask
from finecaption.server.images import decode_image, decode_mask

from .conftest import NAME, PATIENCE, RABBIT, ROOM, Live, chat_body, png, small


@pytest.fixture(scope="module")
def client(live: Live) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0, timeout=PATIENCE)


@pytest.fixture(scope="module")
def truth(live: Live) -> Any:
    """What the captioner itself says of the rabbit and of the park."""

    def ask(captioner: Any) -> Any:
        return captioner.caption(
            str(ROOM), mask=str(RABBIT), attributes=["Color", "Category Name"], dense=True,
            whole=True,
        )  # fmt: skip

    return live.service.run(ask).result(PATIENCE)


def ask(client: openai.OpenAI, url: str, text: str, **more: Any) -> Any:
    body = chat_body(url, text)
    return client.chat.completions.create(**{**body, **more})


def said(client: openai.OpenAI, url: str, text: str, **more: Any) -> str:
    return ask(client, url, text, **more).choices[0].message.content


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [NAME]
    assert client.models.retrieve(NAME).owned_by == "finecaption"
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt'"):
        client.models.retrieve("gpt")


def test_a_mask_as_alpha(client: openai.OpenAI, truth: Any, rabbit: str) -> None:
    answer = ask(client, rabbit, "What color is it?")
    caption = truth.regions[0]
    assert answer.choices[0].message.content == caption.captions["Color"]
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == NAME and answer.object == "chat.completion"
    extra = answer.model_extra["finecaption"]
    assert extra["asked"] == "Color" and extra["mask"] == caption.region.rle
    assert extra["box"] == list(caption.region.box)
    detail = "<image>\nDescribe the masked region in detail."
    assert said(client, rabbit, detail) == caption.dense


def test_usage_is_counted_by_the_models_tokenizer(
    client: openai.OpenAI, live: Live, rabbit: str
) -> None:
    answer = ask(client, rabbit, "Color")
    processor = live.service.engine.captioner.processor
    text = answer.choices[0].message.content
    counted = len(processor.tokenizer(text, add_special_tokens=False)["input_ids"])
    prompt = len(processor.prompt_ids("Describe this region: Color."))
    usage = answer.usage
    assert usage.completion_tokens == counted == len(text.rstrip(".").split()) + 1
    assert usage.prompt_tokens == prompt > 64
    assert usage.total_tokens == prompt + counted


def test_every_form_of_a_region(client: openai.OpenAI, truth: Any, park: str) -> None:
    mask = load_mask(str(RABBIT))
    labels = np.where(mask, 5, 0).astype(np.uint8)
    labels[:20, :20] = 200
    forms: list[Any] = [
        encode_rle(mask),
        {"size": list(mask.shape), "counts": _runs(mask)},
        {"polygon": encode_polygons(mask)},
        {"mask": base64.b64encode(RABBIT.read_bytes()).decode()},
        {"mask": encode_base64_gzip(mask)},
        {"mask": base64.b64encode(png(Image.fromarray(labels))).decode(), "label": 5},
        {"mask": base64.b64encode(png(Image.fromarray(labels))).decode(), "label": [5, 6]},
    ]
    for form in forms:
        text = said(client, park, "category", extra_body={"region": form})
        assert text == truth.regions[0].captions["Category Name"], form
    for form in ([200, 320, 316, 440], {"points": [[128, 300], [10, 10, False]]}):
        assert said(client, park, "category", extra_body={"region": form}).endswith(".")


def _runs(mask: np.ndarray) -> list[int]:
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    return [0] * bool(flat[0]) + np.diff([0, *edges, flat.size]).tolist()


def test_without_a_region_the_whole_picture(client: openai.OpenAI, truth: Any, park: str) -> None:
    answer = ask(client, park, "What is in this picture?")
    assert answer.choices[0].message.content == truth.whole
    assert answer.model_extra["finecaption"]["asked"] == "global"
    with pytest.raises(openai.BadRequestError, match="none is marked"):
        ask(client, park, "What color is it?")


def test_streaming(client: openai.OpenAI, truth: Any, rabbit: str) -> None:
    chunks = list(
        ask(client, rabbit, "in detail", stream=True, stream_options={"include_usage": True})
    )
    deltas = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert all(isinstance(delta, str) for delta in deltas[:-1]) and deltas[-1] is None
    assert "".join(deltas[:-1]) == truth.regions[0].dense
    assert len(deltas) > 10
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage == ask(client, rabbit, "in detail").usage
    assert len({chunk.id for chunk in chunks}) == 1
    without = list(ask(client, rabbit, "color", stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in without)


def test_streams_and_answers_side_by_side(live: Live, truth: Any, rabbit: str) -> None:
    async def work() -> tuple[list[str], list[str]]:
        async with openai.AsyncOpenAI(
            base_url=f"{live.url}/v1", api_key="none", max_retries=0, timeout=PATIENCE
        ) as client:

            async def stream() -> str:
                body = chat_body(rabbit, "in detail", stream=True)
                parts = [part async for part in await client.chat.completions.create(**body)]
                return "".join(part.choices[0].delta.content or "" for part in parts)

            async def plain() -> str:
                answer = await client.chat.completions.create(**chat_body(rabbit, "color"))
                return answer.choices[0].message.content or ""

            both = await asyncio.gather(
                asyncio.gather(*(stream() for _ in range(3))),
                asyncio.gather(*(plain() for _ in range(6))),
            )
            return both

    streamed, answered = asyncio.run(work())
    assert set(streamed) == {truth.regions[0].dense}
    assert set(answered) == {truth.regions[0].captions["Color"]}


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_the_cap_on_tokens(client: openai.OpenAI, truth: Any, rabbit: str, field: str) -> None:
    answer = ask(client, rabbit, "in detail", **{field: 4})
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 4
    assert truth.regions[0].dense.startswith(answer.choices[0].message.content)
    chunks = list(ask(client, rabbit, "in detail", stream=True, **{field: 4}))
    assert chunks[-1].choices[0].finish_reason == "length"


def test_stop(client: openai.OpenAI, truth: Any, rabbit: str) -> None:
    full = truth.regions[0].dense
    stop = full.split(". ")[1][:9]
    wanted = full.partition(stop)[0]
    answer = ask(client, rabbit, "in detail", stop=["absent", stop])
    assert answer.choices[0].message.content == wanted
    assert answer.choices[0].finish_reason == "stop"
    chunks = list(ask(client, rabbit, "in detail", stop=stop, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == wanted


def test_temperature_and_seed(client: openai.OpenAI, truth: Any, rabbit: str) -> None:
    hot = {"temperature": 2.0, "max_tokens": 24}
    first, again, other = (
        said(client, rabbit, "in detail", seed=seed, **hot) for seed in (7, 7, 8)
    )
    assert first == again != other
    assert first not in truth.regions[0].dense
    # only the likeliest token is left to draw
    cold = said(client, rabbit, "in detail", temperature=2.0, top_p=0.0, seed=-3)
    assert cold == truth.regions[0].dense


def test_ours_beside_openais(client: openai.OpenAI, truth: Any, rabbit: str) -> None:
    brief = said(client, rabbit, "in detail", extra_body={"length": "sentence"})
    assert brief == truth.regions[0].dense.split(". ")[0] + "."
    with pytest.raises(openai.BadRequestError, match="beams"):
        ask(client, rabbit, "color", temperature=1, extra_body={"beams": 2})


def test_the_last_message_is_answered(client: openai.OpenAI, truth: Any, rabbit: str) -> None:
    (first,) = chat_body(rabbit, "in detail")["messages"]
    messages = [
        {"role": "system", "content": "Be kind."},
        first,
        {"role": "assistant", "content": "A rabbit."},
        {"role": "user", "content": "And its color?"},
    ]
    answer = client.chat.completions.create(model=NAME, messages=messages)  # type: ignore[arg-type]  # plain dicts
    assert answer.choices[0].message.content == truth.regions[0].captions["Color"]


def part(**fields: Any) -> dict[str, Any]:
    """A request with one part of a message."""
    return {"messages": [{"role": "user", "content": [fields]}]}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"n": 2}, "n: this model cannot"),
        ({"logprobs": True}, "logprobs: this model cannot"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"temperature": 3}, "temperature: Input should be less than or equal to 2"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": list("abcde")}, "stop: List should have at most 4 items"),
        ({"stop": 7}, "stop: Input should be a valid"),
        (
            part(type="text", text=5),
            r"- messages\.0\.content\.0\.text: Input should be a valid str",
        ),
        (part(type="text"), r"- messages\.0\.content\.0\.text: Field required"),
        (
            part(type="image_url", image_url={"url": 5}),
            r"- messages\.0\.content\.0\.image_url\.url",
        ),
        (
            {"extra_body": {"region": {"box": [0.25, 0.25, 0.6, 0.75]}}},
            "not fractions of the image",
        ),
        ({"extra_body": {"region": {"points": [[0.25, 0.5]]}}}, "not fractions of the image"),
        (
            {"extra_body": {"region": {"polygon": [0.1, 0.1, 0.5, 0.1, 0.5, 0.9]}}},
            "not fractions of the image",
        ),
        ({"extra_body": {"nonsense": 1}}, "Unrecognized request argument supplied: nonsense"),
        ({"extra_body": {"region": {"box": [1, 2, 3]}}}, "region.box"),
        ({"extra_body": {"region": {"box": [9, 9, 3, 3]}}}, "reversed"),
        ({"extra_body": {"region": {"points": [[900, 2]]}}}, "outside the image"),
        ({"extra_body": {"region": {}}}, "a region is one of"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": "color"}]}, "hold no image"),
        ({"messages": [{"role": "system", "content": "x"}]}, 'none with the role "user"'),
    ],
)
def test_what_cannot_be_used_is_said(
    client: openai.OpenAI, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=message) as caught:
        ask(client, small(), "color", **more)
    assert caught.value.type == "invalid_request_error"


def test_what_changes_nothing_is_taken(client: openai.OpenAI, truth: Any, rabbit: str) -> None:
    neutral: dict[str, Any] = {
        "user": "me", "n": 1, "presence_penalty": 0, "logprobs": False, "metadata": {},
        "response_format": {"type": "text"}, "tools": [], "service_tier": "auto",
    }  # fmt: skip
    assert said(client, rabbit, "color", **neutral) == truth.regions[0].captions["Color"]


def test_an_unknown_question_lists_what_can_be_asked(client: openai.OpenAI, rabbit: str) -> None:
    with pytest.raises(openai.BadRequestError, match="Facial Expression.*describe in detail"):
        ask(client, rabbit, "Sing me a song.")
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(**{**chat_body(rabbit), "model": "gpt-5"})
    assert caught.value.code == "model_not_found"


def test_a_transparent_picture_marks_nothing(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="transparent everywhere"):
        ask(client, small((1, 2, 3, 0)), "color")
    with pytest.raises(openai.BadRequestError, match="none is marked"):
        ask(client, small((1, 2, 3, 255)), "color")


def test_an_alpha_that_is_nowhere_below_half_marks_nothing() -> None:
    """The colors are as `load_image` gives them: on white."""
    for alpha, marks in ((255, False), (254, False), (128, False), (127, True), (0, True)):
        picture = Image.new("RGBA", (8, 4), (10, 200, 30, 255))
        picture.putpixel((2, 1), (10, 200, 30, alpha))
        loaded = decode_image(png(picture), 100, True, "image")
        assert (loaded.mask is not None) == marks
        if loaded.mask is not None:
            assert loaded.mask.sum() == 31 and not loaded.mask[1, 2]


def test_long_texts_and_orientation_do_not_matter() -> None:
    """The workflow that ComfyUI writes into its files; a TIFF file that lies on its side."""
    info = PngInfo()
    info.add_itxt("workflow", "x" * 1_500_000, zip=True)
    picture = Image.new("RGB", (8, 4), (10, 200, 30))
    assert decode_image(png(picture, pnginfo=info), 100, True, "image").picture.size == (8, 4)
    assert decode_mask(png(picture, pnginfo=info), (8, 4), "mask")
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    picture.save(stream, "TIFF", exif=exif)
    assert decode_image(stream.getvalue(), 100, True, "image").picture.size == (4, 8)
    with pytest.raises(InputError, match="image: .*8 x 4 = 32 pixels, over the limit of 31"):
        decode_image(png(picture), 31, True, "image")


def test_colours_under_transparency_are_kept() -> None:
    """The picture that the model gets is the one that was marked, not a cut-out on white."""
    picture = Image.new("RGBA", (8, 4), (10, 200, 30, 0))
    picture.paste((10, 200, 30, 255), (0, 0, 4, 4))
    loaded = decode_image(png(picture), 100, True, "image")
    assert loaded.mask is not None and loaded.mask.sum() == 16
    assert loaded.picture.getcolors() == [(32, (10, 200, 30))]
    opaque = decode_image(png(picture.convert("RGB")), 100, True, "image")
    assert opaque.digest == loaded.digest, "one picture with many masks is encoded once"
    flat = decode_image(png(picture), 100, False, "image")
    assert flat.mask is None and flat.picture.getpixel((7, 0)) == (255, 255, 255)
    assert flat.digest != loaded.digest
