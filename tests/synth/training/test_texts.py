from __future__ import annotations

from finecaption.attributes import ATTRIBUTE_NAMES, dense_instruction, region_instruction
from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.processing import FineCaptionProcessor
from finecaption.training.packing import common_prefix
from finecaption_synth.language import corpus
from finecaption_synth.training.texts import Texts, prompts


def test_there_is_a_prompt_for_every_attribute_and_both_paragraphs() -> None:
    assert len(set(prompts())) == len(prompts()) == len(ATTRIBUTE_NAMES) + 2
    assert region_instruction("Color") in prompts() and dense_instruction() in prompts()


def test_every_word_of_the_world_has_a_token(processor: FineCaptionProcessor) -> None:
    unknown = processor.tokenizer.unk_token_id
    for text in [*prompts(), *list(corpus())[::37]]:
        ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert unknown not in ids, text


def test_prompts_of_a_region_share_the_image_and_more(
    processor: FineCaptionProcessor, config: FineCaptionConfig
) -> None:
    texts = Texts(processor)
    ids = [texts.prompt_ids(region_instruction(n)) for n in ATTRIBUTE_NAMES]
    shared = ids[0][: common_prefix(ids)]
    assert shared.count(config.image_token_id) == config.image_seq_length
    assert "describe this region:" in processor.tokenizer.decode(shared).lower()
    assert all(shared.count(t) == row.count(t) for row in ids for t in [config.image_token_id])


def test_prompts_without_a_picture_have_no_placeholder(
    processor: FineCaptionProcessor, config: FineCaptionConfig
) -> None:
    plain, seen = Texts(processor, image=False), Texts(processor)
    question = region_instruction("Hair")
    assert config.image_token_id not in plain.prompt_ids(question)
    rest = [t for t in seen.prompt_ids(question) if t != config.image_token_id]
    assert plain.prompt_ids(question) == rest
    prompt_ids, answer_ids, turn_ids = plain.cached()
    assert turn_ids(question) == seen.turn_ids(question) == rest[1:]
    assert prompt_ids(question) == rest
    assert answer_ids("It has no hair.")[-1] == processor.tokenizer.eos_token_id
