"""Tokenizers of other families: image token, template, ends, room in the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from finecaption.assemble.build import assemble
from finecaption.assemble.presets import tiny
from finecaption.assemble.sources import find_source
from finecaption.assemble.text import read_language
from finecaption.errors import InputError
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor

from . import upstream
from .conftest import TEXTS

ASKED = TEXTS[0]
PROMPTS = {
    "llama": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n"
    f"<|reserved_special_token_0|>{ASKED}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "qwen2": f"<|im_start|>user\n<image>{ASKED}<|im_end|>\n<|im_start|>assistant\n",
    "qwen3": f"<|im_start|>user\n<|image_pad|>{ASKED}<|im_end|>\n"
    "<|im_start|>assistant\n<think>\n\n</think>\n\n",
    "mistral": f"<s>[INST] <image>{ASKED}[/INST]",
}
ENDS = {"llama": "<|eot_id|>", "qwen2": "<|im_end|>\n", "qwen3": "<|im_end|>\n", "mistral": "</s>"}

Assembled = tuple[FineCaptionForConditionalGeneration, FineCaptionProcessor, Path]


@pytest.fixture(scope="module")
def assembled(
    files: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Assembled]:
    """A model around the language model of a family, its processor, and that model's folder."""
    made: dict[str, Assembled] = {}

    def make(kind: str) -> Assembled:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            llm = upstream.language_model(folder / "llm", kind, TEXTS, tied=kind == "qwen2")
            out = assemble(tiny(), folder / "model", **{**files, "llm": str(llm)})
            made[kind] = (
                FineCaptionForConditionalGeneration.from_pretrained(out),
                FineCaptionProcessor.from_pretrained(out),
                llm,
            )
        return made[kind]

    return make


@pytest.mark.parametrize("kind", PROMPTS)
def test_prompts_are_those_of_the_family(kind: str, assembled: Callable[[str], Assembled]) -> None:
    model, processor, _ = assembled(kind)
    prompt = processor.prompt(ASKED)
    assert prompt == PROMPTS[kind]
    whole = processor.prompt(ASKED, "A red cup.")
    assert whole.startswith(prompt) and whole.removeprefix(prompt).strip(" ").startswith(
        "A red cup."
    )
    assert whole.endswith(ENDS[kind])
    ids = processor.prompt_ids(ASKED)
    assert ids.count(model.config.image_token_id) == model.config.image_seq_length == 4
    bos = processor.tokenizer.bos_token_id
    assert bos is None or (ids[0] == bos and ids.count(bos) == 1)
    assert ASKED in processor.tokenizer.decode(ids)


@pytest.mark.parametrize("kind", PROMPTS)
def test_end_and_padding_tokens(kind: str, assembled: Callable[[str], Assembled]) -> None:
    model, processor, _ = assembled(kind)
    tokenizer = processor.tokenizer
    assert tokenizer.eos_token_id in model.generation_config.eos_token_id
    assert ENDS[kind].strip() == tokenizer.eos_token
    assert tokenizer.pad_token is not None and tokenizer.padding_side == "left"
    assert model.config.text_config.pad_token_id == tokenizer.pad_token_id
    batch = processor.tokenizer(["a", "describe the region"], padding=True)
    assert len({len(ids) for ids in batch["input_ids"]}) == 1


@pytest.mark.parametrize(
    ("kind", "added"), [("llama", 0), ("qwen3", 0), ("qwen2", 1), ("mistral", 1)]
)
def test_rows_are_added_only_where_there_is_no_spare_token(
    kind: str, added: int, assembled: Callable[[str], Assembled]
) -> None:
    from transformers import AutoModelForCausalLM

    model, _, llm = assembled(kind)
    before = AutoModelForCausalLM.from_pretrained(llm)
    old = before.get_input_embeddings().weight
    new = model.get_input_embeddings().weight
    assert new.shape[0] == model.config.text_config.vocab_size == old.shape[0] + added
    assert torch.equal(new[: len(old)], old)
    if added:
        assert torch.allclose(new[-1], old.mean(0), atol=1e-6)
        head, old_head = model.lm_head.weight, before.lm_head.weight
        assert torch.allclose(head[-1], old_head.mean(0), atol=1e-6)


def test_base_models_get_a_plain_prompt(tmp_path: Path, files: dict[str, str]) -> None:
    from transformers import AutoTokenizer

    llm = upstream.language_model(tmp_path / "llm", "mistral", TEXTS)
    tokenizer = AutoTokenizer.from_pretrained(llm)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(llm)
    (llm / "chat_template.jinja").unlink(missing_ok=True)
    out = assemble(tiny(), tmp_path / "model", **{**files, "llm": str(llm)})
    processor = FineCaptionProcessor.from_pretrained(out)
    assert processor.prompt("What?") == "<s><image>What?\n"
    assert processor.prompt("What?", "A cup.") == "<s><image>What?\nA cup.</s>"


def test_what_is_no_language_model(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(InputError, match="give the folder of the model, with its tokenizer"):
        read_language(find_source("llm", files["convnext"]))
    (tmp_path / "config.json").write_text('{"model_type": "llama", "quantization_config": {}}')
    with pytest.raises(InputError, match="is quantized"):
        read_language(find_source("llm", str(tmp_path)))
    (tmp_path / "config.json").write_text('{"model_type": "no-such-model"}')
    with pytest.raises(InputError, match="cannot be read as a language model"):
        read_language(find_source("llm", str(tmp_path)))


def test_a_token_beyond_the_embedding_does_not_serve(tmp_path: Path) -> None:
    """Llama-3.2-Vision has an image token without an input row of its own."""
    from transformers import AutoTokenizer

    llm = upstream.language_model(tmp_path / "llm", "mistral", TEXTS)
    tokenizer: Any = AutoTokenizer.from_pretrained(llm)
    tokenizer.add_tokens(["[IMG]"], special_tokens=True)
    tokenizer.save_pretrained(llm)
    language = read_language(find_source("llm", str(llm)))
    assert language.notes["image_token"] == "<image>"
    assert language.config.vocab_size == language.rows + 2
