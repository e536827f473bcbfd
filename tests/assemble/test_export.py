"""The language model alone says what the whole model says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from finecaption.assemble.build import assemble
from finecaption.assemble.export import export_language_model, prompt_embeddings
from finecaption.assemble.presets import tiny
from finecaption.assemble.write import INDEX
from finecaption.attributes import region_instruction
from finecaption.captioner import FineCaption
from finecaption.cli import main
from finecaption.errors import InputError
from finecaption.types import Region

from . import upstream

INSTRUCTION = region_instruction("Color")


@pytest.fixture(scope="module")
def untied(files: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assemble(tiny(), tmp_path_factory.mktemp("export") / "model", **files)


@pytest.fixture(scope="module")
def tied(files: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tied")
    llm = str(upstream.language_model(root / "llm", "qwen2", tied=True))
    return assemble(tiny(), root / "model", **{**files, "llm": llm})


def look() -> tuple[np.ndarray, np.ndarray]:
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    mask = np.zeros((40, 60), bool)
    mask[5:30, 5:20] = True
    return picture, mask


@pytest.mark.parametrize("which", ["untied", "tied"])
def test_the_stock_model_continues_the_embeddings_alike(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = request.getfixturevalue(which)
    out = export_language_model(folder, tmp_path / "llm", max_shard_bytes=60_000)
    assert (out / INDEX).is_file()
    stock, report = AutoModelForCausalLM.from_pretrained(out, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    captioner = FineCaption.from_pretrained(folder, "cpu")
    config = json.loads((out / "config.json").read_text())
    assert config["architectures"] == [type(stock).__name__] and config["dtype"] == "float32"
    assert config["tie_word_embeddings"] == (which == "tied")
    assert AutoTokenizer.from_pretrained(out).get_vocab() == (
        captioner.processor.tokenizer.get_vocab()
    )

    picture, mask = look()
    processor = captioner.processor
    embedded = prompt_embeddings(captioner.model, processor, picture, mask, INSTRUCTION)
    inputs = processor(picture, processor.prompt(INSTRUCTION), mask)
    assert embedded.shape == (inputs["input_ids"].shape[1], stock.config.hidden_size)
    with torch.no_grad():
        whole = captioner.model(**inputs).logits
        alone = stock(inputs_embeds=embedded[None]).logits
    assert float((whole - alone).abs().max()) < 1e-5
    said = captioner.model.generate(**inputs, do_sample=False, max_new_tokens=8)
    attends = torch.ones(1, len(embedded), dtype=torch.long)
    again = stock.generate(
        inputs_embeds=embedded[None], attention_mask=attends, do_sample=False, max_new_tokens=8
    )
    assert said[0, inputs["input_ids"].shape[1] :].tolist() == again[0].tolist()


def test_embeddings_depend_on_the_region(untied: Path) -> None:
    captioner = FineCaption.from_pretrained(untied, "cpu")
    picture, mask = look()
    made = [
        prompt_embeddings(captioner, captioner.processor, picture, region, INSTRUCTION)
        for region in (mask, Region(mask), ~mask, None)
    ]
    assert torch.equal(made[0], made[1])
    assert float((made[0] - made[2]).abs().max()) > 1e-4
    assert float((made[0] - made[3]).abs().max()) > 1e-4


def test_a_loaded_model_and_the_command_line_write_the_same(
    untied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    captioner = FineCaption.from_pretrained(untied, "cpu")
    loaded = export_language_model(captioner, tmp_path / "loaded")
    out = tmp_path / "out"
    words = ["assemble", "--export-llm", str(untied), "--out", str(out)]
    assert main(words) == 0
    assert capsys.readouterr().out.strip() == str(out)
    name = "model.safetensors"
    assert (loaded / name).read_bytes() == (out / name).read_bytes()
    assert main(words) == 2
    assert "exists" in capsys.readouterr().err
    assert main([*words[:-1], str(tmp_path / "new"), "--llm", "x"]) == 2
    assert "--llm: cannot be combined with --export-llm" in capsys.readouterr().err


def test_rounded_weights_are_not_exported(untied: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    captioner = FineCaption.from_pretrained(untied, "cpu", quantize="nf4")
    with pytest.raises(InputError, match="is quantized; give its folder"):
        export_language_model(captioner, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_named(untied: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    broken.mkdir()
    for file in untied.iterdir():
        if file.suffix != ".safetensors":
            (broken / file.name).write_bytes(file.read_bytes())
    state = load_file(untied / "model.safetensors")
    state.pop("model.language_model.norm.weight")
    save_file(state, broken / "model.safetensors")
    with pytest.raises(InputError, match="model.language_model.norm.weight is missing"):
        export_language_model(broken, tmp_path / "out")
    with pytest.raises(InputError, match="no such model or folder"):
        export_language_model(tmp_path / "nothing", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]
