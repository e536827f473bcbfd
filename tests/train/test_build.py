from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from finecaption.attributes import ATTRIBUTE_NAMES, dense_instruction, region_instruction
from finecaption.errors import InputError
from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.processing import FineCaptionProcessor
from finecaption.synth.language import corpus
from finecaption.train import build
from finecaption.train.build import STATE, Texts, prompts, save_state
from finecaption.train.packing import common_prefix
from finecaption.train.pool import Pool
from finecaption.train.recipes import smoke


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


def test_states_are_written_whole(tmp_path: Path) -> None:
    module = torch.nn.Linear(3, 2)
    save_state(module, tmp_path / STATE)
    assert [p.name for p in tmp_path.iterdir()] == [STATE]
    read = load_file(tmp_path / STATE)
    assert all(torch.equal(v, read[k]) for k, v in module.state_dict().items())


def test_a_model_is_put_together_from_finished_parts_only(
    tmp_path: Path, config: FineCaptionConfig
) -> None:
    with pytest.raises(InputError, match="is missing: run stage0-convnext.* first"):
        build.assemble(smoke(), tmp_path, config)


def test_a_second_run_of_a_kind_goes_on_from_the_first(
    tmp_path: Path, pool: Pool, config: FineCaptionConfig, processor: FineCaptionProcessor
) -> None:
    recipe = smoke()
    kinds = [s.kind for s in recipe.stages if s.kind != "captions" and not s.decoder_only]
    again = next(s for i, s in enumerate(recipe.stages) if s.kind in kinds[:i])
    first = next(s for s in recipe.stages if s.kind == again.kind)
    with pytest.raises(InputError, match=f"is missing: run {first.name} first"):
        build.pretraining_job(recipe, again, pool, config, processor, tmp_path)
    start = build.pretraining_job(recipe, first, pool, config, processor, tmp_path)
    (tmp_path / first.name).mkdir()
    save_state(start.module, tmp_path / first.name / STATE)
    torch.manual_seed(99)
    job = build.pretraining_job(recipe, again, pool, config, processor, tmp_path)
    wanted = start.module.state_dict()
    assert all(torch.equal(v, wanted[k]) for k, v in job.module.state_dict().items())
    assert job.items.seed != start.items.seed  # other pictures first
