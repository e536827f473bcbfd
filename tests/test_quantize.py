"""A language model in few bits, at tiny size on the CPU, and the memory that is told of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from finecaption.calibration import Calibration
from finecaption.captioner import FineCaption
from finecaption.cli import main
from finecaption.errors import InputError
from finecaption.generation import Decoding
from finecaption.model import (
    FineCaptionForConditionalGeneration,
    FineCaptionProcessor,
    quantisation,
    tiny,
)

bitsandbytes = pytest.importorskip("bitsandbytes")


@pytest.fixture(scope="module")
def folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with widths that are multiples of 64."""
    out = tmp_path_factory.mktemp("wide") / "model"
    processor = FineCaptionProcessor.from_pretrained(tiny_folder)
    config = tiny(len(processor.tokenizer), 3, hidden_size=64, intermediate_size=128)
    torch.manual_seed(0)
    FineCaptionForConditionalGeneration(config).save_pretrained(out)
    processor.save_pretrained(out)
    return out


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    return Image.fromarray(values)


def mask() -> np.ndarray:
    values = np.zeros((32, 48), bool)
    values[4:20, 10:30] = True
    return values


@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_only_the_language_models_layers_are_rounded(
    kind: str, folder: Path, picture: Image.Image
) -> None:
    whole = FineCaption.from_pretrained(folder, "cpu")
    small = FineCaption.from_pretrained(folder, "cpu", quantize=kind)
    made = bitsandbytes.nn.Linear8bitLt if kind == "int8" else bitsandbytes.nn.Linear4bit
    rounded = {n for n, module in small.model.named_modules() if isinstance(module, made)}
    linear = {n for n, module in whole.model.named_modules() if isinstance(module, nn.Linear)}
    assert rounded == {n for n in linear if n.startswith("model.language_model.layers.")}
    assert len(rounded) == 2 * 7 and "lm_head" in linear

    # What sees the picture is as before, bit by bit; what writes is near, and not equal.
    features = [one.encode(picture).hr_features for one in (whole, small)]
    assert torch.equal(*features)
    inputs = whole.processor(picture, whole.processor.prompt("Describe this region."), mask())
    with torch.no_grad():
        one, two = (c.model(**inputs) for c in (whole, small))
    assert torch.equal(one.image_hidden_states, two.image_hidden_states)
    gap = (one.logits - two.logits).norm() / one.logits.norm()
    assert 0 < float(gap) < (0.05 if kind == "int8" else 0.3)

    how = Decoding(max_new_tokens=4)
    told = [small.caption(picture, mask=mask(), attributes=["Color"], decoding=how)
            for _ in range(2)]  # fmt: skip
    assert told[0].regions[0].captions["Color"] == told[1].regions[0].captions["Color"]


def test_no_confidence_is_given_of_rounded_weights(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = object()
    monkeypatch.setattr(Calibration, "load", lambda folder: known)
    assert FineCaption.from_pretrained(folder, "cpu").calibration is known
    assert FineCaption.from_pretrained(folder, "cpu", quantize="nf4").calibration is None


@pytest.mark.parametrize("where", ["cpu", {"": "cpu"}])
def test_device_map_changes_no_answer(
    where: str | dict[str, str], folder: Path, picture: Image.Image
) -> None:
    answers = [
        one.caption(picture, attributes=["Color"], mask=mask(), max_new_tokens=4).to_json()
        for one in (FineCaption.from_pretrained(folder, "cpu"),
                    FineCaption.from_pretrained(folder, device_map=where))
    ]  # fmt: skip
    assert answers[0] == answers[1]


def test_what_cannot_be_done_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="quantize 'int4': expected one of int8, nf4"):
        FineCaption.from_pretrained(folder, quantize="int4")
    with pytest.raises(InputError, match="device and device_map: give one"):
        FineCaption.from_pretrained(folder, "cpu", device_map="auto")
    monkeypatch.setattr(quantisation, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"need bitsandbytes and .*'finecaption\[quant\]'"):
        FineCaption.from_pretrained(folder, "cpu", quantize="nf4")
    with pytest.raises(InputError, match="device_map needs accelerate"):
        FineCaption.from_pretrained(folder, device_map="auto")


def test_command_line(
    folder: Path, picture: Image.Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture.save(tmp_path / "picture.png")
    words = ["caption", str(tmp_path / "picture.png"), "--model", str(folder), "--device", "cpu",
             "--max-new-tokens", "3"]  # fmt: skip
    said = []
    for more in ([], ["--memory"], ["--quantize", "nf4"]):
        assert main([*words, *more]) == 0
        said.append(capsys.readouterr().err)
    assert "peak memory" not in said[0]
    for text in said[1:]:
        peak = text.partition("peak memory: ")[2].split(" GB resident")[0]
        assert 0.1 < float(peak) < 50
    assert main([*words, "--quantize", "int4"]) == 2
    assert "expected one of int8, nf4" in capsys.readouterr().err


def test_the_page_has_what_the_parameters_make() -> None:
    """docs/assemble.md: bytes of the 8b's weights, from the shapes alone."""
    from finecaption.model.presets import paper_8b

    with torch.device("meta"):
        model = FineCaptionForConditionalGeneration(paper_8b())
    total = sum(parameter.numel() for parameter in model.parameters())
    layers = sum(
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.startswith("model.language_model.")
    )
    rest = 2 * (total - layers)
    # As `finecaption.train.plan.FourBit`: half a byte, a byte a 64 and 4 bytes a 16,384 weights.
    sizes = {"bf16": 2 * total, "int8": layers + rest,
             "NF4": layers * (1 / 2 + 1 / 64 + 4 / 16384) + rest}  # fmt: skip
    page = (Path(__file__).resolve().parents[1] / "docs/assemble.md").read_text("utf-8")
    for name, size in sizes.items():
        assert f"| {name} | {size / 1e9:.2f} GB |" in page, name
