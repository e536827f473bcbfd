"""Five files in upstream formats become a model that describes a picture."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from finecaption.assemble.build import MANIFEST, assemble
from finecaption.assemble.presets import tiny
from finecaption.captioner import FineCaption
from finecaption.errors import InputError
from finecaption.model import FineCaptionForConditionalGeneration

from . import upstream

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model_folder(files: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assemble(
        tiny(), tmp_path_factory.mktemp("built") / "model", max_shard_bytes=400_000, **files
    )


def test_it_captions_and_looks_at_the_mask(model_folder: Path) -> None:
    model = FineCaption.from_pretrained(model_folder, device="cpu")
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    mask = np.zeros((40, 60), bool)
    mask[5:30, 5:20] = True
    result = model.caption(picture, mask=mask, attributes=["Color", "Shape"], max_new_tokens=6)
    assert set(result.regions[0].captions) == {"Color", "Shape"}
    assert all(text for text in result.regions[0].captions.values())
    encoded = model.encode(picture)
    inputs = model.processor.image_processor.region_inputs
    masks = torch.from_numpy(np.concatenate([inputs(m, (60, 40)) for m in (mask, ~mask)]))
    with torch.no_grad():
        first, second = model.model.encode_regions(
            encoded.pixel_values_clip, masks, encoded.hr_features
        )
    assert float((first - second).abs().max()) > 1e-3


def test_no_key_is_missing_or_left_over(model_folder: Path) -> None:
    _, report = FineCaptionForConditionalGeneration.from_pretrained(
        model_folder, output_loading_info=True
    )
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))


def test_manifest_tells_sources_and_hashes(model_folder: Path, files: dict[str, str]) -> None:
    text = (model_folder / MANIFEST).read_text()
    assert str(Path(files["sam"]).parent) not in text  # nothing of this machine
    manifest = json.loads(text)
    assert {part: entry["format"] for part, entry in manifest["parts"].items()} == {
        "alpha": "Alpha-CLIP",
        "convnext": "timm ConvNeXt",
        "sam": "Meta SAM",
        "llm": "transformers causal LM",
    }
    for part in ("alpha", "convnext", "sam"):
        (file,) = manifest["parts"][part]["files"]
        path = Path(files[part])
        assert file["name"] == path.name and file["bytes"] == path.stat().st_size
        assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(manifest["weights"]) > 1
    for file in manifest["weights"]:
        content = (model_folder / file["name"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
    model = FineCaptionForConditionalGeneration.from_pretrained(model_folder)
    assert manifest["parameters"] == sum(p.numel() for p in model.parameters())
    assert manifest["convnext_norm_eps"] == 1e-5
    assert manifest["language"]["template"] == "Llama 3"


def test_auto_classes_open_the_folder_by_themselves(model_folder: Path, tmp_path: Path) -> None:
    """Without importing the package first, as servers do; its own process: classes register."""
    code = (
        "import sys, transformers as t\n"
        f"kwargs = dict(pretrained_model_name_or_path={str(model_folder)!r}, "
        "trust_remote_code=True)\n"
        "assert 'finecaption' not in sys.modules\n"
        "assert t.AutoConfig.from_pretrained(**kwargs).image_seq_length == 4\n"
        "model = t.AutoModelForImageTextToText.from_pretrained(**kwargs)\n"
        "assert t.AutoProcessor.from_pretrained(**kwargs).image_seq_length == 4\n"
        "assert model.is_backend_compatible(), 'attention'\n"
        "print(type(model).__name__)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HF_MODULES_CACHE": str(tmp_path),
           "HF_HUB_OFFLINE": "1"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["FineCaptionForConditionalGeneration"]


def test_the_same_seed_gives_the_same_bytes(
    model_folder: Path, files: dict[str, str], tmp_path: Path
) -> None:
    def hashes(folder: Path) -> list[str]:
        return [file["sha256"] for file in json.loads((folder / MANIFEST).read_text())["weights"]]

    again = assemble(tiny(), tmp_path / "again", max_shard_bytes=400_000, **files)
    assert hashes(again) == hashes(model_folder)
    other = assemble(tiny(), tmp_path / "other", max_shard_bytes=400_000, seed=1, **files)
    assert hashes(other) != hashes(model_folder)


def test_half_precision_rounds_once(
    model_folder: Path, files: dict[str, str], tmp_path: Path
) -> None:
    out = assemble(tiny(), tmp_path / "half", dtype="bfloat16", **files)
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"
    half = FineCaptionForConditionalGeneration.from_pretrained(out)
    whole = FineCaptionForConditionalGeneration.from_pretrained(model_folder).state_dict()
    for name, tensor in half.state_dict().items():
        assert tensor.dtype == torch.bfloat16
        assert torch.equal(tensor, whole[name].bfloat16()), name


def test_statistics_of_a_folder_reach_the_configuration(
    files: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "convnext"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(Path(files["convnext"]).read_bytes())
    timm = {"architecture": "convnext", "pretrained_cfg": {"mean": [0.1] * 3, "std": [0.2] * 3}}
    (folder / "config.json").write_text(json.dumps(timm))
    out = assemble(tiny(), tmp_path / "model", **{**files, "convnext": str(folder)})
    config = json.loads((out / "config.json").read_text())
    assert config["convnext_image_mean"] == [0.1] * 3
    assert config["convnext_image_std"] == [0.2] * 3


def test_a_failure_leaves_nothing_behind(files: dict[str, str], tmp_path: Path) -> None:
    state = torch.load(files["sam"], weights_only=True)
    state.pop("image_encoder.neck.0.weight")
    torch.save(state, tmp_path / "sam.pth")
    with pytest.raises(InputError, match="missing key image_encoder.neck.0.weight"):
        assemble(tiny(), tmp_path / "model", **{**files, "sam": str(tmp_path / "sam.pth")})
    assert [path.name for path in tmp_path.iterdir()] == ["sam.pth"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sam": None}, "--sam: preset tiny names none; give one"),
        ({"clip": None, "alpha": None}, "--clip: preset tiny names none"),
        ({"dtype": "int8"}, "dtype 'int8': expected one of float32"),
    ],
)
def test_what_is_missing_is_said(
    change: dict[str, str | None], message: str, files: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        assemble(tiny(), tmp_path / "model", **{**files, **change})  # type: ignore[arg-type] # mixed options
    assert not list(tmp_path.iterdir())


def test_parts_that_do_not_fit_together(files: dict[str, str], tmp_path: Path) -> None:
    upstream.fill(clip := upstream.ClipViT(patch=16, size=48), 1)
    torch.save(clip.state_dict(), tmp_path / "clip.pt")
    given = {**files, "clip": str(tmp_path / "clip.pt"), "alpha": None}
    with pytest.raises(InputError, match=r"image_size=42 must be a positive multiple .*=16"):
        assemble(tiny(), tmp_path / "model", **given)


def test_alpha_with_a_whole_tower_needs_no_clip(files: dict[str, str], tmp_path: Path) -> None:
    alone = assemble(tiny(), tmp_path / "alone", **{**files, "clip": None})
    both = assemble(tiny(), tmp_path / "both", **files)
    names = [json.loads((f / MANIFEST).read_text())["weights"] for f in (alone, both)]
    assert names[0] == names[1]
