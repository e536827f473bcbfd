"""Drawing, beams, guidance, length: what each does to answers, and that nothing else matters."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from finecaption.decoding import Decoding
from finecaption.errors import InputError
from finecaption.inference.batch_decoder import answer_stream, answers
from finecaption.inference.sampling import choose, row_seed
from finecaption.inference.truncation import cut
from tests.answers import answer

from .conftest import QUESTIONS, Setting

TOKENS = 10


def told(setting: Setting, decoding: Decoding | None = None, **options: Any) -> list[list[str]]:
    given = {"inputs": setting.inputs, "questions": setting.questions, **options}
    return answer(
        setting.model, setting.processor, decoding=decoding, max_new_tokens=TOKENS, **given
    )


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("max_new_tokens", 0, "max_new_tokens: must be a whole number, at least 1"),
        ("max_new_tokens", 2.5, "max_new_tokens"),
        ("temperature", -1, "temperature: must be a number, at least 0"),
        ("temperature", float("nan"), "temperature"),
        ("top_p", 0, "top_p: must be above 0"),
        ("top_p", 1.5, "top_p: must be a number, 0 to 1"),
        ("top_k", -1, "top_k"),
        ("seed", "7", "seed"),
        ("beams", 0, "beams: must be a whole number, 1 to 32"),
        ("beams", True, "beams"),
        ("length", "long", "length: must be one of brief, sentence, paragraph; got 'long'"),
        ("guidance", float("inf"), "guidance"),
    ],
)
def test_settings_out_of_range_are_refused(field: str, value: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Decoding(**{field: value})  # type: ignore[arg-type]  # of the table


def test_beams_do_not_draw() -> None:
    with pytest.raises(InputError, match="set temperature to 0"):
        Decoding(beams=3, temperature=0.7)


# --- drawing -------------------------------------------------------------------------------


def draws(logits: list[float], decoding: Decoding, count: int = 4000) -> torch.Tensor:
    """The shares of each token in so many draws."""
    source = torch.Generator().manual_seed(0)
    rows = torch.tensor([logits]).expand(count, -1)
    chosen = choose(rows, decoding, [source] * count)
    return torch.bincount(chosen, minlength=len(logits)) / count


LOGITS = [1.0, 3.0, 2.0, -1.0]


def test_tokens_are_drawn_by_their_probability() -> None:
    for temperature in (0.5, 1.0, 2.0):
        expected = (torch.tensor(LOGITS) / temperature).softmax(0)
        found = draws(LOGITS, Decoding(temperature=temperature))
        assert (found - expected).abs().max() < 0.03


def test_only_the_likeliest_are_drawn() -> None:
    kept = torch.tensor([3.0, 2.0]).softmax(0)
    shares = torch.tensor(LOGITS).softmax(0)  # 0.09, 0.66, 0.24, 0.01
    for decoding in (
        Decoding(temperature=1.0, top_k=2),
        Decoding(temperature=1.0, top_p=float(shares[1]) + 0.1),
        Decoding(temperature=1.0, top_p=0.95, top_k=2),
    ):
        found = draws(LOGITS, decoding)
        assert found[0] == found[3] == 0
        assert (found[[1, 2]] - kept).abs().max() < 0.03
    assert draws(LOGITS, Decoding(temperature=1.0, top_p=1e-9))[1] == 1
    assert draws(LOGITS, Decoding(temperature=1e-30))[1] == 1


def test_a_seed_gives_the_same_answers_in_any_batch(llama: Setting) -> None:
    decoding = Decoding(temperature=1.0, seed=7)
    together = told(llama, decoding)
    assert told(llama, decoding, max_rows=5) == together
    for number, question in enumerate(QUESTIONS):
        alone = {
            "pixel_values": llama.inputs["pixel_values"][1:],
            "pixel_values_clip": llama.inputs["pixel_values_clip"][1:],
            "region_masks": llama.inputs["region_masks"][1:2],
        }
        assert told(llama, decoding, inputs=alone, questions=[[question]]) == [
            [together[1][number]]
        ]
    assert told(llama, Decoding(temperature=1.0, seed=8)) != together
    assert told(llama, Decoding(temperature=1.0)) != told(llama, Decoding(temperature=1.0))
    assert told(llama) != together


def test_seeds_of_rows() -> None:
    assert row_seed(1, "a") == row_seed(1, "a") < 1 << 63
    assert len({row_seed(1, "a"), row_seed(2, "a"), row_seed(1, "b"), row_seed(None, "a")}) == 4


# --- beams ---------------------------------------------------------------------------------


@pytest.mark.parametrize("beams", [2, 4])
def test_beam_search_equals_transformers(
    setting: Setting, beams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two common tokens as ends, so that beams end at many lengths."""
    free = told(setting)
    ids = [
        setting.processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        for texts in free
        for text in texts
    ]
    common = sorted({t for row in ids for t in row}, key=lambda t: -sum(t in row for row in ids))
    ends = [2, *common[:2]]
    monkeypatch.setattr(setting.model.generation_config, "eos_token_id", ends)
    found = answers(
        setting.model, setting.processor, setting.inputs, setting.questions,
        decoding=Decoding(beams=beams, max_new_tokens=TOKENS),
    )  # fmt: skip
    lengths = set()
    for region in range(3):
        for number, question in enumerate(QUESTIONS):
            expected = setting.stock(
                region, question, num_beams=beams, max_new_tokens=TOKENS, length_penalty=1.0
            )
            ended = bool(expected) and expected[-1] in ends
            assert found[region][number].text == setting.text(expected[: -1 if ended else None])
            lengths.add(found[region][number].tokens)
    assert len(lengths) > 2  # the rows do end at different steps
    assert [[one.text for one in row] for row in found] != free


def test_a_better_answer_is_found_by_more_beams(llama: Setting) -> None:
    sums = []
    for beams in (1, 4):
        found = answers(
            llama.model, llama.processor, llama.inputs, llama.questions,
            decoding=Decoding(beams=beams, max_new_tokens=TOKENS),
        )  # fmt: skip
        assert all(one.tokens > 0 for row in found for one in row)
        sums.append(sum(one.logprob for row in found for one in row))
    assert sums[1] > sums[0]


def test_beams_tell_finished_answers_only(llama: Setting) -> None:
    pieces = list(
        answer_stream(
            llama.model,
            llama.processor,
            llama.inputs,
            llama.questions,
            decoding=Decoding(beams=3, max_new_tokens=4),
        )  # fmt: skip
    )
    assert len(pieces) == 12 and all(piece.finished for piece in pieces)


# --- guidance ------------------------------------------------------------------------------


def test_guidance_is_the_contrast_with_the_whole_picture(setting: Setting) -> None:
    """The first token, from the two prompts' logits; and no guidance changes nothing."""
    whole = torch.full_like(setting.inputs["region_masks"][:2], 255)
    inputs = {**setting.inputs, "whole_masks": whole}
    assert told(setting, Decoding(guidance=0.0), inputs=inputs) == told(setting)
    question, region, strength = QUESTIONS[0], 1, 1.5
    prompt = setting.processor.prompt(question)
    given = dict(setting.processor(setting.pictures[1], prompt, setting.masks[region]))
    with torch.no_grad():
        r = setting.model(**given).logits[0, -1]
        given["region_masks"] = whole[1:]
        w = setting.model(**given).logits[0, -1]
    expected = int((r + strength * (r - w)).argmax())
    found = answers(
        setting.model, setting.processor, inputs, setting.questions,
        decoding=Decoding(guidance=strength, max_new_tokens=1),
    )[region][0]  # fmt: skip
    assert found.text == ("" if expected == 2 else setting.text([expected]))
    assert found.logprob == pytest.approx(float(r.log_softmax(-1)[expected]), abs=1e-4)


def test_guidance_works_in_any_batch_and_with_everything_else(llama: Setting) -> None:
    strong = Decoding(guidance=2.0)
    together = told(llama, strong)
    assert together != told(llama)
    assert told(llama, strong, max_rows=3) == together
    drawn = Decoding(guidance=2.0, temperature=1.0, seed=3)
    assert told(llama, drawn) == told(llama, drawn, max_rows=3)
    searched = Decoding(guidance=2.0, beams=3)
    assert told(llama, searched) == told(llama, searched, max_rows=3)


def test_the_whole_picture_is_not_guided(llama: Setting) -> None:
    """Nothing sets it apart from itself."""
    inputs = {
        "pixel_values": llama.inputs["pixel_values"][:1],
        "pixel_values_clip": llama.inputs["pixel_values_clip"][:1],
        "region_masks": torch.full_like(llama.inputs["region_masks"][:1], 255),
    }
    given: dict[str, Any] = {"inputs": inputs, "questions": [QUESTIONS]}
    assert told(llama, Decoding(guidance=3.0), **given) == told(llama, **given)


# --- length --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "length", "kept", "enough"),
    [
        ("A red cup. It stands.", None, "A red cup. It stands.", False),
        ("A red cup. It stands.", "paragraph", "A red cup. It stands.", False),
        ("A red cup. It stands.", "sentence", "A red cup.", True),
        ("A red cup.", "sentence", "A red cup.", False),
        ("It costs 3.5 euros. Cheap.", "sentence", "It costs 3.5 euros.", True),
        ("Dr. E. Smith sits, e.g. here! Yes.", "sentence", "Dr. E. Smith sits, e.g. here!", True),
        ('It says "Stop!" in red. It is big.', "sentence", 'It says "Stop!" in red.', True),
        ('It says "Stop." It is big.', "sentence", 'It says "Stop."', True),
        ("红色的杯子。在桌上。", "sentence", "红色的杯子。", True),
        ("A man, with a hat. He sits.", "brief", "A man", True),
        ("A man sits. He smiles.", "brief", "A man sits", True),
        ("A man sits.", "brief", "A man sits", False),
        ("1,000 cups - red", "brief", "1,000 cups", True),
        ("A well-made cup,", "brief", "A well-made cup", False),
        ("", "brief", "", False),
    ],
)
def test_cut(text: str, length: str | None, kept: str, enough: bool) -> None:
    assert cut(text, length) == (kept, enough)


def test_answers_are_cut_and_not_written_further(
    llama: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word of the babble is made to end a sentence."""
    whole = answers(
        llama.model, llama.processor, llama.inputs, llama.questions, max_new_tokens=TOKENS
    )
    words = whole[0][1].text.split()
    mark = next(w for w in words[2:] if w != words[0])
    plain = llama.processor.answer

    def spelled(ids: Any) -> str:
        return plain(ids).replace(f" {mark}", ". Then")

    monkeypatch.setattr(llama.processor, "answer", spelled)
    full = told(llama)
    grown: dict[tuple[int, int], list[str]] = {}
    steps = 0
    for piece in answer_stream(
        llama.model, llama.processor, llama.inputs, llama.questions,
        decoding=Decoding(length="sentence", max_new_tokens=TOKENS),
    ):  # fmt: skip
        steps += 1
        grown.setdefault((piece.region, piece.question), []).append(piece.text)
        if piece.finished:
            text = full[piece.region][piece.question]
            assert piece.text == cut(text, "sentence")[0]
            assert piece.tokens < TOKENS or not cut(text, "sentence")[1]
    assert any(cut(text, "sentence")[1] for texts in full for text in texts)
    assert steps < 12 * TOKENS
    searched = told(llama, Decoding(beams=2, length="sentence"))
    assert searched == [
        [cut(text, "sentence")[0] for text in texts] for texts in told(llama, Decoding(beams=2))
    ]


def test_the_mean_is_over_what_is_kept(llama: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut after n tokens, the log-probability is that of an answer capped at n."""
    plain = llama.processor.answer
    monkeypatch.setattr(
        llama.processor, "answer", lambda ids: plain(ids[:3]) + "." + " And so on" * (len(ids) > 3)
    )
    short, capped = (
        answers(llama.model, llama.processor, llama.inputs, llama.questions, decoding=decoding)
        for decoding in (
            Decoding(length="sentence", max_new_tokens=TOKENS),
            Decoding(max_new_tokens=3),
        )
    )
    compared = 0
    for row, others in zip(short, capped, strict=True):
        for one, other in zip(row, others, strict=True):
            if one.tokens <= 3:  # four: the model itself ended it there
                assert one.tokens == other.tokens
                assert one.logprob == pytest.approx(other.logprob, abs=1e-5)
                compared += one.tokens == 3
    assert compared > 3
