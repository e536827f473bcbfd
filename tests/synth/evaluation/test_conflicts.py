from __future__ import annotations

import random
from typing import Any

import pytest

from finecaption_synth.evaluation.conflicts import stated_in_paragraph, study
from finecaption_synth.language import paraphrases, region_paragraph
from finecaption_synth.observe import observe
from finecaption_synth.scene import sample_scene


def records(scenes: int = 12) -> list[dict[str, Any]]:
    """What a model that is always right would answer."""
    out = []
    for index in range(scenes):
        for truth in observe(sample_scene("val", 0, index)).truth.regions:
            rng = random.Random(truth.region_id)
            out.append(
                {
                    "picture": f"p{index}", "index": index, "region_id": truth.region_id,
                    "truth": {
                        n: {f: list(v) for f, v in d.items()} for n, d in truth.attributes.items()
                    },
                    "answers": {n: rng.choice(paraphrases(truth, n)) for n in truth.attributes},
                    "dense": region_paragraph(truth, rng),
                    "dense_references": [region_paragraph(truth, rng)],
                }
            )  # fmt: skip
    return out


def test_the_reader_finds_no_conflict_where_all_is_true() -> None:
    found = study(records())
    assert found is not None
    assert found["all"]["compared"] > 300
    assert found["all"]["contradictions"] == 0
    assert found["all"]["reader_error"] == 0
    assert found["all"]["accuracy_alone"] == found["all"]["accuracy_at_once"] == 1
    assert found["all"]["omitted"] == pytest.approx(found["all"]["reference_omits"], abs=0.02)


def test_a_contradiction_is_found_and_the_truth_sides() -> None:
    (one,) = [r for r in records(4) if r["truth"].get("Color", {}).get("colour")][:1]
    true = one["truth"]["Color"]["colour"][0]
    other = "red" if true != "red" else "blue"
    wrong = {**one, "answers": {**one["answers"], "Color": f"It is {other}."}}
    found = study([wrong])
    assert found is not None
    colour = found["attributes"]["Color"]
    assert (colour["contradicted"], colour["alone_right"], colour["at_once_right"]) == (1, 0, 1)
    example = next(e for e in found["examples"] if e["attribute"] == "Color")
    assert (example["alone"], example["at_once"], example["truth"]) == ([other], [true], [true])


def test_silence_is_an_omission_and_no_contradiction() -> None:
    (one,) = records(1)[:1]
    found = study([{**one, "dense": "There it is."}])
    assert found is not None
    assert found["all"]["omitted"] == 1 and found["all"]["compared"] == 0
    assert study([{**one, "dense": None}]) is None


@pytest.mark.parametrize(
    ("attribute", "facet", "expected"),
    [
        ("Hair", "colour", ("brown",)),
        ("Clothing Shoes Accessories", "colour", ("grey",)),
        ("Skin Texture and Color", "tone", ("dark",)),
        ("Color", "colour", ("grey",)),
        ("Category Name", "category", ("girl",)),
        ("Visible Text", "text", ()),
        ("Relative Location with Other Objects", "relation", ("to the right of|ladder",)),
    ],
)
def test_each_attribute_is_read_where_it_is_spoken_of(
    attribute: str, facet: str, expected: tuple[str, ...]
) -> None:
    text = (
        "We see a girl of average build in a grey coat who is sitting. She has brown hair in a "
        "bun, dark freckled skin and an angry expression. She wears sneakers and a white bag and "
        "is leaned on by the open door. She is to the right of the blue ladder."
    )
    assert stated_in_paragraph(attribute, text)[facet] == expected


def test_a_word_is_read_where_something_says_it() -> None:
    text = "This is a red sign. It is made of wood. Its text says OPEN."
    assert stated_in_paragraph("Visible Text", text)["text"] == ("OPEN",)
    assert stated_in_paragraph("State or Activity", text)["state"] == ()


@pytest.mark.parametrize(
    ("paragraph", "tone", "coat"),
    [
        ("This is a girl in brown overalls. She has brown hair in a bun.", (), ()),
        ("She has red hair, dark smooth skin and a sad expression.", ("dark",), ()),
        ("A girl in brown. Her face cannot be seen.", ("not visible",), ("not visible",)),
        ("This is a slim brown cat with a striped coat.", (), ("striped",)),
    ],
)
def test_skin_is_read_only_where_it_is_spoken_of(
    paragraph: str, tone: tuple[str, ...], coat: tuple[str, ...]
) -> None:
    found = stated_in_paragraph("Skin Texture and Color", paragraph)
    assert (found["tone"], found["coat"]) == (tone, coat)
