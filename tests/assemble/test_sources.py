"""Sources: the disk first, then the hub; and only what is needed from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file

from finecaption.assemble.presets import PRESETS, find_preset
from finecaption.assemble.sources import find_source
from finecaption.errors import InputError


class Hub:
    """Pretends to be huggingface_hub; remembers what was asked for."""

    def __init__(self, folder: Path, names: list[str], fail: bool = False) -> None:
        self.folder, self.names, self.fail = folder, names, fail
        self.patterns: list[str] | None = None

    def HfApi(self) -> Hub:
        return self

    def list_repo_files(self, name: str) -> list[str]:
        if self.fail:
            raise OSError("no network\nat all")
        return self.names

    def hf_hub_download(self, name: str, file: str) -> str:
        return str(self.folder / file)

    def snapshot_download(self, name: str, **options: Any) -> str:
        if options.get("local_files_only"):
            raise FileNotFoundError("not cached")
        self.patterns = options["allow_patterns"]
        return str(self.folder)


def connect(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    for name in ("HfApi", "hf_hub_download", "snapshot_download"):
        monkeypatch.setattr(huggingface_hub, name, getattr(hub, name))
    return hub


SAM_NAMES = ["README.md", "config.json", "model.safetensors", "preprocessor_config.json",
             "pytorch_model.bin", "tf_model.h5"]  # fmt: skip
LLAMA_NAMES = ["config.json", "generation_config.json", "model-00001-of-00002.safetensors",
               "model-00002-of-00002.safetensors", "model.safetensors.index.json",
               "original/consolidated.00.pth", "tokenizer.json"]  # fmt: skip


def test_the_hub_gives_one_copy_of_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = connect(Hub(tmp_path / "0123abc", SAM_NAMES), monkeypatch)
    source = find_source("sam", "facebook/sam-vit-large")
    assert source.revision == "0123abc"
    assert hub.patterns == ["config.json", "preprocessor_config.json", "model.safetensors"]
    find_source("sam", "facebook/sam-vit-large", weights=False)
    assert hub.patterns == ["config.json", "preprocessor_config.json"]


def test_the_hub_gives_all_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = {"a": LLAMA_NAMES[2], "b": LLAMA_NAMES[3]}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    hub = connect(Hub(tmp_path, LLAMA_NAMES), monkeypatch)
    find_source("llm", "meta-llama/Llama-3.1-8B-Instruct")
    assert hub.patterns is not None
    assert set(hub.patterns) == {name for name in LLAMA_NAMES if "/" not in name}


def test_without_the_hub_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(Hub(tmp_path, [], fail=True), monkeypatch)
    with pytest.raises(InputError, match=r"--clip some/model: .*\(no network\); check the name"):
        find_source("clip", "some/model")


@pytest.mark.parametrize("given", ["missing.pth", "folder/missing.pth", "a/b/c", "~/nothing/x"])
def test_missing_files_are_not_looked_for_on_the_hub(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = connect(Hub(tmp_path, SAM_NAMES), monkeypatch)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no such file or folder"):
        find_source("sam", given)
    assert hub.patterns is None


def test_pixel_statistics_come_with_the_folder(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert find_source("convnext", str(tmp_path)).statistics is None
    timm = {"architecture": "convnext_x", "pretrained_cfg": {"mean": [0.1] * 3, "std": [0.2] * 3}}
    (tmp_path / "config.json").write_text(json.dumps(timm))
    source = find_source("convnext", str(tmp_path))
    assert source.statistics == ([0.1] * 3, [0.2] * 3) and not source.has_transformers_config
    processor = {"image_mean": [0.5] * 3, "image_std": [0.6] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    assert find_source("convnext", str(tmp_path)).statistics == ([0.5] * 3, [0.6] * 3)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config.json: is no JSON"):
        _ = find_source("convnext", str(tmp_path)).config


def test_presets_name_the_papers_parts() -> None:
    paper = find_preset("8b")
    assert paper.clip == "openai/clip-vit-large-patch14-336"
    assert paper.convnext == "timm/convnext_xxlarge.clip_laion2b_soup"
    assert paper.sam == "facebook/sam-vit-large"
    assert paper.llm == "meta-llama/Llama-3.1-8B-Instruct"
    assert (paper.clip_size, paper.image_size, paper.dtype) == (336, 1024, "bfloat16")
    light = find_preset("8b-light")
    assert "large" in str(light.convnext) and light.sam == "facebook/sam-vit-base"
    assert light.llm == paper.llm
    for name in PRESETS:
        assert find_preset(name).name == name
    with pytest.raises(InputError, match="no preset '9b'; there are 8b, 8b-light"):
        find_preset("9b")
