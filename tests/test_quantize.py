"""A language model in few bits, at tiny size on the CPU, and the memory that is told of."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from finecaption.captioner import FineCaption
from finecaption.cli import main
from finecaption.decoding import Decoding
from finecaption.errors import InputError
from finecaption.model import FineCaptionForConditionalGeneration, quantisation, tiny
from finecaption.trust.calibration import Calibration

bitsandbytes = pytest.importorskip("bitsandbytes")

# What bitsandbytes' AVX512-BF16 path does to a layer at its first use. It is arithmetic on any
# processor; only the product with the packed weights needs the instructions.
pack = bitsandbytes.functional._convert_weight_packed_for_cpu
unpack = bitsandbytes.functional._convert_weight_packed_for_cpu_inverse


@pytest.fixture
def folder(quantizable_folder: Path) -> Path:
    return quantizable_folder


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


@pytest.mark.parametrize(
    "sizes, layer, inputs, outputs",
    [
        # a row narrower than a block of weights, and one of a block and a half
        ({}, "layers.0.self_attn.q_proj", 32, 32),
        ({"hidden_size": 96, "num_attention_heads": 3}, "layers.0.self_attn.q_proj", 96, 96),
        ({"hidden_size": 64, "intermediate_size": 96}, "layers.0.mlp.down_proj", 96, 64),
        # too few rows; not whole groups of them
        ({"hidden_size": 64, "num_attention_heads": 4}, "layers.0.self_attn.k_proj", 64, 16),
        ({"hidden_size": 128, "head_dim": 24}, "layers.0.self_attn.q_proj", 128, 48),
    ],
)
def test_sizes_that_some_processors_get_wrong_are_refused_by_all(
    sizes: dict[str, int], layer: str, inputs: int, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = {"num_key_value_heads": 1} if "num_attention_heads" in sizes else {}
    config = tiny(**sizes, **narrow)
    words = f"model.language_model.{layer} has {inputs} inputs and {outputs} outputs"
    for able in (False, True):
        monkeypatch.setattr(bitsandbytes.nn.modules, "has_avx512bf16", lambda able=able: able)
        with pytest.raises(InputError, match=re.escape(words)):
            quantisation.check_sizes("nf4", config)
    quantisation.check_sizes("int8", config)


def test_exactly_the_sizes_that_are_taken_can_be_packed() -> None:
    """For AVX512-BF16. Odd rows are left out: NF4 does not store them row by row."""
    for outputs in (1, 2, 16, 31, 32, 33, 48, 64, 96):
        for inputs in (2, 16, 32, 62, 64, 66, 96, 126, 128, 192):
            weights = torch.randn(outputs, inputs, generator=torch.manual_seed(0))
            packed, state = bitsandbytes.functional.quantize_4bit(
                weights, quant_type="nf4", compress_statistics=True
            )
            before = packed.clone()
            good = inputs % quantisation.NF4_BLOCK == 0 and outputs % quantisation.NF4_ROWS == 0
            if not good:
                with pytest.raises((RuntimeError, AssertionError)):
                    pack(packed, state)
                continue
            packed, state = pack(packed, state)
            assert state.absmax.shape == (inputs // quantisation.NF4_BLOCK, outputs)
            assert torch.equal(unpack(packed, state)[0], before)


def test_every_layer_of_a_model_that_is_taken_can_be_packed(folder: Path) -> None:
    model = FineCaption.from_pretrained(folder, "cpu", quantize="nf4").model
    layers = [m for m in model.modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
    assert len(layers) == 2 * 7
    for layer in layers:
        assert layer.weight.quant_state.blocksize == quantisation.NF4_BLOCK
        packed, _ = pack(layer.weight.data, layer.weight.quant_state)
        assert packed.shape == (layer.out_features, layer.in_features // 2)


@pytest.mark.parametrize("able", [False, True])
def test_a_model_that_cannot_be_quantized_answers_nothing(
    able: bool, tiny_folder: Path, picture: Image.Image, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(bitsandbytes.nn.modules, "has_avx512bf16", lambda: able)
    picture.save(tmp_path / "picture.png")
    words = ["caption", str(tmp_path / "picture.png"), "--point", "5,5"]
    assert main([*words, "--model", str(tiny_folder), "--quantize", "nf4"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "q_proj has 32 inputs and 32 outputs, and nf4 needs inputs in multiples of 64" in err
    assert str(tiny_folder) in err


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
    # As `memory_plan.FourBit`: half a byte, a byte a 64 and 4 bytes a 16,384 weights.
    sizes = {"bf16": 2 * total, "int8": layers + rest,
             "NF4": layers * (1 / 2 + 1 / 64 + 4 / 16384) + rest}  # fmt: skip
    page = (Path(__file__).resolve().parents[1] / "docs/assemble.md").read_text("utf-8")
    for name, size in sizes.items():
        assert f"| {name} | {size / 1e9:.2f} GB |" in page, name


def test_a_kernel_that_nobody_needs_is_not_missed(caplog: pytest.LogCaptureFixture) -> None:
    quantisation.nf4_settings(torch.float32)
    logger = logging.getLogger("bitsandbytes.backends.cpu.ops")
    logger.warning("Failed to load CPU gemm_4bit_forward from kernels-community: %s", "offline")
    logger.warning("Something else.")
    assert [r.getMessage() for r in caplog.records] == ["Something else."]
