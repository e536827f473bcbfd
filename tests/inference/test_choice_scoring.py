"""Choices are scored exactly, whatever they share a pass with; what cannot be scored is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finecaption.attributes import region_instruction
from finecaption.captioner import FineCaption
from finecaption.errors import InputError
from finecaption.inference.batch_decoder import answers
from finecaption.inference.choice_scoring import (
    ChoiceScores,
    UnknownWord,
    _Tree,
    _trees,
    answer_ids,
    check_choices,
    check_template,
    fill,
    score_choices,
    slots,
    token_logprobs,
)
from finecaption.inference.vision import encode_images
from finecaption.types import Region, RegionPrompt

COLOR = region_instruction("Color")
SENTENCES = ["A red cup.", "A red table.", "A red cup stands.", "A left cup on the table.", "Cup.",
             "A red cup stands on the left table.", "table"]  # fmt: skip
ROOM = Path(__file__).parents[2] / "examples" / "room.png"


def picture() -> Image.Image:
    values = np.random.default_rng(4).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((90, 60), Image.Resampling.BICUBIC)


def mask() -> np.ndarray:
    values = np.zeros((60, 90), bool)
    values[10:50, 20:60] = True
    return values


@pytest.fixture(scope="module")
def captioner(tiny_folder: Path) -> FineCaption:
    return FineCaption.from_pretrained(tiny_folder)


@pytest.fixture(scope="module")
def mini() -> FineCaption:
    return FineCaption.from_pretrained("finecaption-mini")


@pytest.fixture(scope="module")
def inputs(captioner: FineCaption) -> dict[str, torch.Tensor]:
    made = captioner.processor.image_processor([picture()], [mask()], return_tensors="pt")
    return dict(made)


@pytest.fixture(scope="module")
def features(captioner: FineCaption, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    high = encode_images(captioner.model, inputs["pixel_values"])
    with torch.inference_mode():
        return captioner.model.encode_regions(
            inputs["pixel_values_clip"], inputs["region_masks"], high
        )


@torch.inference_mode()
def alone(
    captioner: FineCaption, features: torch.Tensor, prompt: list[int], answer: list[int]
) -> list[float]:
    """Log-probabilities of an answer's tokens from one plain pass over prompt and answer."""
    ids = torch.tensor([prompt + answer])
    logits = captioner.model(input_ids=ids, region_features=features).logits[0].log_softmax(-1)
    at = torch.arange(len(prompt) - 1, len(prompt) + len(answer) - 1)
    return logits[at, torch.tensor(answer)].tolist()


@pytest.mark.parametrize("limit", [2048, 12, 1])
def test_exact_against_each_alone(
    captioner: FineCaption, features: torch.Tensor, limit: int
) -> None:
    prompt, ids = answer_ids(captioner.processor, COLOR, SENTENCES)
    together = token_logprobs(captioner.model, features, prompt, ids, max_nodes=limit)
    for answer, found in zip(ids, together, strict=True):
        assert found == pytest.approx(alone(captioner, features, prompt, answer), abs=1e-5)


def test_beginnings_are_computed_once(
    captioner: FineCaption, features: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    forward = captioner.model.model.forward

    def counted(*args: object, **kwargs: object) -> object:
        seen.append(kwargs["input_ids"].shape[-1])  # type: ignore[attr-defined]  # a tensor
        return forward(*args, **kwargs)

    monkeypatch.setattr(captioner.model.model, "forward", counted)
    prompt, ids = answer_ids(captioner.processor, COLOR, SENTENCES)
    token_logprobs(captioner.model, features, prompt, ids)
    beginnings = {tuple(own[:n]) for own in ids for n in range(1, len(own) + 1)}
    assert seen == [len(prompt) - 1, 1 + len(beginnings)]


def test_the_engine_gives_the_same_log_probabilities(
    captioner: FineCaption, inputs: dict[str, torch.Tensor], features: torch.Tensor
) -> None:
    names = ("Color", "Hair", "Shape")
    questions = [region_instruction(name) for name in names]
    told = answers(captioner.model, captioner.processor, inputs, [questions], max_new_tokens=24)[0]
    for question, one in zip(questions, told, strict=True):
        prompt = captioner.processor.prompt_ids(question)
        with torch.inference_mode():
            out = captioner.model.generate(
                torch.tensor([prompt]), region_features=features, do_sample=False,
                max_new_tokens=24,
            )  # fmt: skip
        marks = token_logprobs(captioner.model, features, prompt, [out[0, len(prompt) :].tolist()])[
            0
        ]
        assert one.tokens == len(marks)
        assert one.logprob == pytest.approx(np.mean(marks), abs=1e-4)


def test_sums_and_means(captioner: FineCaption, features: torch.Tensor) -> None:
    given = ["red", "red cup", "table"]
    templates = ["A {choice}.", "{choice} stands."]
    model, processor = captioner.model, captioner.processor
    for normalize in ("sum", "mean"):
        scores = score_choices(
            model, processor, features, COLOR, given, templates=templates, normalize=normalize
        )
        assert scores.sentences[1] == ("A red cup.", "Red cup stands.")
        for said, found in zip(scores.sentences, scores.logprobs, strict=True):
            prompt, ids = answer_ids(processor, COLOR, said)
            each = [alone(captioner, features, prompt, own) for own in ids]
            totals = [sum(own) / (len(own) if normalize == "mean" else 1) for own in each]
            assert found == pytest.approx(np.logaddexp(*totals), abs=1e-4)


def test_probabilities() -> None:
    scores = ChoiceScores(("a", "b", "c"), (-900.0, -899.0, float("-inf")))
    shares = scores.probabilities
    assert list(shares) == ["b", "a", "c"]
    assert shares["b"] == pytest.approx(1 / (1 + np.exp(-1)))
    assert shares["c"] == 0 and sum(shares.values()) == pytest.approx(1)


def test_one_choice_is_certain(captioner: FineCaption, features: torch.Tensor) -> None:
    scores = score_choices(captioner.model, captioner.processor, features, COLOR, ["red"])
    assert scores.probabilities == {"red": 1.0}


def test_choices_are_trimmed_and_each_once() -> None:
    assert check_choices([" red", "Red", "light  blue", "red"]) == ("red", "light blue")


@pytest.mark.parametrize("given", [[], "red", ["red", " "], ["red", 3], None])
def test_unusable_choices(given: object) -> None:
    with pytest.raises(InputError, match="choices"):
        check_choices(given)  # type: ignore[arg-type]  # that is the test


def test_a_template_with_one_slot_is_taken_as_it_is() -> None:
    assert check_template("A {choice}.") == "A {choice}."


def test_unusable_templates(captioner: FineCaption, features: torch.Tensor) -> None:
    for template in ("The cup is red.", "{choice} {choice}"):
        with pytest.raises(InputError, match="template"):
            score_choices(captioner.model, captioner.processor, features, COLOR, ["red"],
                          templates=[template])  # fmt: skip


def test_unknown_words(captioner: FineCaption) -> None:
    region = Region(mask())
    with pytest.warns(UnknownWord, match="turquoise"):
        scores = captioner.choice_scores(picture(), region, "color", ["red", "turquoise"])
    assert scores.probabilities == {"red": 1.0, "turquoise": 0.0}
    assert scores.unknown == ("turquoise",)
    with pytest.raises(InputError, match="vocabulary has none of"):
        captioner.choice_scores(picture(), region, "color", ["turquoise"])


@pytest.mark.parametrize(
    ("template", "choice", "said"),
    [
        ("This is a {choice}.", "umbrella", "This is an umbrella."),
        ("An {choice} stands.", "cup", "A cup stands."),
        ("A {choice} stands.", "Apple", "An Apple stands."),
        ("It is a {choice}.", "8-sided sign", "It is a 8-sided sign."),  # a digit says nothing
        ("Pizza {choice}.", "apple", "Pizza apple."),
        ("  {choice} it is.", "red", "  Red it is."),
        ("{choice}.", "light blue", "Light blue."),
    ],
)
def test_articles_and_capitals_agree_with_the_choice(template: str, choice: str, said: str) -> None:
    assert fill(template, choice) == said


@pytest.mark.parametrize(
    ("answer", "choices", "templates"),
    [
        ("Red hat.", (), ["{choice} hat.", "{choice}.", "Red {choice}."]),
        # runs of up to three words
        ("a b c d", (), ["{choice} b c d", "{choice} c d", "{choice} d", "a {choice} c d",
                         "a {choice} d", "a {choice}", "a b {choice} d", "a b {choice}",
                         "a b c {choice}"]),
        # a choice of more words is found as well
        ("It is a b c d.", ["a b c d"], ["It is {choice}."]),
        ("Red and red.", ["red"], ["{choice} and red.", "Red and {choice}."]),
        ("!", (), ["{choice}"]),
    ],
)  # fmt: skip
def test_where_the_slot_can_be(answer: str, choices: tuple[str, ...], templates: list[str]) -> None:
    assert slots(answer, choices) == templates


@pytest.mark.parametrize(
    ("limit", "together"),
    [(100, [3]), (8, [3]), (7, [2, 1]), (5, [2, 1]), (4, [1, 1, 1]), (1, [1, 1, 1])],
)
def test_sentences_go_together_up_to_a_number_of_tokens(limit: int, together: list[int]) -> None:
    """Before a sentence is added, all of its tokens are counted, and the first one behind it."""
    sentences = [[5, 6], [5, 7], [8, 9, 10, 11]]
    found = _trees(4, sentences, limit)
    assert [len(paths) for _, paths in found] == together
    read = [[tree.tokens[node] for node in path] for tree, paths in found for path in paths]
    assert read == sentences


def test_a_tree_shares_beginnings_and_each_token_sees_its_own() -> None:
    tree = _Tree(4)
    paths = [tree.add([5, 6]), tree.add([5, 7]), tree.add([6])]
    assert tree.tokens == [4, 5, 6, 7, 6] and paths == [[1, 2], [1, 3], [4]]
    assert tree.parents == [-1, 0, 1, 1, 0] and tree.depths == [0, 1, 2, 2, 1]
    assert tree.attention_mask().int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 0, 1, 0],
        [1, 0, 0, 0, 1],
    ]


def test_what_has_no_token_cannot_be_scored(captioner: FineCaption, features: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="an answer has no tokens"):
        prompt = captioner.processor.prompt_ids(COLOR)
        token_logprobs(captioner.model, features, prompt, [[5], []])
    image = captioner.model.config.image_token_id
    for prompt in ([], [1, image]):
        with pytest.raises(ValueError, match="must end in a token that is no image placeholder"):
            token_logprobs(captioner.model, features, prompt, [[5]])


def test_filling() -> None:
    assert fill("This is a {choice}.", "apple") == "This is an apple."
    assert fill("It has an {choice} look.", "sad") == "It has a sad look."
    assert fill("It is {choice}.", "angry") == "It is angry."
    assert fill("{choice}.", "red") == "Red."


def test_slots() -> None:
    found = slots("The hat is red.")
    assert "The hat is {choice}." in found and "{choice} is red." in found
    assert all(template.count("{choice}") == 1 for template in found)
    assert slots("") == ["{choice}"]
    assert "A {choice}." in slots("A t-shirt.")


def test_the_slot_is_where_the_answer_says_a_choice() -> None:
    assert slots("The hat is red.", ["blue", "Red"]) == ["The hat is {choice}."]
    assert slots("He wears a striped sweater.", ["striped", "striped sweater"]) == [
        "He wears a {choice}."
    ]
    assert len(slots("The hat is red.", ["blue"])) > 3


def test_unknown_attribute(captioner: FineCaption) -> None:
    with pytest.raises(InputError, match="unknown attribute"):
        captioner.choice_scores(picture(), Region(mask()), "colr-ness", ["red"])


def test_mini_chooses(mini: FineCaption) -> None:
    encoded = mini.encode(ROOM)
    man = RegionPrompt(((434, 315, True),))  # type: ignore[arg-type]  # it makes a Point of it
    kinds = mini.choice_scores(encoded, man, "category", ["cat", "man", "chair", "rabbit"])
    assert next(iter(kinds.probabilities)) == "man"
    assert kinds.probabilities["man"] > 0.9
    ages = mini.choice_scores(encoded, man, "age", ["child", "adult"], template="He is {choice}.")
    assert set(ages.probabilities) == {"child", "adult"}


def test_mini_against_each_alone(mini: FineCaption) -> None:
    encoded = mini.encode(ROOM)
    soft = mini.processor.image_processor.region_inputs(None, encoded.size)
    with torch.inference_mode():
        features = mini.model.encode_regions(
            encoded.pixel_values_clip, torch.from_numpy(soft), encoded.hr_features
        )
    said = [f"The man is {value}." for value in ("happy", "sad", "wearing a red coat", "walking")]
    prompt, ids = answer_ids(mini.processor, COLOR, said)
    for answer, found in zip(ids, token_logprobs(mini.model, features, prompt, ids), strict=True):
        assert found == pytest.approx(alone(mini, features, prompt, answer), abs=1e-5)
