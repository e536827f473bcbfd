"""Each family's prompts and answers, on a tiny random checkpoint of it.

The prompts are kept in golden_prompts.json. After a change that is meant, write them again with
FINECAPTION_UPDATE_GOLDENS=1, look at the difference, and raise families.PROMPTS_VERSION.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finecaption.captioners.checkpoint import TransformersCaptioner
from finecaption.captioners.families import FAMILIES, OTHER, PROMPTS_VERSION, family_of
from finecaption.captioners.questions import Question
from finecaption.errors import InputError
from finecaption.protocol import Captioner
from finecaption.types import Region
from tests.captioners.tiny import tiny_families, write_tiny

GOLDEN = Path(__file__).with_name("golden_prompts.json")
NAMES = [family.name for family in FAMILIES]

Tiny = Callable[[str], Path]


@pytest.fixture(scope="module")
def opened(tiny_checkpoint: Tiny) -> Callable[[str], TransformersCaptioner]:
    """Family -> captioner, loaded once."""
    made: dict[str, TransformersCaptioner] = {}

    def captioner(family: str) -> TransformersCaptioner:
        if family not in made:
            made[family] = TransformersCaptioner(
                tiny_checkpoint(family), device="cpu", max_new_tokens=12, batch_size=3
            )
        return made[family]

    return captioner


def test_every_family_has_a_tiny_checkpoint() -> None:
    assert list(tiny_families()) == NAMES
    with pytest.raises(InputError, match="must be one of kosmos-2"):
        write_tiny("clip", "nowhere")


@pytest.mark.parametrize("name", NAMES)
def test_golden_prompts(
    name: str, opened: Callable[[str], TransformersCaptioner], questions: list[Question]
) -> None:
    captioner = opened(name)
    assert captioner.family.name == name
    made = {
        f"{one.task} {one.attribute or ''} {number}": captioner.prompt(one).question
        for number, one in enumerate(questions)
    }
    known = json.loads(GOLDEN.read_text("utf-8")) if GOLDEN.exists() else {}
    if os.environ.get("FINECAPTION_UPDATE_GOLDENS"):
        known = {**known, "version": PROMPTS_VERSION, name: made}
        GOLDEN.write_text(json.dumps(known, indent=1) + "\n", "utf-8")
    assert known["version"] == PROMPTS_VERSION
    assert made == known[name]


@pytest.mark.parametrize("name", NAMES)
def test_answers(
    name: str,
    opened: Callable[[str], TransformersCaptioner],
    questions: list[Question],
    scene: tuple[Image.Image, Region, Region],
) -> None:
    captioner = opened(name)
    assert isinstance(captioner, Captioner)
    told = captioner.answer(questions)
    assert len(told) == len(questions) and all(text.strip() for text in told)
    # batches change nothing, though prompts are of different lengths: padding is left out
    assert [captioner.answer([one])[0] for one in questions] == told
    # the region counts, and so does the picture
    assert told[0] != told[1]
    negative = Image.fromarray(255 - np.asarray(scene[0]))
    assert captioner.answer([questions[4]._replace(image=negative)]) != [told[4]]


@pytest.mark.parametrize("name", ["qwen2-vl", "qwen2.5-vl", "qwen3-vl"])
@pytest.mark.parametrize("size", [(128, 96), (33, 300), (2000, 1500), (20, 20)])
def test_resized_is_what_the_processor_makes(
    name: str, size: tuple[int, int], opened: Callable[[str], TransformersCaptioner]
) -> None:
    captioner = opened(name)
    images = captioner.processor.image_processor
    _, rows, columns = images(Image.new("RGB", size), return_tensors="np")["image_grid_thw"][0]
    wanted = columns * images.patch_size, rows * images.patch_size
    assert captioner.resized(size) == wanted


def test_qwen2_5_names_pixels_of_the_resized_picture(
    opened: Callable[[str], TransformersCaptioner],
) -> None:
    captioner = opened("qwen2.5-vl")
    picture = Image.new("RGB", (1000, 500))
    region = Region.from_box((500, 0, 1000, 250), picture.size)
    asked = Question(picture, region, "rdc")
    width, height = captioner.resized(picture.size)
    assert (width, height) != picture.size
    text = f"<|box_start|>({width // 2},0),({width},{height // 2})<|box_end|>"
    assert text in captioner.prompt(asked).question


@pytest.mark.parametrize("name", ["llava-1.5", "llava-1.6", "vip-llava"])
def test_llava_is_given_a_square(
    name: str, opened: Callable[[str], TransformersCaptioner], questions: list[Question]
) -> None:
    for one in questions:
        picture = opened(name).prompt(one).picture
        assert picture.size == (128, 128)
        assert picture.getpixel((5, 5)) == (122, 116, 104)
        red = np.asarray(picture)[16:112, :, 0] - np.asarray(one.image)[..., 0].astype(int)
        assert (red != 0).any() == (name == "vip-llava" and one.region is not None)


def test_kosmos_prompts_are_the_processors_own(
    opened: Callable[[str], TransformersCaptioner],
) -> None:
    """Our text with the tags in it, and the processor's way with `bboxes=`, give the same ids."""
    captioner = opened("kosmos-2")
    picture = Image.new("RGB", (640, 480))
    region = Region.from_box((64, 48, 320, 480), picture.size)
    asked = Question(picture, region, "aarc", "One-Sentence Description")
    ours = captioner.processor(
        images=picture, text=captioner.prompt(asked).question, num_image_tokens=4
    )
    theirs = captioner.processor(
        images=picture, text="<grounding><phrase> It</phrase> is",
        bboxes=[(0.1, 0.1, 0.5, 1.0)], num_image_tokens=4,
    )  # fmt: skip
    assert ours["input_ids"] == theirs["input_ids"]


def test_kosmos_answers_lose_their_tags() -> None:
    clean = family_of("kosmos-2").clean
    said = "a<phrase> cup</phrase><object><patch_index_0044><patch_index_0863></object> of tea "
    assert clean(said) == "a cup of tea"


def test_vip_llava_stops_where_the_next_turn_begins() -> None:
    assert family_of("vipllava").clean("A cup. ###Human: more") == "A cup."


@pytest.mark.parametrize("name", ["llava-1.5", "llava-1.6", "vip-llava"])
def test_published_prompts_without_a_chat_template(name: str, tmp_path: Path) -> None:
    folder = write_tiny(name, tmp_path)
    (folder / "chat_template.jinja").unlink()
    vicuna = (
        "A chat between a curious human and an artificial intelligence assistant. The assistant "
        "gives helpful, detailed, and polite answers to the human's questions."
    )
    published = {
        "llava-1.5": "USER: <image>\nWhat? ASSISTANT:",
        "llava-1.6": f"{vicuna} USER: <image>\nWhat? ASSISTANT:",
        "vip-llava": f"{vicuna}###Human: <image>\nWhat?###Assistant:",
    }
    assert TransformersCaptioner(folder).full_text("What?") == published[name]


def test_older_downloads_are_read_too(tmp_path: Path, questions: list[Question]) -> None:
    """preprocessor_config.json with limits on pixels, chat_template.json, no processor_config.json:
    as Qwen/Qwen2-VL-7B-Instruct was published."""
    folder = write_tiny("qwen2-vl", tmp_path)
    wanted = TransformersCaptioner(folder, device="cpu", max_new_tokens=6).answer(questions[:2])
    template = (folder / "chat_template.jinja").read_text("utf-8")
    images = json.loads((folder / "preprocessor_config.json").read_text("utf-8"))
    for name in ("chat_template.jinja", "processor_config.json", "preprocessor_config.json"):
        (folder / name).unlink()
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    size = images.pop("size")
    images |= {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2VLProcessor",
        "min_pixels": size["shortest_edge"],
        "max_pixels": size["longest_edge"],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    assert (
        TransformersCaptioner(folder, device="cpu", max_new_tokens=6).answer(questions[:2])
        == wanted
    )


def test_a_missing_chat_template_is_an_input_error(tmp_path: Path) -> None:
    folder = write_tiny("qwen2-vl", tmp_path)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match="holds no chat template"):
        TransformersCaptioner(folder).full_text("What?")


def test_other_ways_of_showing(
    opened: Callable[[str], TransformersCaptioner],
    questions: list[Question],
    tiny_checkpoint: Tiny,
) -> None:
    captioner = TransformersCaptioner(tiny_checkpoint("qwen2-vl"), shown="circle")
    asked = questions[0]
    picture, question = captioner.prompt(asked)
    assert question.startswith("Describe this attribute of the region in the red circle")
    assert (np.asarray(picture) != np.asarray(asked.image)).any()
    assert captioner.identity["region"] == "visual prompt: circle"
    assert captioner.identity != opened("qwen2-vl").identity


def test_identity(
    opened: Callable[[str], TransformersCaptioner], tiny_checkpoint: Tiny, tmp_path: Path
) -> None:
    one = opened("qwen2-vl").identity
    assert json.loads(json.dumps(one)) == one
    assert one["kind"] == "transformers" and len(one["sha256"]) == 64
    other = TransformersCaptioner(write_tiny("qwen2-vl", tmp_path, seed=9)).identity
    assert other["sha256"] != one["sha256"]
    same = TransformersCaptioner(tiny_checkpoint("qwen2-vl"), max_new_tokens=12, name="x").identity
    assert same == {**one, "name": "x"}


def test_halves_a_batch_that_does_not_fit(
    tiny_checkpoint: Tiny, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    captioner = TransformersCaptioner(tiny_checkpoint("qwen2-vl"), device="cpu", max_new_tokens=4)
    wanted = captioner.answer(questions)
    real, sizes = captioner._generate, []

    def small(prompts: list) -> list[str]:  # type: ignore[type-arg]  # Prompt is not public
        sizes.append(len(prompts))
        if len(prompts) > 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate")
        return real(prompts)

    monkeypatch.setattr(captioner, "_generate", small)
    assert captioner.answer(questions) == wanted
    assert sizes[:3] == [5, 2, 1] and captioner.batch_size == 1


def test_unknown_models_are_asked_with_a_red_box() -> None:
    assert family_of("paligemma") is OTHER


def test_bad_settings_and_folders(tiny_checkpoint: Tiny, tmp_path: Path) -> None:
    folder = tiny_checkpoint("qwen2-vl")
    for settings, message in (
        ({"shown": "alpha"}, "must be one of text, box"),
        ({"batch_size": 0}, "batch_size: is 0"),
        ({"max_new_tokens": 0}, "max_new_tokens: is 0"),
    ):
        with pytest.raises(InputError, match=message):
            TransformersCaptioner(folder, **settings)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(InputError, match=r"holds no config.json"):
        TransformersCaptioner(tmp_path)
    (tmp_path / "config.json").write_text("[1")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        TransformersCaptioner(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_vl"}')
    region = Region(np.ones((4, 4), bool))
    with pytest.raises(InputError, match="the .* cannot be read"):
        TransformersCaptioner(tmp_path).answer([Question(Image.new("RGB", (4, 4)), region, "rdc")])
