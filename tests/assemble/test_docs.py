"""Every command of docs/assemble.md runs, with tiny checkpoints under the published names."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from finecaption.assemble import presets, sources
from finecaption.cli import main

from . import upstream

PAGE = Path(__file__).resolve().parents[2] / "docs" / "assemble.md"
# What the page takes from the hub or as a file -> the tiny file that stands for it, or its maker.
STANDS_FOR = {
    "openai/clip-vit-large-patch14-336": "clip",
    "timm/convnext_xxlarge.clip_laion2b_soup": "convnext",
    "timm/convnext_large_mlp.clip_laion2b_ft_soup_320": "convnext",
    "facebook/sam-vit-large": "sam",
    "facebook/sam-vit-base": "sam",
    "meta-llama/Llama-3.1-8B-Instruct": "llm",
    "meta-llama/Llama-3.2-3B-Instruct": "llm",
    "Qwen/Qwen2.5-0.5B-Instruct": "llm",
    "Qwen/Qwen2.5-1.5B-Instruct": "llm",
    "mistralai/Mistral-7B-Instruct-v0.3": "mistral",
    "clip_l14_336_grit_20m_4xe.pth": "alpha",
    "ViT-L-14-336px.pt": "clip",
    "open_clip_pytorch_model.bin": "open_clip",
    "sam_vit_l_0b3195.pth": "sam",
}


def commands() -> list[str]:
    """All of them, continued lines joined."""
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("finecaption ")]


@pytest.fixture
def at_work(tmp_path: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files of the page, a hub of tiny models, presets of tiny sizes."""
    import torch

    place = tmp_path / "work"
    place.mkdir()
    made = dict(files)
    made["mistral"] = str(upstream.language_model(tmp_path / "mistral", "mistral"))
    made["open_clip"] = str(tmp_path / "open_clip.bin")
    torch.save(upstream.open_clip_file(upstream.fill(upstream.ConvNeXt(), 1)), made["open_clip"])
    for name, kind in STANDS_FOR.items():
        if "/" not in name:
            shutil.copyfile(made[kind], place / name)

    def fetch(part: str, given: str, weights: bool) -> Path:
        source = Path(made[STANDS_FOR[given]])
        if source.is_dir():
            return source
        folder = tmp_path / "hub" / given.replace("/", "--")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / f"model{source.suffix}")
        return folder

    monkeypatch.setattr(sources, "_fetch", fetch)
    for name, preset in list(presets.PRESETS.items()):
        small = replace(preset(), clip_size=42, image_size=64, dtype="float32")
        monkeypatch.setitem(presets.PRESETS, name, lambda small=small: small)
    picture = Image.new("RGB", (30, 20), (200, 30, 30))
    picture.save(place / "picture.png")
    Image.new("L", (30, 20), 255).save(place / "mask.png")
    monkeypatch.chdir(place)
    return place


def test_every_command_runs(at_work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = commands()
    assert len(found) >= 8
    for command in found:
        assert main(shlex.split(command)[1:]) == 0, command + capsys.readouterr().err
    for folder in at_work.glob("FineCaption-*"):
        assert json.loads((folder / "manifest.json").read_text())["parts"]
    assert (at_work / "FineCaption-8B").is_dir()
    capsys.readouterr()
    scripts = re.findall(r"^```python[^\n]*\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    assert scripts
    for script in scripts:
        exec(compile(script, str(PAGE), "exec"), {})
    width = json.loads((at_work / "language-model/config.json").read_text())["hidden_size"]
    assert capsys.readouterr().out.strip().endswith(f", {width})")


def test_the_page_names_every_preset_and_option() -> None:
    text = PAGE.read_text("utf-8")
    for name in presets.PRESETS:
        assert f"`{name}`" in text, name
        preset = presets.find_preset(name)
        for part in ("clip", "convnext", "sam", "llm"):
            assert not getattr(preset, part) or f"`{getattr(preset, part)}`" in text, name
    for option in ("clip", "alpha", "convnext", "sam", "llm", "dtype", "max-shard-size",
                   "convnext-eps", "seed", "print-config", "export-llm"):  # fmt: skip
        assert f"`--{option}`" in text, option


def test_figures_are_those_of_the_benchmark() -> None:
    result = json.loads((PAGE.parents[1] / "benchmarks/results/assemble_memory.json").read_text())
    text = PAGE.read_text("utf-8")
    for key in ("model_bytes", "largest_shard", "peak", "peak_usual_way", "limit"):
        assert f"{result[key] / 1e9:.2f} GB" in text, key
    assert result["within_limit"] is True and result["peak"] < result["limit"]
    assert f"{result['ratio']:.1f} times" in text
    parity = json.loads((PAGE.parents[1] / "benchmarks/results/assemble_parity.json").read_text())
    assert f"{parity['worst']:.1e}" in text and parity["worst"] < parity["limit"]
