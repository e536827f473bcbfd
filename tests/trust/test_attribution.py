from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from finecaption.attributes import region_instruction
from finecaption.captioner import FineCaption
from finecaption.errors import InputError
from finecaption.trust.attribution import answer_words, evidence_map, evidence_maps, lift
from finecaption_synth.compose import render_rgb
from finecaption_synth.observe import observe
from finecaption_synth.scene import sample_scene

ASKED = region_instruction("One-Sentence Description")


@pytest.fixture(scope="module")
def mini() -> FineCaption:
    return FineCaption.from_pretrained("finecaption-mini")


def test_words_and_their_tokens(mini: FineCaption) -> None:
    words = answer_words(mini, ASKED, "A red boat is on the lake.")
    assert len(words) == 7 and all(len(tokens) == 1 for tokens in words)
    ids = mini.processor.prompt_ids(ASKED, "A red boat is on the lake.")
    spoken = [mini.processor.tokenizer.decode([ids[tokens[0]]]) for tokens in words]
    assert spoken == ["a", "red", "boat", "is", "on", "the", "lake"]


def test_most_of_it_lies_on_the_thing(mini: FineCaption) -> None:
    """On drawn scenes that the model was not trained on, the words of a description of a thing are
    carried by the thing's own pixels, far above chance (1)."""
    lifts = []
    for index in (3, 8):
        seen = observe(sample_scene("test", 0, index))
        encoded = mini.encode(Image.fromarray(render_rgb(seen.svg)))
        for region in [one for one in seen.truth.regions if one.part_of is None][:3]:
            mask = seen.masks[region.region_id]
            text = f"A {region.colour} {region.category}."
            found = evidence_map(mini, encoded, mask, ASKED, text, 2)
            assert found.shape == mask.shape and found.dtype == np.float32
            assert found.min() >= 0 and found.max() == pytest.approx(1, abs=1e-3)
            lifts.append(lift(found, mask))
    assert len(lifts) >= 4
    assert np.mean(lifts) > 2 and np.median(lifts) > 1.5


def test_regions_and_words_differ_and_the_model_is_left_as_it_was(mini: FineCaption) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8))
    before = mini.model.language_model.config._attn_implementation
    mask = np.zeros((60, 90), bool)
    mask[:30, :40] = True
    one, two = evidence_maps(mini, picture, mask, ASKED, "A red boat.", [1, 2])
    assert one.shape == (60, 90) and not np.allclose(one, two)
    other = evidence_map(mini, picture, ~mask, ASKED, "A red boat.", 1)
    assert not np.allclose(one, other)
    assert evidence_map(mini, picture, None, ASKED, "A red boat.", 1).shape == (60, 90)
    assert mini.model.language_model.config._attn_implementation == before
    assert all(parameter.grad is None for parameter in mini.model.parameters())


@pytest.mark.parametrize(
    ("answer", "word", "message"),
    [("A red boat.", 3, "from 0 to 2"), ("A red boat.", -1, "from 0"), (" ", 0, "is empty")],
)
def test_no_such_word(mini: FineCaption, answer: str, word: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evidence_map(mini, Image.new("RGB", (8, 8)), None, ASKED, answer, word)


def test_lift() -> None:
    mask = np.zeros((4, 4), bool)
    mask[:2, :2] = True
    assert lift(np.ones((4, 4)), mask) == 1
    assert lift(mask.astype(float), mask) == 4
    assert lift((~mask).astype(float), mask) == 0
    assert lift(np.zeros((4, 4)), mask) == 0
