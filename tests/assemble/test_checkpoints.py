"""Reading foreign weight files: lazily, and without running what they say."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from finecaption.assemble.checkpoints import open_file, open_folder
from finecaption.errors import InputError

from . import upstream

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3.0, dtype=torch.float16)}


def same(path: Path, state: dict[str, torch.Tensor]) -> None:
    opened = open_file(path) if path.is_file() else open_folder(path)
    assert opened.shapes == {name: tuple(tensor.shape) for name, tensor in state.items()}
    for name, tensor in state.items():
        read = opened.get(name)
        assert read.dtype == tensor.dtype and torch.equal(read, tensor)


@pytest.mark.parametrize("wrap", ["{}", "state_dict", "model", "module."])
def test_torch_files(wrap: str, tmp_path: Path) -> None:
    content: dict[str, Any] = dict(STATE)
    if wrap == "module.":
        content = {f"module.{name}": tensor for name, tensor in STATE.items()}
    elif wrap != "{}":
        content = {wrap: STATE, "epoch": 3}
    torch.save(content, tmp_path / "w.pth")
    same(tmp_path / "w.pth", STATE)


def test_torch_files_from_before_zip(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    same(tmp_path / "w.pth", STATE)


def test_scripted_archives(tmp_path: Path) -> None:
    clip = upstream.Clip(upstream.fill(upstream.ClipViT(layers=1), 1).half().float())
    clip.visual.conv1.weight.data = clip.visual.conv1.weight.data.transpose(
        2, 3
    )  # no plain strides
    upstream.script(clip, torch.zeros(1, 3, 42, 42), tmp_path / "clip.pt")
    same(tmp_path / "clip.pt", clip.state_dict())


class _Harmful:
    """Unpickled, it would make a folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("new", [True, False])
def test_pickled_code_is_never_run(new: bool, tmp_path: Path) -> None:
    bad = {**STATE, "c": _Harmful(str(tmp_path / "made"))}
    torch.save(bad, tmp_path / "w.pth", _use_new_zipfile_serialization=new)
    with pytest.raises(InputError, match="w.pth: cannot be read as plain weights"):
        open_file(tmp_path / "w.pth")
    assert not (tmp_path / "made").exists()


def test_pickled_code_in_an_archive_is_never_run(tmp_path: Path) -> None:
    upstream.script(torch.nn.Linear(2, 2), torch.zeros(1, 2), tmp_path / "good.pt")
    harmful = b"\x80\x02cos\nmkdir\nX" + len(text := str(tmp_path / "made").encode()).to_bytes(
        4, "little"
    )
    with zipfile.ZipFile(tmp_path / "good.pt") as good, zipfile.ZipFile(
        tmp_path / "bad.pt", "w"
    ) as bad:  # fmt: skip
        for name in good.namelist():
            bad.writestr(
                name, good.read(name) if name != "good/data.pkl" else harmful + text + b"\x85R."
            )
    with pytest.raises(InputError, match=r"bad.pt: asks for os.mkdir"):
        open_file(tmp_path / "bad.pt")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds list, not a state dict"),
        ({"epoch": 3}, "epoch is int, not a tensor"),
        ({}, "not a state dict"),
    ],
)
def test_other_content(content: Any, message: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(InputError, match=message):
        open_file(tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_broken_files(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(InputError, match=name):
        open_file(tmp_path / name)


def test_sharded_folders(tmp_path: Path) -> None:
    save_file({"a.weight": STATE["a.weight"]}, tmp_path / "one.safetensors")
    save_file({"b": STATE["b"]}, tmp_path / "two.safetensors")
    index = {"weight_map": {"a.weight": "one.safetensors", "b": "two.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    same(tmp_path, STATE)
    (tmp_path / "two.safetensors").unlink()
    with pytest.raises(InputError, match="names two.safetensors, which is missing"):
        open_folder(tmp_path)


def test_which_file_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no weights"):
        open_folder(tmp_path)
    save_file(STATE, tmp_path / "x.safetensors")
    same(tmp_path, STATE)
    torch.save(STATE, tmp_path / "y.pth")
    with pytest.raises(InputError, match=r"several weights files \(x.safetensors, y.pth\)"):
        open_folder(tmp_path)
    save_file({"c": torch.zeros(1)}, tmp_path / "model.safetensors")
    same(tmp_path, {"c": torch.zeros(1)})
